"""Collections in BEIR's layout in; nDCG@10 of each way of searching beside its peers, used directly, out.

The peers: bm25s, given the same words and given its own tokenizer's, and sentence-transformers with exact
search (`util.semantic_search`). "fused elsewhere" is the fusion with the weights that are best on the
other collections: what the fusion is worth on one that it was not chosen on. Folders whose names begin
alike ("runbooks-…") are left out together. `python -m bench.make_collections` makes some collections.
The last line is one JSON object.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from lorekeeper import models
from lorekeeper.domain import Hit
from lorekeeper.paired import paired
from lorekeeper.settings import Models
from retrieval import beir, embed, lexical
from retrieval.evaluate import BM25, DENSE, FUSED, SERVED, Opening, arms, of_collection, traced
from retrieval.fuse import by_ranks, fused
from retrieval.heldout import Trial
from retrieval.measure import CUT, measure
from retrieval.remembered import remembering

QUICK = 150  # questions of a collection; --full asks all of them
RANKS, ELSEWHERE = "reciprocal ranks", "fused elsewhere"
SAME_WORDS, OWN_WORDS, EXACT = "bm25s, same words", "bm25s alone", "sentence-transformers"
OURS = (BM25, DENSE, RANKS, ELSEWHERE, FUSED, SERVED)
PEERS = (SAME_WORDS, OWN_WORDS, EXACT)
COVERED = (0.06, 0.1, 0.14, 0.18, 0.22, 0.26, 0.3, 0.34, 0.4)
WORDED = (0.0, 0.02, 0.05, 0.08)
LOSS = 5  # times that a loss against the better of the two counts when weights are chosen
GRID = tuple((covered, worded) for covered in COVERED for worded in WORDED)

Ndcg = tuple[float, ...]  # question by question


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    name: str
    passages: int
    arms: Mapping[str, Ndcg]
    by_weights: tuple[float, ...]  # mean nDCG@10 for each of GRID
    hits: Sequence[list[Hit]]
    judged: Sequence[Mapping[str, int]]

    def mean(self, arm: str) -> float:
        return sum(self.arms[arm]) / len(self.arms[arm])

    @property
    def better(self) -> str:
        """The better of the two that are fused."""
        return max((BM25, DENSE), key=self.mean)


def main(
    folders: Annotated[list[Path], typer.Argument(help="Collections.", exists=True)],
    full: Annotated[bool, typer.Option(help="Ask every question.")] = False,
    peers: Annotated[
        bool, typer.Option(help="Measure the peers, too: each embeds all anew.")
    ] = True,
    cache: Annotated[Path | None, typer.Option(help="Keep vectors here between runs.")] = None,
    embedder: Annotated[str, typer.Option(help="Model to embed with.")] = Models().embedder,
) -> None:
    """Measure each collection, and all of them together."""
    with tempfile.TemporaryDirectory() as scratch:
        kept = cache or Path(scratch)
        found = [_measured(folder, embedder, kept, full=full, peers=peers) for folder in folders]
    found = [_with_weights_of_others(one, found) for one in found]
    Console(stderr=True, highlight=False).print(_table(found))
    print(json.dumps(_figures(found)))


def _measured(folder: Path, spec: str, kept: Path, *, full: bool, peers: bool) -> Measured:
    trial = of_collection(beir.read(folder))
    if not full:
        step = max(1, len(trial.questions) // QUICK)
        trial = replace(trial, questions=trial.questions[::step][:QUICK])
    embedder = Opening(embed.load(spec, kept))
    with remembering(embedder, kept / folder.name) as quick:
        hits = list(traced(trial, quick))
    judged = [question.judged for question in trial.questions]
    orders = [{**arms(each), RANKS: _by_ranks(each)} for each in hits]
    rankings = {arm: [order[arm] for order in orders] for arm in orders[0]}
    if peers:
        rankings |= _peers(trial, spec, kept)
    return Measured(
        name=trial.name,
        passages=len(trial.passages),
        arms={arm: measure(given, judged).ndcg for arm, given in rankings.items()},
        by_weights=tuple(_weighed(hits, judged, *weights) for weights in GRID),
        hits=hits,
        judged=judged,
    )


def _by_ranks(hits: Sequence[Hit]) -> list[str]:
    order = arms(hits)
    places = {hit.passage.id: place for place, hit in enumerate(hits)}
    rows = by_ranks([[places[name] for name in order[arm]] for arm in (DENSE, BM25)])
    return [hits[row].passage.id for row in rows]


def _weighed(
    hits: Sequence[list[Hit]], judged: Sequence[Mapping[str, int]], covered: float, worded: float
) -> float:
    return measure([_fused(each, covered, worded) for each in hits], judged).mean("ndcg")


def _fused(hits: Sequence[Hit], covered: float, worded: float) -> list[str]:
    columns = ("similarity", "coverage", "words")
    given = [np.array([getattr(hit, name) for hit in hits], dtype=np.float32) for name in columns]
    scores = fused(*given, covered=covered, worded=worded)
    return [hits[place].passage.id for place in (-scores).argsort(kind="stable")[:CUT]]


def _with_weights_of_others(one: Measured, found: Sequence[Measured]) -> Measured:
    """With the weights that gain most over the better of the two elsewhere; a loss counts LOSS times."""
    others = [each for each in found if _family(each.name) != _family(one.name)]
    if not others:
        return one
    gains = np.array([np.array(each.by_weights) - each.mean(each.better) for each in others])
    best = int(np.where(gains < 0, LOSS * gains, gains).mean(axis=0).argmax())
    rankings = [_fused(hits, *GRID[best]) for hits in one.hits]
    return replace(one, arms={**one.arms, ELSEWHERE: measure(rankings, one.judged).ndcg})


def _family(name: str) -> str:
    return name.partition("-")[0]


def _peers(trial: Trial, spec: str, kept: Path) -> dict[str, list[list[str]]]:
    texts = [passage.text for passage in trial.passages]
    asked = [question.text for question in trial.questions]
    ids = [passage.id for passage in trial.passages]
    found = {
        SAME_WORDS: _bm25s([lexical.tokens(text) for text in texts], map(lexical.tokens, asked)),
        OWN_WORDS: _bm25s_alone(texts, asked),
        EXACT: _exact(texts, asked, spec, kept),
    }
    return {arm: [[ids[row] for row in rows] for rows in each] for arm, each in found.items()}


def _bm25s(texts: list[list[str]], asked: Iterable[list[str]]) -> list[list[int]]:
    import bm25s

    index = bm25s.BM25(k1=lexical.K1, b=lexical.B, method="lucene")
    index.index(texts, show_progress=False)
    scores = (index.get_scores(words) if words else np.zeros(len(texts)) for words in asked)
    return [
        [int(row) for row in (-each).argsort(kind="stable")[:CUT] if each[row]] for each in scores
    ]


def _bm25s_alone(texts: list[str], asked: list[str]) -> list[list[int]]:
    """As its own documentation begins: its tokenizer, stop words and parameters."""
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    words = bm25s.tokenize(asked, stopwords="en", show_progress=False)
    rows, scores = index.retrieve(words, k=min(CUT, len(texts)), show_progress=False)
    return [
        [int(row) for row, score in zip(*each, strict=True) if score]
        for each in zip(rows, scores, strict=True)
    ]


def _exact(texts: list[str], asked: list[str], spec: str, kept: Path) -> list[list[int]]:
    from sentence_transformers import SentenceTransformer, util

    model: Any = SentenceTransformer(str(models.get(spec, kept)), device="cpu")
    given = {"convert_to_tensor": True, "normalize_embeddings": True}
    corpus, queries = model.encode_document(texts, **given), model.encode_query(asked, **given)
    found = util.semantic_search(queries, corpus, top_k=CUT)
    return [[int(hit["corpus_id"]) for hit in each] for each in found]


def _table(found: Sequence[Measured]) -> Table:
    shown = [arm for arm in (*OURS, *PEERS) if all(arm in one.arms for one in found)]
    table = Table(title="nDCG@10")
    for name in ("collection", "passages", "questions", *shown, "fused beside the better"):
        table.add_column(name, justify="left" if name == "collection" else "right")
    for one in found:
        gain = paired(one.arms[FUSED], one.arms[one.better])
        told = f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        cells = [f"{one.mean(arm):.3f}" for arm in shown]
        table.add_row(one.name, str(one.passages), str(len(one.judged)), *cells, told)
    means = [f"{_mean(found, arm):.3f}" for arm in shown]
    table.add_row("mean", "", "", *means, "", style="bold")
    return table


def _mean(found: Sequence[Measured], arm: str) -> float:
    return sum(one.mean(arm) for one in found) / len(found)


def _figures(found: Sequence[Measured]) -> dict[str, Any]:
    each = {
        one.name: {
            "passages": one.passages,
            "questions": len(one.judged),
            **{arm: round(one.mean(arm), 4) for arm in (*OURS, *PEERS) if arm in one.arms},
        }
        for one in found
    }
    shown = [arm for arm in (*OURS, *PEERS) if all(arm in one.arms for one in found)]
    gains = [one.mean(FUSED) - one.mean(one.better) for one in found]
    return {
        "collections": each,
        "mean": {arm: round(_mean(found, arm), 4) for arm in shown},
        "least_gain_over_the_better": round(min(gains), 4),
        "mean_gain_over_the_better": round(sum(gains) / len(gains), 4),
    }


if __name__ == "__main__":
    typer.run(main)
