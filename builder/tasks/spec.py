"""A task's name in; what it asks of the model, where its rows come from and how it is scored, out. No torch.

A task is a TOML file in `tasks/` of the data folder, or one that ships beside this file and draws its
rows from what the team has already.
"""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lorekeeper.errors import BadInput, NotFound

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Metric(StrEnum):
    """How answers are held against the references."""

    ACCURACY = "accuracy"  # share of labels that are right
    MACRO_F1 = "macro_f1"  # mean F1 of the labels: the rare ones count as much as the common ones
    EXACT = "exact"  # share of answers that are the reference, white space and case aside
    ROUGE_L = "rouge_l"  # longest common subsequence of words, F1 (Lin 2004)
    TOKEN_F1 = "token_f1"  # noqa: S105 - shared words, F1 (SQuAD 1.1)
    LOSS = "loss"  # nats per token of the reference; nothing is generated


LABELLED = frozenset({Metric.ACCURACY, Metric.MACRO_F1})


class Source(StrEnum):
    """Where a task's rows come from."""

    FILE = "file"  # what `lore tasks add` took
    PAIRS = "pairs"  # the approved pairs themselves
    TAGS = "tags"  # their tags: each question's label
    CHANNELS = "channels"  # where they were answered
    SUMMARIES = "summaries"  # threads with the answer that sums them up
    DOCUMENTS = "documents"  # sections of LORE_RETRIEVAL__DOCUMENTS
    GENERAL = "general"  # ships with the project


class Task(BaseModel):
    """What a task asks for, and how it is scored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """The file's name."""
    about: str = ""
    """One line for people."""
    source: Source = Source.FILE
    """Where its rows come from."""
    instruction: str = ""
    """What the model is told. Empty: what the assistant is told, as for a question."""
    metric: Metric
    """How answers are scored."""
    labels: tuple[str, ...] = ()
    """Every label that there is; any other answer is wrong. Of tags: those that count."""
    format: str = ""
    """A regular expression that the whole answer must match; any other answer is wrong."""
    rows: str = ""
    """Where the rows of a file are, in the data folder; `lore tasks add` writes it."""

    @property
    def is_labelled(self) -> bool:
        return self.metric in LABELLED

    @property
    def higher_is_better(self) -> bool:
        return self.metric is not Metric.LOSS

    @model_validator(mode="after")
    def _fits_together(self) -> Task:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"the name {self.name!r} is not lower-case letters, digits and hyphens"
            )
        alike = {plain(label) for label in self.labels}
        if len(alike) < len(self.labels) or "" in alike:
            raise ValueError("two labels are the same but for case and marks, or one is empty")
        if self.labels and not self.is_labelled:
            raise ValueError(f"the metric {self.metric} knows no labels")
        if self.format:
            try:
                re.compile(self.format)
            except re.error as error:
                raise ValueError(f"the format is no regular expression: {error}") from None
        if (self.source is Source.FILE) is not bool(self.rows):
            raise ValueError("`rows` is for tasks of a file, and only for these")
        return self


def plain(label: str) -> str:
    """What two labels are compared by: one line, lower case, without marks around it."""
    first = next((line for line in label.splitlines() if line.strip()), "")
    return " ".join(first.casefold().split()).strip(" \t.,:;!?\"'`*_#()[]<>")


def load(name: str, data: Path) -> Task:
    """The task of this name; one in the data folder goes before one that ships.

    Raises:
        NotFound: there is none; lists those that there are.
        BadInput: its file cannot be used; says why.
    """
    found = _paths(data)
    if name not in found:
        raise NotFound(
            f"There is no task {name!r}.",
            fix=f"There are: {', '.join(found)}. `lore tasks add` makes one from a file.",
        )
    return _read(found[name])


def every(data: Path) -> list[Task]:
    """Every task, those that ship first. Raises BadInput for one whose file cannot be used."""
    return [_read(path) for path in _paths(data).values()]


def checked(**values: object) -> Task:
    """A task of these values. Raises BadInput, which names the field."""
    try:
        return Task.model_validate(values)
    except ValidationError as error:
        about = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, about["loc"]))
        known = f" Metrics are {', '.join(Metric)}." if where == "metric" else ""
        raise BadInput(
            f"The task {values.get('name')} cannot be used: {where + ': ' if where else ''}{about['msg']}.",
            fix=f"Its fields are: {', '.join(Task.model_fields)}.{known}",
        ) from None


def folder(data: Path) -> Path:
    return data / "tasks"


def _read(path: Path) -> Task:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is not TOML: {error}.", fix="Put it right, or remove it.") from None
    return checked(**values | {"name": path.stem})


def _paths(data: Path) -> dict[str, Path]:
    shipped = sorted(Path(str(files("builder.tasks"))).joinpath("shipped").glob("*.toml"))
    own = sorted(folder(data).glob("*.toml"))
    return {path.stem: path for path in [*shipped, *own]}
