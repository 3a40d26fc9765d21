"""A cross-encoder is loaded from safetensors alone, reads what it may in the time it has, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lorekeeper.errors import BadInput, NotFound
from lorekeeper.settings import Retrieval, Settings, Store
from retrieval import rerank
from retrieval.rerank import BATCH, CrossEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "disk", "full", "token", "is", "the"]


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """A real cross-encoder with one tiny layer, its weights drawn by chance."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    def make(*, labels: int = 1) -> Path:
        torch.manual_seed(1)
        folder = tmp_path / f"cross-encoder-{labels}"
        config = BertConfig(
            vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=64, num_labels=labels,
        )  # fmt: skip
        BertForSequenceClassification(config).save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(WORDS))
        BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
        return folder

    return make


def test_none_is_loaded_where_none_is_set() -> None:
    assert rerank.of(Settings()) is None


def test_every_text_gets_a_score_between_0_and_1(model: Callable[..., Path], data: Path) -> None:
    settings = Settings(
        store=Store(data=data), retrieval=Retrieval(reranker=str(model()), rerank_candidates=20)
    )
    reranker = rerank.of(settings)
    assert reranker is not None
    assert rerank.of(settings) is reranker  # loaded once
    found = reranker.scores("disk full", ["the disk is full", "token"] * 6)
    assert len(found) == 12
    assert all(0 < score < 1 for score in found)
    assert found[0] != found[1]
    assert found[:2] == pytest.approx(found[2:4])


def test_no_more_is_read_than_is_allowed(model: Callable[..., Path]) -> None:
    reranker = CrossEncoder(model(), Retrieval(rerank_candidates=3))
    assert reranker.reads == 3
    assert len(reranker.scores("disk", ["token"] * 9)) == 3


def test_the_first_batch_is_read_and_none_is_begun_when_the_time_is_up(
    model: Callable[..., Path],
) -> None:
    reranker = CrossEncoder(model(), Retrieval(rerank_candidates=50, rerank_seconds=1e-9))
    assert len(reranker.scores("disk", ["token"] * 50)) == BATCH


def test_a_model_with_several_scores_is_refused(model: Callable[..., Path]) -> None:
    with pytest.raises(BadInput, match="3 scores, not one"):
        CrossEncoder(model(labels=3), Retrieval())


def test_pickled_weights_are_refused(model: Callable[..., Path], data: Path) -> None:
    folder = model()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    settings = Settings(store=Store(data=data), retrieval=Retrieval(reranker=str(folder)))
    with pytest.raises(BadInput, match=r"no \.safetensors"):
        rerank.of(settings)
    with pytest.raises(BadInput, match="cannot be used as a reranker"):
        CrossEncoder(folder, Retrieval())


def test_a_missing_model_is_named(data: Path) -> None:
    settings = Settings(store=Store(data=data), retrieval=Retrieval(reranker="nowhere"))
    with pytest.raises(NotFound, match="nowhere"):
        rerank.of(settings)
