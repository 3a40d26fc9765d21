"""The nearest vectors are found among those that may be seen, whichever kind of index holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval import vectors
from retrieval.vectors import Storage, Vectors

UNHURRIED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists from 200 vectors on, so that a test can afford them."""
    monkeypatch.setattr(vectors, "FLAT_UP_TO", 199)
    monkeypatch.setattr(vectors, "COMPARE_UP_TO", 20)


def around_topics(count: int, width: int = 32, seed: int = 7) -> np.ndarray:
    """Vectors of length one that lie together, as texts about the same thing do."""
    chance = np.random.default_rng(seed)
    topics = chance.normal(size=(20, width))
    matrix = topics[chance.integers(20, size=count)] + 0.7 * chance.normal(size=(count, width))
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


def exact(matrix: np.ndarray, question: np.ndarray, seen: np.ndarray, k: int) -> list[int]:
    rows = np.flatnonzero(seen)
    return rows[np.argsort(-(matrix[rows] @ question), kind="stable")[:k]].tolist()


@given(
    seed=st.integers(0, 2**16),
    seen=st.lists(st.booleans(), min_size=50, max_size=50),
    k=st.integers(1, 60),
)
@UNHURRIED
def test_few_vectors_are_searched_exactly_among_those_that_may_be_seen(
    tmp_path: Path, seed: int, seen: list[bool], k: int
) -> None:
    matrix = around_topics(50, seed=seed)
    vectors.write(matrix, tmp_path)
    opened, visible = Vectors(tmp_path), np.array(seen)
    found = opened.nearest(matrix[0], opened.mask(visible), k).tolist()
    assert opened.plan.kind == "flat"
    assert found == exact(matrix, matrix[0], visible, k)


@pytest.fixture(scope="module", params=["full", "quantised"])
def lists(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    folder = tmp_path_factory.mktemp("lists")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "FLAT_UP_TO", 199)
        vectors.write(around_topics(3000), folder, request.param)
    return Vectors(folder)


@given(data=st.data(), share=st.sampled_from([1.0, 0.5, 0.1, 0.01, 0.001]), k=st.integers(1, 80))
@UNHURRIED
def test_lists_give_as_many_as_may_be_seen_and_nothing_else(
    lists: Vectors, small: None, data: st.DataObject, share: float, k: int
) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    visible = chance.random(len(lists)) < share
    question = around_topics(1, seed=data.draw(st.integers(0, 2**16)))[0]
    found = lists.nearest(question, lists.mask(visible), k)
    assert len(set(found.tolist())) == len(found) == min(k, visible.sum())
    assert visible[found].all()


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01])
def test_lists_find_what_comparing_all_finds_at_any_selectivity(
    lists: Vectors, small: None, share: float
) -> None:
    matrix = around_topics(3000)
    visible = np.random.default_rng(1).random(3000) < share
    mask = lists.mask(visible)
    scores = []
    for row in range(100):
        wanted = exact(matrix, matrix[row], visible, 10)
        scores.append(len(set(wanted) & set(lists.nearest(matrix[row], mask, 10).tolist())) / 10)
    assert np.mean(scores) >= (0.98 if lists.plan.storage == "full" else 0.95)


def test_a_filter_that_lets_only_far_vectors_pass_loses_none(lists: Vectors, small: None) -> None:
    matrix = around_topics(3000)
    question = matrix[0]
    visible = np.zeros(3000, dtype=bool)
    farthest = np.argsort(matrix @ question)
    visible[farthest[: lists.plan.read]] = True  # so many codes are read wherever they lie
    wanted = exact(matrix, question, visible, 10)
    found = lists.nearest(question, lists.mask(visible), 10).tolist()
    assert len(set(wanted) & set(found)) >= 8


def test_a_mask_without_some_rows_does_not_find_them(lists: Vectors, small: None) -> None:
    question = around_topics(3000)[5]
    mask = lists.mask(np.ones(len(lists), dtype=bool))
    best = lists.nearest(question, mask, 3)
    without = mask.without(best)
    assert not set(best.tolist()) & set(lists.nearest(question, without, 50).tolist())
    assert without.count == mask.count - 3
    assert mask.visible.all()


@pytest.mark.parametrize("storage", ["full", "quantised"])
def test_vectors_come_back_as_they_were_written(
    tmp_path: Path, small: None, storage: Storage
) -> None:
    matrix = around_topics(250)
    vectors.write(matrix, tmp_path, storage)
    opened, rows = Vectors(tmp_path), np.array([249, 0])
    assert len(opened) == 250
    np.testing.assert_array_equal(opened.exact(rows), matrix[rows])
    np.testing.assert_allclose(opened.rows(rows), matrix[rows], atol=0.01)
    assert opened.rows(np.zeros(0, dtype=np.int64)).shape == (0, 32)


def test_quantised_vectors_take_a_quarter(tmp_path: Path, small: None) -> None:
    opened = {}
    for storage in ("full", "quantised"):
        (tmp_path / storage).mkdir()
        vectors.write(around_topics(400, 384), tmp_path / storage, storage)
        opened[storage] = Vectors(tmp_path / storage).bytes
    assert opened["full"] <= 1.2 * 400 * 384 * 4
    assert opened["quantised"] <= 0.3 * 400 * 384 * 4


def test_the_same_vectors_make_the_same_files(tmp_path: Path, small: None) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        vectors.write(around_topics(300), tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes(), file.name
