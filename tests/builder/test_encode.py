"""The loss lies on the answer and on its end, and nothing is cut in silence."""

from __future__ import annotations

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from builder import encode
from lorekeeper import prompt
from lorekeeper.errors import BadInput

WORDS = tiny.tokenizer()


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_only_the_answer_and_its_end_are_learned(question: str, answer: str) -> None:
    row = encode.example(1, prompt.messages(question), answer, WORDS)
    learned = [label for label in row.labels if label != encode.IGNORED]
    assert WORDS.decode(learned[:-1]) == answer.strip()
    assert learned[-1] == WORDS.eos_token_id
    assert row.labels[: -row.learned] == (encode.IGNORED,) * (len(row.labels) - row.learned)
    assert row.input_ids[-row.learned :] == row.labels[-row.learned :]


def test_the_prompt_is_the_one_that_is_served() -> None:
    messages = prompt.messages("Why?")
    row = encode.example(1, messages, "Because.", WORDS)
    served = WORDS.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert WORDS.decode(row.input_ids[: -row.learned]) == served


def test_rows_that_do_not_fit_are_reported() -> None:
    rows = [encode.example(n, prompt.messages("q" * n), "a", WORDS) for n in (1, 500)]
    fit, long = encode.fitting(rows, most=300)
    assert [row.pair_id for row in fit] == [1]
    assert [row.pair_id for row in long] == [500]
    assert long[0].tokens > 300
    with pytest.raises(BadInput, match="None of the 2 rows"):
        encode.fitting(rows, most=10)


def test_a_model_without_a_chat_template_is_refused() -> None:
    bare = tiny.tokenizer()
    bare.chat_template = None
    with pytest.raises(BadInput, match="no chat template"):
        encode.prompt_ids(prompt.messages("Why?"), bare)


def test_a_template_that_rewrites_the_prompt_is_refused() -> None:
    odd = tiny.tokenizer()
    odd.chat_template = "{{ messages | length }}" + tiny.TEMPLATE
    with pytest.raises(BadInput, match="differently"):
        encode.example(1, prompt.messages("Why?"), "Because.", odd)
