"""A text is read once, and what is kept of it tells nothing to who has not the text."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from retrieval import remembered
from retrieval.embed import HashingEmbedder
from retrieval.remembered import remembering


def vectors(folder: Path, embedder: HashingEmbedder, *texts: str) -> np.ndarray:
    with remembering(embedder, folder) as quick:
        return quick.passages(list(texts))


def stored(folder: Path) -> list[tuple[bytes, bytes]]:
    with sqlite3.connect(next(folder.glob("*.sqlite"))) as kept:
        return kept.execute("SELECT name, veiled FROM vectors").fetchall()


def test_a_text_is_embedded_once_and_its_vector_stays_the_same(tmp_path: Path) -> None:
    embedder = HashingEmbedder()
    first = vectors(tmp_path, embedder, "disk full", "token expired")
    again = vectors(tmp_path, embedder, "token expired", "disk full", "new")
    assert embedder.embedded == ["disk full", "token expired", "new"]
    assert np.array_equal(again[[1, 0]], first)
    assert np.array_equal(first, HashingEmbedder().passages(["disk full", "token expired"]))


def test_nothing_of_text_or_vector_can_be_read_without_the_text(tmp_path: Path) -> None:
    vector = vectors(tmp_path, HashingEmbedder(), "the secret plan")[0]
    [(name, veiled)] = stored(tmp_path)
    assert b"secret" not in next(tmp_path.glob("*.sqlite")).read_bytes()
    assert vector.astype("<f4").tobytes() != veiled
    assert len(name) == 32


def test_what_a_run_did_not_use_is_forgotten(tmp_path: Path) -> None:
    vectors(tmp_path, HashingEmbedder(), "deleted since", "still there")
    vectors(tmp_path, HashingEmbedder(), "still there")
    assert len(stored(tmp_path)) == 1


def test_what_was_embedded_before_a_cancel_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "AT_ONCE", 2)

    def cancel(done: int, of: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    texts = [f"text {number}" for number in range(6)]
    with (
        pytest.raises(KeyboardInterrupt),
        remembering(HashingEmbedder(), tmp_path, cancel) as quick,
    ):
        quick.passages(texts)
    embedder = HashingEmbedder()
    vectors(tmp_path, embedder, *texts)
    assert embedder.embedded == texts[4:]


def test_each_embedder_has_its_own_vectors(tmp_path: Path) -> None:
    other = HashingEmbedder()
    other.name = "other"
    vectors(tmp_path, HashingEmbedder(), "disk full")
    vectors(tmp_path, other, "disk full")
    assert other.embedded == ["disk full"]
