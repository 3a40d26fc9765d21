"""Figures are those of the peers, used directly; a change is better, worse, or noise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.labelled.handbook import ANSWERED, PASSAGES
from lorekeeper import models
from lorekeeper.settings import Models
from retrieval import lexical
from retrieval.beir import Collection
from retrieval.embed import Embedder, HashingEmbedder
from retrieval.evaluate import (
    BM25,
    DENSE,
    FUSED,
    RERANKED,
    SERVED,
    Evaluation,
    Opening,
    arms,
    compare,
    evaluate,
    of_collection,
    traced,
)
from retrieval.heldout import Question
from retrieval.measure import CUT, Scores, measure

LONG = {"long": "The lighthouse keeper counts ships. " * 80 + "At midnight the lamp is oiled."}
HANDBOOK = Collection(
    name="handbook",
    texts=PASSAGES | LONG,
    questions={str(number): question for number, (question, _) in enumerate(ANSWERED)},
    judged={str(number): {page: 1} for number, (_, page) in enumerate(ANSWERED)},
)
TRIAL = of_collection(HANDBOOK)


def test_bm25_is_that_of_bm25s_used_directly() -> None:
    import bm25s

    index = bm25s.BM25(k1=lexical.K1, b=lexical.B, method="lucene")
    index.index([lexical.tokens(text) for text in HANDBOOK.texts.values()], show_progress=False)
    names, theirs = list(HANDBOOK.texts), []
    for question in TRIAL.questions:
        scores = index.get_scores(lexical.tokens(question.text))
        best = (-scores).argsort(kind="stable")[:CUT]
        theirs.append([names[row] for row in best if scores[row] > 0])
    found = evaluate("handbook", [TRIAL], HashingEmbedder()).arms[BM25]
    assert found == measure(theirs, [question.judged for question in TRIAL.questions])


def test_dense_is_that_of_sentence_transformers_with_exact_search(
    minilm: Embedder, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer, util

    model = SentenceTransformer(str(models.get(Models().embedder, tmp_path)), device="cpu")
    given = {"convert_to_tensor": True, "show_progress_bar": False}
    corpus = model.encode_document(list(HANDBOOK.texts.values()), **given)
    queries = model.encode_query([question.text for question in TRIAL.questions], **given)
    names = list(HANDBOOK.texts)
    hits = util.semantic_search(queries, corpus, top_k=CUT)
    theirs = [[names[int(hit["corpus_id"])] for hit in each] for each in hits]
    ours = [arms(each)[DENSE][:CUT] for each in traced(TRIAL, Opening(minilm))]
    assert ours == theirs
    vector = Opening(minilm).passages([LONG["long"]])[0]
    assert vector @ corpus[names.index("long")].numpy() == pytest.approx(1, abs=1e-5)


def test_every_way_is_measured_and_reranking_only_where_there_is_a_reranker() -> None:
    found = evaluate("handbook", [TRIAL], HashingEmbedder(), k=3)
    assert list(found.arms) == [BM25, DENSE, FUSED, SERVED]
    assert found.passages == len(HANDBOOK.texts)
    assert {scores.k for scores in found.arms.values()} == {3}

    class Reads:
        reads = 5

        def scores(self, question: str, texts: object) -> list[float]:
            return [1.0, 0.9]

    assert RERANKED in evaluate("handbook", [TRIAL], HashingEmbedder(), reranker=Reads()).arms


def test_progress_is_told_and_a_cancel_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told = list[tuple[int, int]]()

    def cancel(done: int, of: int) -> None:
        told.append((done, of))
        if done == 3:
            assert any(tmp_path.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("handbook", [TRIAL], HashingEmbedder(), report=cancel)
    assert told == [(done, len(ANSWERED)) for done in (1, 2, 3)]
    assert not any(tmp_path.iterdir())


def scored(value: Callable[[int], float], many: int = 40) -> Evaluation:
    ndcg = tuple(value(number) for number in range(many))
    scores = Scores(ndcg=ndcg, mrr=ndcg, recall=ndcg, k=CUT)
    questions = tuple(Question(id=str(number), text="?", judged={"a": 1}) for number in range(many))
    return Evaluation(name="x", passages=1, questions=questions, arms={SERVED: scores})


def test_a_change_is_better_worse_or_noise() -> None:
    now = scored(lambda number: 0.5)
    assert compare("up", scored(lambda number: 0.6), now).verdict == "better"
    assert compare("down", scored(lambda number: 0.4), now).verdict == "worse"
    assert compare("same", now, now).verdict == "noise"
    wild = scored(lambda number: 0.5 + (-1) ** number * 0.4 + 0.01)
    assert compare("wild", wild, now).verdict == "noise"


def test_only_questions_that_both_were_asked_are_compared() -> None:
    now, new = scored(lambda number: 0.5), scored(lambda number: 0.6, many=10)
    assert compare("fewer", new, now).found.questions == 10
    other = replace(new, questions=tuple(replace(q, id=f"z{q.id}") for q in new.questions))
    with pytest.raises(ValueError, match="nothing"):
        compare("others", other, now)
