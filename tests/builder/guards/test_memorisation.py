"""What comes out word for word is counted against held-out answers and the base."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from builder.dataset import Row
from builder.guards import memorisation
from builder.guards.memorisation import Recital, compared, longest_run, sample
from lorekeeper.domain import Evaluation
from lorekeeper.settings import Train

LONG = (
    "Restart the billing worker, wait for the queue to be empty, and then start the import again."
)


def row(number: int, answer: str, author: str = "U1") -> Row:
    return Row(
        pair_id=number, question=f"What about {number}?", answer=answer, conversation=str(number),
        source="", scope="public", answer_ts="", authors=(author,),
    )  # fmt: skip


def evaluation(told: str, answer: str = LONG, many: int = 10, base: str = "No idea.") -> Evaluation:
    rows = [row(number, answer, f"U{number % 2}") for number in range(many)]
    held = [row(number, "Something quite different is said here.") for number in range(many)]
    before = Recital(trained=(base,) * many, heldout=(base,) * many)
    after = Recital(trained=(told,) * many, heldout=("I do not know.",) * many)
    return Evaluation(
        questions=(), references=(), conversations=(), arms=(), precision="float32",
        memorised=compared(rows, held, before, after),
    )  # fmt: skip


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")))
def test_the_longest_run_is_in_both_and_none_is_longer(one: list[str], other: list[str]) -> None:
    found = longest_run(" ".join(one), " ".join(other))
    runs = {
        tuple(one[at : at + length]) for length in range(len(one) + 1) for at in range(len(one))
    }
    shared = [run for run in runs if run and _holds(other, run)]
    assert found == max(map(len, shared), default=0)


def _holds(words: list[str], run: tuple[str, ...]) -> bool:
    return any(tuple(words[at : at + len(run)]) == run for at in range(len(words)))


def test_a_sentence_of_its_own_is_not_recited() -> None:
    assert memorisation.shares(evaluation("Start the worker again and wait."))["trained"] == 0


def test_an_answer_that_comes_out_whole_is() -> None:
    shares = memorisation.shares(evaluation(LONG))
    assert shares == {"trained": 1.0, "trained, base": 0.0, "heldout": 0.0, "heldout, base": 0.0}
    assert evaluation(LONG).memorised.people == ("U0", "U1")  # type: ignore[union-attr]


def test_a_short_answer_that_is_known_is_not_recited() -> None:
    assert memorisation.shares(evaluation("Yes", "Yes"))["trained"] == 0


def test_it_is_said_and_blocks_only_where_a_limit_is_set() -> None:
    assert not memorisation.harms(evaluation(LONG), Train())
    (found,) = memorisation.harms(evaluation(LONG), Train(max_memorised=0.5))
    assert found.p < 0.05
    (known,) = memorisation.harms(evaluation(LONG, base=LONG), Train(max_memorised=0.5))
    assert known.found.mean == 0  # the base could do it before


def test_placeholders_and_secrets_of_the_training_answer_are_counted() -> None:
    answer = "Write to [email 1] and use the key AKIAIOSFODNN7EXAMPLE for the upload."
    found = evaluation(answer, answer).memorised
    assert found is not None
    assert (found.placeholders, found.secrets) == (10, 10)
    other = evaluation("Write to [email 2] with AKIAIOSFODNN7EXAMPLF.", answer).memorised
    assert other is not None
    assert (other.placeholders, other.secrets) == (0, 0)


def test_a_sample_is_spread_over_all_rows() -> None:
    rows = [row(number, "x") for number in range(100)]
    assert [one.pair_id for one in sample(rows, 4)] == [0, 25, 50, 75]
    assert sample(rows[:3], 4) == rows[:3]
    assert sample(rows, 0) == []
