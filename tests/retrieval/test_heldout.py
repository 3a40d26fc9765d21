"""A question is never looked for where it stands itself."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lorekeeper.domain import PUBLIC, Origin, Pair, PairState, Passage, PassageKind
from retrieval.embed import HashingEmbedder
from retrieval.heldout import Trial, trials
from retrieval.sources import passage

PAIR = Pair(
    id=1,
    question="When do backups run?",
    answer="At night, at two.",
    state=PairState.APPROVED,
    origin=Origin.REACTION,
    channel="C1",
    scope=PUBLIC,
    conversation="C1/100.0",
    source="https://x/1",
    answer_ts="101.0",
)
DOCUMENT = passage(kind=PassageKind.DOCUMENT, text="Backups", title="Backups", url="https://x/d")


def pair(number: int, **changes: object) -> Pair:
    ts = f"{number}00.0"
    made = replace(
        PAIR, id=number, question=f"question {number}?", answer=f"answer {number}",
        conversation=f"C1/{ts}", answer_ts=f"{number}01.0",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]  # the fields' own values


def indexed(each: Pair) -> list[Passage]:
    """As an index holds it: the pair with all its wordings, and what else was said there."""
    asked = "\n".join((each.question, *each.also_asked))
    told = {"url": each.source, "title": each.question, "conversation": each.conversation}
    return [
        passage(kind=PassageKind.PAIR, text=f"{asked}\n\n{each.answer}", pair_id=each.id, **told),  # type: ignore[arg-type]
        passage(kind=PassageKind.THREAD, text=f"{each.question}\n\nthanks!", **told),  # type: ignore[arg-type]
    ]


def made(pairs: list[Pair], most: int = 500) -> list[Trial]:
    searched = [DOCUMENT, *(one for each in pairs for one in indexed(each))]
    count = HashingEmbedder().count_tokens
    return trials(pairs, searched, limit=50, count=count, most=most)


PAIRS = st.integers(1, 12).flatmap(
    lambda many: st.tuples(
        *(
            st.booleans().map(
                lambda reworded, n=number: pair(n, also_asked=(f"other {n}?",) if reworded else ())
            )
            for number in range(1, many + 1)
        )
    )
)


@given(PAIRS)
def test_no_passage_holds_a_question_that_is_asked(pairs: tuple[Pair, ...]) -> None:
    for trial in made(list(pairs)):
        for question in trial.questions:
            assert not any(question.text in one.text.split("\n") for one in trial.passages)


@given(PAIRS)
def test_every_question_is_asked_once_and_its_answer_is_among_the_passages(
    pairs: tuple[Pair, ...],
) -> None:
    asked = [question for trial in made(list(pairs)) for question in trial.questions]
    wordings = [text for each in pairs for text in (each.question, *each.also_asked)]
    assert sorted(question.text for question in asked) == sorted(wordings)
    for trial in made(list(pairs)):
        known = {one.id: one for one in trial.passages}
        for question in trial.questions:
            number = int(question.id.partition(".")[0])
            assert {known[name].conversation for name in question.judged} == {f"C1/{number}00.0"}
            assert all(f"answer {number}" in known[name].text for name in question.judged)


def test_the_other_half_stays_as_it_is_searched() -> None:
    """Of two conversations in different halves, the one that is not asked keeps its pair and thread."""
    pairs = [pair(number) for number in range(1, 9)]
    for trial in made(pairs):
        kinds = [one.kind for one in trial.passages]
        held = {question.cluster for question in trial.questions}
        assert kinds.count(PassageKind.PAIR) == len(pairs) - len(held)
        assert DOCUMENT in trial.passages
        assert {one.conversation for one in trial.passages if one.pair_id} == (
            {each.conversation for each in pairs} - held
        )


def test_pairs_of_one_conversation_are_one_witness_in_one_half() -> None:
    together = [pair(1), pair(2, conversation="C1/100.0"), pair(3), pair(4)]
    held = [{question.cluster for question in trial.questions} for trial in made(together)]
    assert sum("C1/100.0" in each for each in held) == 1


def test_no_more_pairs_are_asked_than_wanted_and_always_the_same() -> None:
    pairs = [pair(number) for number in range(1, 30)]
    asked = [
        {q.text for trial in made(each, 10) for q in trial.questions}
        for each in (pairs, pairs[::-1])
    ]
    assert len(asked[0]) == 10
    assert asked[0] == asked[1]
