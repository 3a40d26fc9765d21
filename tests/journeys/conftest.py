"""A stage on which the whole loop was played once, for the journeys that go on from there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bot.demo import acts, bundled
from bot.demo.show import Show
from bot.demo.stage import EngineKind, Stage, open_stage
from lorekeeper.slack_export import open_export

PAIRS = 48  # enough to hold eight conversations out, and no more than a CPU learns in two minutes


@contextmanager
def played(folder: Path, engine: EngineKind) -> Iterator[tuple[Stage, str]]:
    """The loop, played to its end; the stage as it then stands, and what the terminal showed."""
    export = open_export(bundled.write_export(folder / "export"))
    script = bundled.script()
    short = replace(script, reactions=script.reactions[:PAIRS], questions=script.questions[:1])
    shown = io.StringIO()
    data = folder / "data"
    overrides: dict[str, dict[str, object]] = {
        "train": {"generated_answers": 1, "evaluation_questions": 12},
        "serving": {"max_tokens": 48},
    }
    with open_stage(export, short, data=data, engine=engine, overrides=overrides) as stage:
        acts.play(stage, Show(Console(file=shown, width=100)))
        yield stage, shown.getvalue()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, str]]:
    with played(tmp_path_factory.mktemp("embedded"), "embedded") as result:
        yield result


@pytest.fixture
def on_vllm(tmp_path: Path) -> Iterator[tuple[Stage, str]]:
    with played(tmp_path, "vllm") as result:
        yield result
