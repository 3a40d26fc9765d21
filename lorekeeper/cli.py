"""What was typed in; the part that does it, loaded only now, out. Errors end as two plain sentences."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

PROGRAM = "lore"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: where it is done, and its line of help. A group's `function` is a typer app."""

    name: str
    module: str
    function: str
    help: str
    group: str = "Work"


COMMANDS = (
    Command("demo", "bot.demo.cli", "demo", "Play the whole loop in a workspace in a box.", "Begin"),
    Command("init", "lorekeeper.init", "init", "Set up Slack's tokens and the database.", "Begin"),
    Command("up", "lorekeeper.up", "up", "Run everything on this machine.", "Begin"),
    Command("doctor", "lorekeeper.doctor", "doctor", "Check everything, and say what to do.", "Begin"),
    Command("settings", "lorekeeper.show_settings", "settings", "Show every setting and where its value comes from.", "Begin"),
    Command("playground", "bot.cli", "playground", "Run the fake Slack alone, with its page.", "Begin"),
    Command("ask", "serving.cli", "ask", "Ask the assistant."),
    Command("search", "retrieval.search_cli", "search", "Show what a question finds, and why."),
    Command("import", "builder.imports.cli", "import_", "Take a Slack export or a file of questions and answers."),
    Command("dataset", "builder.dataset_cli", "dataset", "Freeze, compare, describe and export dataset versions."),
    Command("tasks", "builder.tasks.cli", "tasks", "List the team's tasks, add one, and have one done."),
    Command("train", "builder.cli", "train", "Plan a run on the approved pairs, and see it through."),
    Command("runs", "builder.cli", "runs", "List runs, or follow one."),
    Command("cancel", "builder.cli", "cancel", "Stop a run."),
    Command("adapters", "builder.cli", "adapters", "List adapters with their scores, or merge one into its base."),
    Command("compare", "builder.report.compare_cli", "compare", "Compare two adapters, measured and by votes."),
    Command("report", "builder.report.cli", "report", "Write an adapter's report as a page."),
    Command("promote", "serving.cli", "promote", "Serve an adapter."),
    Command("rollback", "serving.cli", "rollback", "Serve again what was served before."),
    Command("index", "retrieval.cli", "index", "Build the index, show its state, or measure it."),
    Command("models", "builder.models_cli", "models", "Fetch a model, or compare several on your own questions."),
    Command("keys", "serving.cli", "keys", "Make, list and revoke keys of the gateway."),
    Command("mcp", "serving.cli", "mcp", "Serve ask, search and propose to another assistant, over stdio."),
    Command("bot", "bot.cli", "bot", "Run the Slack bot.", "Processes"),
    Command("serve", "serving.cli", "serve", "Run the engine, the index and the gateway.", "Processes"),
    Command("worker", "builder.cli", "worker", "Run the queue's worker.", "Processes"),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """`lore …`: exits 0, 1 for an error that a person can fix, 130 for Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        print(overview())
        return
    if words[0] in {"-V", "--version"}:
        from importlib.metadata import version

        print(f"lorekeeper {version('lorekeeper')}")
        return
    command = next((c for c in COMMANDS if c.name == words[0]), None)
    if command is None:
        _refuse(words[0])
    _run(command, words[1:])


def overview() -> str:
    """The help of `lore`, made from the table alone: no part is loaded for it."""
    lines = [f"Usage: {PROGRAM} COMMAND [ARGUMENTS]", "", "Keep a team's good answers."]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        lines += ["", f"{group}:"]
        lines += [f"  {c.name:<11} {c.help}" for c in COMMANDS if c.group == group]
    return "\n".join([*lines, "", f"`{PROGRAM} COMMAND --help` says more."])


def _refuse(word: str) -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(word, [command.name for command in COMMANDS], n=1)
    hint = f"Did you mean `{PROGRAM} {near[0]}`?" if near else f"`{PROGRAM} --help` lists them."
    print(f"There is no command {word!r}. {hint}", file=sys.stderr)
    raise SystemExit(2)


def _run(command: Command, words: list[str]) -> None:
    from lorekeeper.errors import LorekeeperError

    try:
        _load(command)(words)
    except LorekeeperError as error:
        _explain(error.what, error.fix)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _load(command: Command) -> _Runner:
    """Import the part and wrap its function, or its typer app, as a program of its own."""
    try:
        target = getattr(importlib.import_module(command.module), command.function)
    except ModuleNotFoundError as error:
        _explain_missing(command, error)
        raise SystemExit(1) from None
    return _Runner(command, target)


class _Runner:
    def __init__(self, command: Command, target: object) -> None:
        self._name = f"{PROGRAM} {command.name}"
        self._target = target

    def __call__(self, words: list[str]) -> None:
        import typer

        app = self._target
        if not isinstance(app, typer.Typer):
            assert callable(app)
            function, app = app, typer.Typer(pretty_exceptions_enable=False, add_completion=False)
            app.command()(function)
        app(words, prog_name=self._name)


_EXTRAS = {
    "torch": "train", "transformers": "train", "peft": "train", "bitsandbytes": "train",
    "accelerate": "train", "matplotlib": "train", "psutil": "train", "gguf": "train", "optuna": "train",
    "rouge_score": "train",
    "faiss": "retrieval", "bm25s": "retrieval", "sentence_transformers": "retrieval",
    "Stemmer": "retrieval", "numpy": "retrieval", "psycopg": "postgres",
    "mcp": "mcp",
}  # fmt: skip


def _explain_missing(command: Command, error: ModuleNotFoundError) -> None:
    extra = _EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        raise error
    _explain(
        f"`{PROGRAM} {command.name}` needs {error.name}, which is not installed.",
        f"Install it with: pip install 'lorekeeper[{extra}]'",
    )


def _explain(what: str, fix: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    console.print(Text(what, style="bold red"))
    console.print(Text(fix))


if __name__ == "__main__":
    main()
