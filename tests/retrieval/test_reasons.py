"""What came near and was not shown is named, each with the reason why."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Hit, Passage, PassageKind, public_of
from retrieval.embed import HashingEmbedder
from retrieval.index import Index, build
from retrieval.reasons import Asked, Explanation, explain, weakness
from retrieval.sources import passage


def said(
    text: str, ts: str, *, scope: str = PUBLIC, kind: PassageKind = PassageKind.THREAD
) -> Passage:
    return passage(
        kind=kind, text=text, title=text, url=f"https://x/{ts}", scope=scope,
        conversation=f"C1/{ts}", said=(f"C1/{ts}",),
    )  # fmt: skip


OPEN = said("backups run at night", "1")
PRIVATE = said("backups run at night in secret", "2", scope="G1")
TWICE = said("backups run at night", "3")
PAGE = said("backups run by the clock", "4", kind=PassageKind.DOCUMENT)
OTHER = said("backups run and the canteen opens at noon", "5")


@pytest.fixture
def index(tmp_path: Path) -> Index:
    passages = [OPEN, PRIVATE, TWICE, PAGE, OTHER]
    return build(passages, HashingEmbedder(), ArtifactStore(tmp_path))


def asked(**changes: object) -> Asked:
    told = {"question": "backups run at night", "scopes": frozenset({PUBLIC}), "k": 3}
    return Asked(**{**told, **changes})  # type: ignore[arg-type]


def reasons(told: Explanation) -> dict[str, str]:
    return {one.hit.passage.url[-1]: one.reason for one in told.left_out}


def test_what_is_found_is_what_a_search_finds(index: Index) -> None:
    found = explain(index, asked()).found
    assert found == index.search("backups run at night", scopes=frozenset({PUBLIC}), k=3)


def test_every_reason_is_told(index: Index) -> None:
    told = reasons(explain(index, asked(k=2)))
    assert told["2"] == "may not be seen: only by who sees G1"
    assert {told.get("1"), told.get("3")} == {None, "says the same as number 1"}
    assert "below the 2 best" in told.values()


def test_kinds_and_conversations_that_were_not_asked_for_are_told(index: Index) -> None:
    told = reasons(explain(index, asked(kinds=frozenset({PassageKind.THREAD}), k=9)))
    assert told["4"] == "is a document, which was not asked for"
    told = reasons(explain(index, asked(exclude=frozenset({"C1/1"}), k=9)))
    assert told["1"] == "its conversation was excluded"


def test_what_was_withdrawn_or_hidden_is_not_found_and_says_so(index: Index) -> None:
    index.hide([OPEN.id])
    told = explain(index, asked(), withdrawn=lambda passages: {TWICE.id})
    assert {"1", "3"}.isdisjoint(hit.passage.url[-1] for hit in told.found)
    why = "withdrawn: its source was deleted, retired, or made private"
    assert (reasons(told)["1"], reasons(told)["3"]) == (why, why)


def test_a_guest_of_a_shared_channel_sees_what_was_said_there(index: Index) -> None:
    told = explain(index, asked(scopes=frozenset({public_of("C1")}), k=9))
    assert "1" in {hit.passage.url[-1] for hit in told.found}
    assert "may not be seen" in reasons(told)["2"]


def test_too_little_evidence_is_told_as_the_assistant_decides_it() -> None:
    good, poor = (
        Hit(passage=OPEN, score=1, similarity=value, coverage=value) for value in (0.5, 0.2)
    )
    assert weakness(good, [good, poor], 0.7) == ""
    assert "less than half" in weakness(poor, [good, poor], 0.7)
    assert weakness(poor, [poor], 0.7) == "no answer: the best evidence is 0.40, below 0.7"
