"""`lore index evaluate` measures the team's own questions or a collection, and what a change is worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lorekeeper.domain import PUBLIC, Channel, Message, Origin, Pair, PairState
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store import messages, open_database, pairs
from retrieval.embed import HashingEmbedder
from retrieval.evaluation import cli as evaluate_cli
from retrieval.evaluation.cli import changed
from tests.retrieval.evaluation.test_beir import write
from tests.retrieval.test_cli import lore

ASKED = ["When do backups run?", "Where is the token kept?", "Who restarts the queue worker?"]
PAIR = Pair(
    id=0, question="", answer="", state=PairState.CANDIDATE, origin=Origin.REACTION, channel="C1",
    scope=PUBLIC, conversation="", source="https://x/", answer_ts="", captured_by="U9",
)  # fmt: skip


@pytest.fixture(autouse=True)
def embedder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> HashingEmbedder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORE_STORE__DATA", str(data))
    monkeypatch.setenv("COLUMNS", "200")
    embedder = HashingEmbedder()
    monkeypatch.setattr(evaluate_cli, "load", lambda *model, **ways: embedder)
    return embedder


def keep_pairs(data: Path, *, reworded: bool = False) -> None:
    engine = open_database(f"sqlite:///{data / 'lorekeeper.sqlite'}")
    with engine.begin() as db:
        messages.put_channel(db, Channel(id="C1", name="ops"))
        for number, question in enumerate(ASKED, 1):
            ts = [f"{number}00.0", f"{number}01.0"]
            answer = question.replace("?", " is answered here")
            for each, text in zip(ts, (question, answer), strict=True):
                root = ts[0] if each != ts[0] else None
                messages.put(
                    db, Message(channel="C1", ts=each, author="U1", text=text, thread_ts=root)
                )
            made = replace(
                PAIR, question=question, answer=answer, conversation=f"C1/{ts[0]}",
                answer_ts=ts[1], question_ts=ts[0],
                also_asked=(f"{question} I wonder",) if reworded else (),
            )  # fmt: skip
            kept = pairs.add(db, made)
            pairs.move(db, kept, PairState.APPROVED, by="U9")
    engine.dispose()


def test_the_teams_own_questions_are_measured(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_pairs(data)
    assert lore("index", "evaluate") == 0
    shown = capsys.readouterr().out
    assert "your own questions: 3 questions" in shown
    for told in ("BM25", "dense", "fused", "as served", "nDCG@10", "MRR@10", "recall@10"):
        assert told in shown
    assert "these figures say little" in shown


def test_a_second_evaluation_embeds_nothing_and_a_change_has_a_verdict(
    data: Path, embedder: HashingEmbedder, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_pairs(data, reworded=True)
    lore("index", "evaluate")
    before = len(embedder.embedded)
    assert before
    lore("index", "evaluate", "--compare", "retrieval.chunk_tokens=190")
    assert len(embedder.embedded) == before
    shown = capsys.readouterr().out
    assert "retrieval.chunk_tokens=190" in shown
    assert "noise" in shown


def test_without_approved_pairs_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert lore("index", "evaluate") == 1
    assert "--beir FOLDER" in capsys.readouterr().err


def test_a_collection_is_measured_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "disks")
    assert lore("index", "evaluate", "--beir", str(folder), "--png", "arms.png", "--k", "5") == 0
    shown = capsys.readouterr().out
    assert "disks: 1 questions, 2 passages" in shown
    assert "recall@5" in shown
    assert (tmp_path / "arms.png").read_bytes().startswith(b"\x89PNG")


def test_a_bad_collection_is_refused_before_anything_is_measured(
    tmp_path: Path, embedder: HashingEmbedder, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write(tmp_path / "good"), write(tmp_path / "bad", qrels=["a\tb\tc\td", "x"])
    assert lore("index", "evaluate", "--beir", str(good), "--beir", str(bad)) == 1
    assert "test.tsv, line 2: it has 1 cells" in capsys.readouterr().err
    assert not embedder.embedded


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("retrieval.chunk_tokens", "no setting of search"),
        ("retrieval.chunks=3", "no setting of search"),
        ("models.base=x", "no setting of search"),
        ("bot.threads=3", "no setting of search"),
        ("retrieval.chunk_tokens=many", "valid integer"),
        ("retrieval.documents=a", "no list in JSON"),
    ],
)
def test_a_change_that_cannot_be_tried_is_refused(change: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        changed(Settings(), change)


def test_a_change_changes_nothing_else() -> None:
    tried = changed(Settings(), 'retrieval.documents=["a", "b"]')
    assert tried.retrieval.documents == ("a", "b")
    assert tried.models == Settings().models
    assert changed(Settings(), "retrieval.chunk_tokens=120").retrieval.chunk_tokens == 120
