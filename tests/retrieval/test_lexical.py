"""Texts are found by the words that they share with a question, as BM25 ranks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval import lexical
from retrieval.lexical import K1, B, Statistics, Words

VOCABULARY = [f"word{number}" for number in range(12)]
texts = st.lists(st.sampled_from(VOCABULARY), max_size=15).map(" ".join)


def opened(texts: list[str], folder: Path) -> Words:
    folder.mkdir(parents=True, exist_ok=True)
    lexical.write(texts, folder)
    return Words(folder)


def ranked(
    segments: list[Words], question: str, visible: list[np.ndarray], k: int
) -> list[tuple[int, float]]:
    """Rows over all segments with their scores, best first."""
    statistics, found, start = Statistics(tuple(segments)), [], 0
    weights = statistics.weights(question)
    for words, seen in zip(segments, visible, strict=True):
        slowness = statistics.slowness(words)
        terms = [words.term(word, weight, slowness) for word, weight in weights.items()]
        rows, scores = lexical.best(terms, seen, k)
        found += zip((rows + start).tolist(), scores.tolist(), strict=True)
        start += len(words)
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]


def test_words_are_found_by_their_stem_and_names_by_their_parts() -> None:
    assert lexical.tokens("restoring backups") == lexical.tokens("restored backup")
    whole_and_parts = lexical.tokens("KubePodCrashLooping")
    assert set(lexical.tokens("kube pod crash loop")) <= set(whole_and_parts)
    assert lexical.tokens("kubepodcrashlooping")[0] in whole_and_parts
    assert lexical.tokens("the of and") == []


def test_scripts_without_spaces_are_searched_by_character() -> None:
    assert lexical.tokens("備份失敗") == list("備份失敗")


@given(
    corpus=st.lists(texts, min_size=1, max_size=40),
    question=texts,
    data=st.data(),
    k=st.integers(1, 12),
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_scores_are_those_of_bm25s_among_what_may_be_seen_however_it_is_cut_into_segments(
    tmp_path: Path, corpus: list[str], question: str, data: st.DataObject, k: int
) -> None:
    import bm25s

    seen = np.array(data.draw(st.lists(st.booleans(), min_size=len(corpus), max_size=len(corpus))))
    cut = data.draw(st.integers(0, len(corpus)))
    parts = [part for part in (slice(0, cut), slice(cut, None)) if corpus[part]]
    segments = [opened(corpus[part], tmp_path / str(part.start)) for part in parts]
    found = ranked(segments, question, [seen[part] for part in parts], k)
    expected = np.zeros(len(corpus))
    if any(corpus):
        peer = bm25s.BM25(k1=K1, b=B, method="lucene")
        peer.index([lexical.tokens(text) for text in corpus], show_progress=False)
        known = [word for word in lexical.tokens(question) if word in peer.vocab_dict]
        expected = np.where(seen, peer.get_scores(known), 0) if known else expected
    best = sorted((-score, row) for row, score in enumerate(expected.tolist()) if score > 0)[:k]
    assert [score for _, score in found] == pytest.approx([-score for score, _ in best], rel=1e-4)
    assert all(
        seen[row] and expected[row] == pytest.approx(score, rel=1e-4) for row, score in found
    )


def test_common_words_do_not_lose_a_text_that_holds_many_of_them(tmp_path: Path) -> None:
    corpus = ["rare"] * 3 + ["common often frequent usual"] * 200 + ["common"] * 300
    words = opened(corpus, tmp_path)
    everything = [np.ones(len(words), dtype=bool)]
    found = ranked([words], "rare common often frequent usual", everything, len(corpus))
    some = ranked([words], "rare common often frequent usual", everything, 10)
    assert some == found[:10]


def test_a_question_of_unknown_words_finds_nothing(tmp_path: Path) -> None:
    words = opened(["disk full"], tmp_path)
    assert ranked([words], "zebra", [np.array([True])], 5) == []


def test_texts_without_words_are_kept_and_never_found(tmp_path: Path) -> None:
    words = opened(["", "the", "🙂"], tmp_path)
    assert len(words) == 3
    assert ranked([words], "the 🙂", [np.ones(3, dtype=bool)], 5) == []
