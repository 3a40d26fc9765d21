"""An answer is made from what its asker may see; when a part is down it says so and gives what is left."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.rig.pulled import pulled
from lorekeeper.domain import PUBLIC, Answer, Level, Passage, PassageKind
from retrieval.sources import passage
from serving.assistant import Asked, Assistant
from serving.fake_engine import FakeEngine, Script
from tests.serving.conftest import assistant, index_of, said

DEPLOY = "Run make ship from the main branch to deploy billing."
QUESTION = "how do we deploy billing from the main branch"
NOBODY = "http://127.0.0.1:9"
Speak = Callable[[Script], FakeEngine]


def told(made: Assistant, question: str = QUESTION, **more: Any) -> tuple[str, Answer]:
    """What was streamed, and the answer at its end."""
    steps = list(pulled(made.answer(Asked(question=question, **more))))
    assert steps[-1].answer is not None
    return "".join(step.text for step in steps), steps[-1].answer


def test_the_answer_cites_what_supports_it(speak: Speak, tmp_path: Path) -> None:
    fake = speak(Script(tokens=["Run make ship from ", "the main branch."]))
    text, answer = told(assistant(index_of([said(DEPLOY)], tmp_path), fake.url))
    assert text == answer.text == "Run make ship from the main branch. [1]"
    assert (answer.level, answer.model, answer.note) == (Level.BASE, "base", "")
    assert DEPLOY in fake.heard[0]["messages"][-1]["content"]


def test_the_current_adapter_answers_and_is_named(speak: Speak, tmp_path: Path) -> None:
    fake = speak(Script(spoken_by={"v3-aa": ["Run make ship from the main branch."]}))
    fake.adapters["v3-aa"] = "x"
    made = assistant(index_of([said(DEPLOY)], tmp_path), fake.url, current=("v3-aa", "v3"))
    assert (told(made)[1].level, told(made)[1].model) == (Level.TUNED, "v3")
    assert told(made, model="base")[1].model == "base"


def test_an_adapter_that_is_not_loaded_gives_way_to_the_base(speak: Speak, tmp_path: Path) -> None:
    fake = speak(Script(tokens=["Run make ship from the main branch."]))
    made = assistant(index_of([said(DEPLOY)], tmp_path), fake.url, current=("v3-aa", "v3"))
    answer = told(made)[1]
    assert (answer.level, answer.model) == (Level.BASE, "base")
    assert "v3 is not loaded" in answer.note


def test_an_unsupported_answer_has_no_number_and_lists_the_nearest_sources(
    speak: Speak, tmp_path: Path
) -> None:
    fake = speak(Script(tokens=["The moon is made of green cheese [1]."]))
    text, answer = told(assistant(index_of([said(DEPLOY)], tmp_path), fake.url))
    assert text == "The moon is made of green cheese."
    assert [citation.quote for citation in answer.citations] == [DEPLOY]
    assert "No source backs" in answer.note


def test_without_an_engine_the_passages_are_quoted(tmp_path: Path) -> None:
    text, answer = told(assistant(index_of([said(DEPLOY)], tmp_path), NOBODY))
    assert answer.level is Level.PASSAGES
    assert text == answer.text
    assert DEPLOY in text
    assert [citation.number for citation in answer.citations] == [1]
    assert "does not answer" in answer.note


@pytest.mark.parametrize(
    "fate",
    [
        {"dies_after": 2},  # the server is killed
        {"errs_after": 2},  # the process that computes is killed, and the server tells of it
        {"ends": "abort"},  # the engine gives up, as when it is put to sleep
    ],
)
def test_an_engine_that_breaks_off_leaves_what_it_said_and_the_passages_with_a_note(
    speak: Speak, tmp_path: Path, fate: dict[str, Any]
) -> None:
    fake = speak(Script(tokens=["First this. ", "Then that. ", "And"], **fate))
    text, answer = told(assistant(index_of([said(DEPLOY)], tmp_path), fake.url))
    assert text == answer.text
    assert text.startswith("First this. ")
    assert DEPLOY in text
    assert answer.level is Level.PASSAGES
    assert "broke off" in answer.note or "does not answer" in answer.note


def test_an_engine_that_says_nothing_is_not_waited_for(speak: Speak, tmp_path: Path) -> None:
    fake = speak(Script(silence=30.0))
    made = assistant(index_of([said(DEPLOY)], tmp_path), fake.url, first_token_seconds=0.2)
    answer = told(made)[1]
    assert answer.level is Level.PASSAGES
    assert "said nothing" in answer.note
    assert fake.stopped.wait(60)


def test_closing_the_steps_stops_the_engine(speak: Speak, tmp_path: Path) -> None:
    fake = speak(Script(tokens=["On and on. "] * 500, pace=0.02))
    made = assistant(index_of([said(DEPLOY)], tmp_path), fake.url)
    steps = pulled(made.answer(Asked(question=QUESTION)))
    next(step for step in steps if step.text)
    steps.close()
    assert fake.stopped.wait(60)


def test_what_is_not_known_is_said_with_the_people_vouched_for_first(tmp_path: Path) -> None:
    near = [
        said("We deploy billing from the main branch.", author="U1"),
        said("Deploy happens.", author="U2", kind=PassageKind.PAIR, conversation="C1/2.0"),
    ]
    made = assistant(index_of(near, tmp_path), NOBODY, min_evidence=2.0)
    answer = told(made, asker="U9")[1]
    assert answer.level is Level.UNKNOWN
    assert answer.people == ("U2", "U1")
    assert told(made, asker="U1")[1].people == ("U2",)


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_gets_a_short_answer(tmp_path: Path, question: str) -> None:
    text, answer = told(assistant(index_of([said(DEPLOY)], tmp_path), NOBODY), question)
    assert "no question" in text
    assert answer.level is Level.UNKNOWN


def test_what_does_not_fit_is_left_out_lowest_passages_first(speak: Speak, tmp_path: Path) -> None:
    fake = speak(Script(tokens=["Run make ship from the main branch."]))
    long = [said(f"{DEPLOY} {'filler ' * 60}{n}", conversation=f"C1/{n}.0") for n in range(4)]
    made = assistant(
        index_of(long, tmp_path), fake.url, context_tokens=400, max_tokens=50, min_evidence=0.0
    )
    turns = tuple({"role": "user", "content": f"old {n} " * 100} for n in range(3))
    answer = told(made, turns=turns)[1]
    assert answer.level is Level.BASE
    assert sum(len(turn["content"]) for turn in fake.heard[0]["messages"]) <= 350 * 3
    assert "[1]" in fake.heard[0]["messages"][-1]["content"]


def parts(*bodies: str, scope: str = PUBLIC, first: int = 0) -> list[Passage]:
    """A conversation about deploying, in parts."""
    return [
        passage(
            kind=PassageKind.THREAD, text=f"{QUESTION}\n\n{body}", title=QUESTION, url="https://x/1",
            scope=scope, conversation="C1/1.0", said=(f"C1/{number}.0",), part=number,
            lead=len(QUESTION) + 2,
        )
        for number, body in enumerate(bodies, first)
    ]  # fmt: skip


def test_the_model_is_shown_the_whole_conversation_around_the_best_passage_if_it_fits(
    speak: Speak, tmp_path: Path
) -> None:
    fake = speak(Script(tokens=["Run make ship from the main branch."]))
    whole = parts("First, breathe.", "Run make ship from the main branch.", "Then, breathe again.")
    made = assistant(index_of(whole, tmp_path), fake.url, min_evidence=0.0)
    answer = told(made)[1]
    shown = fake.heard[0]["messages"][-1]["content"]
    assert shown.count(f"[1] {QUESTION}") == 1
    assert shown.index("First, breathe.") < shown.index("make ship") < shown.index("breathe again.")
    assert "[2]" not in shown
    assert "make ship" in answer.citations[0].quote
    short = speak(Script(tokens=["Run make ship from the main branch."]))
    long = parts("x " * 900, "Run make ship from the main branch.")
    little = assistant(
        index_of(long, tmp_path), short.url, context_tokens=500, max_tokens=50, min_evidence=0.0
    )
    told(little)
    assert "x x" not in short.heard[0]["messages"][-1]["content"]


placed = st.lists(st.sampled_from([PUBLIC, "C1", "G2", "D3"]), max_size=6)
scopes = st.frozensets(st.sampled_from([PUBLIC, "C1", "G2", "D3"]))


@settings(max_examples=25, deadline=None)
@given(placed, scopes, st.integers(0, 5))
def test_nothing_outside_the_scopes_is_cited_said_or_named(
    where: list[str], allowed: frozenset[str], hidden: int
) -> None:
    passages = [
        said(f"deploy billing secret{n}", scope=scope, author=f"U{n}", conversation=f"C/{n}")
        for n, scope in enumerate(where)
    ]
    exclude = frozenset({f"C/{hidden}"})
    with tempfile.TemporaryDirectory() as folder:
        index = index_of(passages, Path(folder))
        for least in (0.0, 2.0):  # quoted, and not known
            made = assistant(index, NOBODY, min_evidence=least)
            text, answer = told(made, "deploy billing", scopes=allowed, exclude=exclude)
            seen = text + repr(answer)
            for n, scope in enumerate(where):
                if scope not in allowed or n == hidden:
                    assert f"secret{n}" not in seen
                    assert f"U{n}" not in seen
