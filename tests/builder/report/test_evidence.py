"""A run's evidence: kept and read back whole, and without the words that a reader may not see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import findings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.dataset import Row
from builder.report import evidence
from builder.report.evidence import Place
from builder.report.page import page
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.domain import PUBLIC, Adapter, Arm, public_of

SCOPES = (PUBLIC, "G1", "G2")


def adapter(folder: str) -> Adapter:
    found = findings.evidence()
    return Adapter(
        id=1, name="v9", run_id=7, dataset_id=1, base_model="m", hash="h", folder=folder, rank=8,
        evaluation=found.evaluation, verdict=found.verdict, created_at=5.0,
    )  # fmt: skip


def row(pair_id: int, question: str, **changes: str) -> Row:
    return Row(
        pair_id=pair_id, question=question, answer="So.", conversation="C1/1", source="",
        scope=PUBLIC, answer_ts="1.0", channel="C1", **changes,
    )  # fmt: skip


def test_it_is_read_back_as_it_was_kept_under_the_adapters_name(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    kept = findings.evidence(adapter="")
    with store.write("adapters") as draft:
        evidence.write(draft.path, kept)
    assert evidence.of(adapter(draft.folder), store) == replace(kept, adapter="v9")
    assert "<!doctype html>" in (store.open(draft.folder) / "report.html").read_text()


def test_an_adapter_without_evidence_is_told_from_the_database(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with store.write("adapters") as draft:
        (draft.path / "card.md").write_text("# A card")
    found = evidence.of(adapter(draft.folder), store)
    assert (found.run, found.adapter, found.places) == (7, "v9", ())
    assert "How do I turn" not in page(evidence.for_readers(found, SCOPES))


@given(
    scopes=st.lists(
        st.sampled_from(SCOPES), min_size=findings.QUESTIONS, max_size=findings.QUESTIONS
    ),
    readable=st.sets(st.sampled_from(SCOPES)),
)
def test_no_word_of_a_question_is_kept_that_its_readers_may_not_see(
    scopes: list[str], readable: set[str]
) -> None:
    whole = findings.evidence(places=tuple(Place(scope=one, channel="C1") for one in scopes))
    left = evidence.for_readers(whole, readable)
    for number, scope in enumerate(scopes):
        words = (
            left.evaluation.questions[number],
            left.evaluation.references[number],
            *[arm.answers[number] for arm in left.evaluation.arms if number < len(arm.answers)],
            *[one.before + one.after for one in left.told if one.question == number],
        )
        assert any(words) == (scope in readable)
    assert [arm.nll for arm in left.evaluation.arms] == [arm.nll for arm in whole.evaluation.arms]


def test_private_changes_and_rows_left_out_are_counted_without_their_words() -> None:
    left = evidence.for_readers(findings.evidence(), {"G1"})
    shown = page(left)
    assert "1 new" in shown
    assert "Left out as too long: 1" in shown
    assert not any(word in shown for word in ("What came?", "What went?", "What is long?"))


def test_what_was_said_in_one_public_channel_is_open_to_who_may_read_only_that() -> None:
    place = Place(scope=PUBLIC, channel="C1")
    assert place.is_open_to({public_of("C1")})
    assert not place.is_open_to({public_of("C2"), "G1"})
    assert not Place(scope="G1", channel="C1").is_open_to({PUBLIC, public_of("C1")})


def test_the_questions_that_moved_furthest_come_first_with_their_answers() -> None:
    better, worse = evidence.moved(findings.evidence(), findings.QUESTIONS)
    assert [one.difference for one in better] == sorted(one.difference for one in better)
    assert all(one.difference < 0 for one in better)
    assert all(one.difference > 0 for one in worse)
    fifth = next(one for one in [*better, *worse] if one.question.endswith("service 5?"))
    assert (fifth.before, fifth.after) == ("Turn it.", "Turn it 5 times.")
    first = next(one for one in [*better, *worse] if one.question.endswith("service 0?"))
    assert first.before == f"first of {Arm.RETRIEVAL.value}"
    ninth = next(one for one in [*better, *worse] if one.question.endswith("service 9?"))
    assert ninth.before is None


def test_a_step_that_was_done_again_counts_once(tmp_path: Path) -> None:
    lines = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 9.0}, {"step": 2, "loss": 2.0}, {"step": 2, "seconds": 4}]  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert [one.loss for one in evidence.losses(tmp_path, "loss")] == [3.0, 2.0]
    assert evidence.losses(tmp_path / "nowhere", "loss") == ()


def test_changes_say_what_came_went_and_was_reworded() -> None:
    before = [row(1, "one?"), row(2, "two?"), row(3, "three?")]
    after = [row(2, "two?"), row(3, "three, then?"), row(4, "four?")]
    found = {one.what: one.question for one in evidence.changes(before, after)}
    assert found == {"new": "four?", "gone": "one?", "reworded": "three, then?"}


def test_what_training_left_out_is_named_with_its_question(tmp_path: Path) -> None:
    (tmp_path / "left-out.json").write_text(json.dumps([{"pair_id": 2, "tokens": 900}]))
    (found,) = evidence.left_out(tmp_path, [row(1, "one?"), row(2, "two?")])
    assert (found.tokens, found.question) == (900, "two?")


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    from lorekeeper.errors import NotFound

    with pytest.raises(NotFound, match="not in"):
        evidence.of(adapter("adapters/none"), ArtifactStore(tmp_path))


def test_a_learning_curve_is_read_as_it_was_left(tmp_path: Path) -> None:
    assert evidence.curve(tmp_path) is None
    for rows, losses in ((24, [2.0, 2.2]), (12, [3.0, 3.2])):
        kept = {"share": 0.5, "rows": rows, "losses": losses}
        (tmp_path / f"point-{rows}.json").write_text(json.dumps(kept))
    (tmp_path / "base.json").write_text(json.dumps([4.0, 5.0]))
    assert evidence.curve(tmp_path) is None  # it was not seen to its end
    ahead = {"rows": 48, "loss": 1.9, "change": -0.2, "low": -0.3, "high": -0.1}
    (tmp_path / "forecast.json").write_text(json.dumps(ahead))
    found = evidence.curve(tmp_path)
    assert found is not None
    assert [point.rows for point in found.points] == [12, 24]
    assert found.base == 4.5
    assert (found.ahead.low, found.ahead.high) == (pytest.approx(1.8), pytest.approx(2.0))
