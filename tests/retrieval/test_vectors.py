"""The nearest vectors are found among those that may be seen, whichever kind of index holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval import vectors


@given(
    seed=st.integers(0, 2**16),
    seen=st.lists(st.booleans(), min_size=50, max_size=50),
    k=st.integers(1, 60),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("graph_from", [0, 10_000])
def test_both_kinds_of_vector_index_give_all_that_may_be_seen(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    graph_from: int,
    seed: int,
    seen: list[bool],
    k: int,
) -> None:
    monkeypatch.setattr(vectors, "GRAPH_FROM", graph_from)
    monkeypatch.setattr(vectors, "EXACT_BELOW", 10)
    matrix = np.random.default_rng(seed).normal(size=(50, 8)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    vectors.write(matrix, tmp_path)
    visible = np.array(seen)
    found = vectors.Vectors(tmp_path).nearest(matrix[0], visible=visible, k=k)
    assert len(set(found.tolist())) == len(found) == min(k, visible.sum())
    assert visible[found].all()


def test_the_graph_finds_what_comparing_all_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    matrix = np.random.default_rng(7).normal(size=(2000, 16)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    visible = np.arange(2000) % 3 > 0
    found = {}
    for kind, graph_from in {"flat": 10_000, "graph": 0}.items():
        monkeypatch.setattr(vectors, "GRAPH_FROM", graph_from)
        monkeypatch.setattr(vectors, "EXACT_BELOW", 100)
        (tmp_path / kind).mkdir()
        vectors.write(matrix, tmp_path / kind)
        opened = vectors.Vectors(tmp_path / kind)
        found[kind] = [set(opened.nearest(q, visible=visible, k=10).tolist()) for q in matrix[:50]]
    shared = sum(len(a & b) for a, b in zip(found["flat"], found["graph"], strict=True))
    assert shared / 500 > 0.9


def test_vectors_come_back_as_they_were_written(tmp_path: Path) -> None:
    matrix = np.eye(4, dtype=np.float32)
    vectors.write(matrix, tmp_path)
    opened = vectors.Vectors(tmp_path)
    assert len(opened) == 4
    np.testing.assert_array_equal(opened.rows(np.array([2, 0])), matrix[[2, 0]])
    assert opened.rows(np.zeros(0, dtype=np.int64)).shape == (0, 4)
