"""`lore doctor`: settings in; one line a check, with what to do where it is not well, out."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer

from lorekeeper import engines, hardware
from lorekeeper import settings as config
from lorekeeper.errors import LorekeeperError
from lorekeeper.settings import Settings

LEAST_DISK = 5 * 2**30  # bytes; a base model and some adapters
EXTRAS = {
    "retrieval": ("faiss", "bm25s", "sentence_transformers"),
    "train": ("peft", "bitsandbytes"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    state: Literal["ok", "warn", "fail"]
    what: str
    fix: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check everything, and say what to do."""
    found = list(examine(config.load()))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _show(found)
    if any(finding.state == "fail" for finding in found):
        raise typer.Exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check, in the order in which a newcomer meets what it is about."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _packages, _disk, _database, _slack, _engine, _gateway,
    )  # fmt: skip
    for check in checks:
        try:
            yield check(settings)
        except LorekeeperError as error:
            yield Finding(state="fail", what=error.what, fix=error.fix)


def _packages(_settings: Settings) -> Finding:
    missing = [
        extra
        for extra, names in EXTRAS.items()
        if any(importlib.util.find_spec(name) is None for name in names)
    ]
    if missing:
        fix = f"pip install 'lorekeeper[{','.join(missing)}]'"
        return Finding(state="warn", what=f"Not installed: {', '.join(missing)}.", fix=fix)
    return Finding(state="ok", what="Every part is installed.")


def _disk(settings: Settings) -> Finding:
    folder = settings.store.data
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    what = f"{free / 2**30:.0f} GiB are free where {folder} is."
    if free < LEAST_DISK:
        return Finding(state="warn", what=what, fix="Free some, or set LORE_STORE__DATA.")
    return Finding(state="ok", what=what)


def _database(settings: Settings) -> Finding:
    from lorekeeper.store import open_database

    engine = open_database(settings.database_url)
    engine.dispose()
    return Finding(state="ok", what=f"The {engine.dialect.name} database answers and is current.")


def _slack(settings: Settings) -> Finding:
    token = settings.slack.bot_token.get_secret_value()
    if not token:
        return Finding(
            state="warn", what="There is no Slack token.", fix="`lore init` asks for it."
        )
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

    try:
        told = WebClient(token=token, base_url=settings.slack.api_url).auth_test()
    except SlackApiError as error:
        said = error.response["error"]
        return Finding(state="fail", what=f"Slack refuses the token: {said}.", fix="`lore init`")
    except OSError as error:
        return Finding(state="fail", what=f"Slack does not answer: {error}.", fix="The network?")
    return Finding(state="ok", what=f"Slack knows the bot as {told['user']} in {told['team']}.")


def _engine(settings: Settings) -> Finding:
    gpus = ", ".join(hardware.gpus()) or "no GPU"
    serving = settings.serving
    if serving.engine_url:
        return Finding(state="ok", what=f"The engine is the one at {serving.engine_url}.")
    which = engines.choose(serving)
    if which == "vllm" and engines.vllm_python(serving) is None:
        return Finding(state="fail", what="vLLM is not installed.", fix="`make vllm`")
    return Finding(state="ok", what=f"The engine is {which} ({gpus}).")


def _gateway(settings: Settings) -> Finding:
    told = engines.health(settings.serving)
    if told is None:
        where = settings.serving.gateway_url
        return Finding(state="warn", what=f"No gateway answers at {where}.", fix="`lore up`")
    what = f"The gateway answers with {told['adapter']}; {told['index']['passages']} passages."
    return Finding(state="ok" if told["status"] == "ok" else "warn", what=what)


def _show(found: list[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    marks = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
    console = Console(highlight=False)
    for finding in found:
        mark, colour = marks[finding.state]
        console.print(
            Text(f"{mark} ", colour) + Text(f"{finding.what} ") + Text(finding.fix, "dim")
        )
