"""The same calls to the playground and to a Slack emulator that isn't ours, Vercel's `emulate`: the same answers.

Where the two differ, the difference is written down here and in docs/playground.md, and the test
fails when it is no longer so. Runs with LOREKEEPER_EMULATE=1: it installs two npm packages.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bot.playground.server import Playground

PACKAGES = ("node@24", "emulate@0.12.2")
# emulate needs `module.registerHooks`, which Node has from version 24 on.
SEED = """
slack:
  team: {name: Playground, domain: playground}
  users:
    - {name: ann, real_name: Ann, email: ann@playground.example}
"""
Ids = dict[str, str]
Answer = tuple[bool, str | None, frozenset[str]]


@dataclass(frozen=True)
class Step:
    """One call. `args` are made from the ids seen so far; `keep` says which new ids to remember."""

    name: str
    method: str
    args: Callable[[Ids], dict[str, Any]] = lambda ids: {}
    keep: Callable[[dict[str, Any]], Ids] = lambda answer: {}


@dataclass(frozen=True)
class Difference:
    """What only one of the two answers has, and which of them is right according to Slack's docs."""

    why: str
    ours: frozenset[str] = field(default_factory=frozenset)
    theirs: frozenset[str] = field(default_factory=frozenset)
    errors: tuple[str | None, str | None] | None = None
    """(ours, theirs) where these differ; None stands for ok."""


def here(ids: Ids) -> dict[str, Any]:
    return {"channel": ids["channel"]}


def reacting(ids: Ids) -> dict[str, Any]:
    return {"channel": ids["channel"], "timestamp": ids["ts"], "name": "eyes"}


HOME = {"type": "home", "blocks": [{"type": "divider"}]}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "t"}, "blocks": HOME["blocks"]}
LONG = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3500}}]

STEPS = [
    Step("who am I", "auth.test", keep=lambda a: {"me": a["user_id"]}),
    Step("test", "api.test"),
    Step("team", "team.info"),
    Step(
        "channels",
        "conversations.list",
        keep=lambda a: {"channel": next(c["id"] for c in a["channels"] if c["name"] == "general")},
    ),
    Step(
        "people",
        "users.list",
        keep=lambda a: {"user": next(u["id"] for u in a["members"] if u["name"] == "ann")},
    ),
    Step("channel", "conversations.info", here),
    Step("unknown channel", "conversations.info", lambda ids: {"channel": "C404"}),
    Step("members", "conversations.members", here),
    Step("join again", "conversations.join", here),
    Step("person", "users.info", lambda ids: {"user": ids["user"]}),
    Step("unknown person", "users.info", lambda ids: {"user": "U404"}),
    Step("by e-mail", "users.lookupByEmail", lambda ids: {"email": "ann@playground.example"}),
    Step("unknown e-mail", "users.lookupByEmail", lambda ids: {"email": "no@example.org"}),
    Step(
        "post",
        "chat.postMessage",
        lambda ids: here(ids) | {"text": "hello"},
        keep=lambda a: {"ts": a["ts"]},
    ),
    Step("post nothing", "chat.postMessage", here),
    Step("post nowhere", "chat.postMessage", lambda ids: {"channel": "C404", "text": "x"}),
    Step("post markdown", "chat.postMessage", lambda ids: here(ids) | {"markdown_text": "*x*"}),
    Step("post too long a section", "chat.postMessage", lambda i: here(i) | {"blocks": LONG}),
    Step(
        "reply",
        "chat.postMessage",
        lambda ids: here(ids) | {"text": "reply", "thread_ts": ids["ts"]},
    ),
    Step("history", "conversations.history", here),
    Step("a page of history", "conversations.history", lambda ids: here(ids) | {"limit": 1}),
    Step("thread", "conversations.replies", lambda ids: here(ids) | {"ts": ids["ts"]}),
    Step("no thread", "conversations.replies", lambda ids: here(ids) | {"ts": "1.000001"}),
    Step("react", "reactions.add", reacting),
    Step("react again", "reactions.add", reacting),
    Step("reactions", "reactions.get", reacting),
    Step("unreact", "reactions.remove", reacting),
    Step("unreact again", "reactions.remove", reacting),
    Step("update", "chat.update", lambda ids: here(ids) | {"ts": ids["ts"], "text": "changed"}),
    Step("update nothing", "chat.update", lambda ids: here(ids) | {"ts": "1.000001", "text": "x"}),
    Step("permalink", "chat.getPermalink", lambda ids: here(ids) | {"message_ts": ids["ts"]}),
    Step(
        "ephemeral",
        "chat.postEphemeral",
        lambda ids: here(ids) | {"user": ids["me"], "text": "psst"},
    ),
    Step("pins", "pins.list", here),
    Step("open a DM", "conversations.open", lambda ids: {"users": ids["user"]}),
    Step("home", "views.publish", lambda ids: {"user_id": ids["user"], "view": HOME}),
    Step("stale trigger", "views.open", lambda ids: {"trigger_id": "1.2.3", "view": MODAL}),
    Step("upload", "files.getUploadURLExternal", lambda ids: {"filename": "a.md", "length": 3}),
    Step("delete", "chat.delete", lambda ids: here(ids) | {"ts": ids["ts"]}),
    Step("delete nothing", "chat.delete", lambda ids: here(ids) | {"ts": "1.000001"}),
]

COUNTS = frozenset({"pin_count", "channel_actions_ts", "channel_actions_count"})
KNOWN = {
    "who am I": Difference(
        "A bot token names its bot, as Slack documents; emulate maps every token to a person.",
        ours=frozenset({"bot_id", "is_enterprise_install"}),
    ),
    "test": Difference("emulate has no api.test.", errors=(None, "HTTP 404")),
    "people": Difference("Slack's answer has cache_ts.", ours=frozenset({"cache_ts"})),
    "join again": Difference(
        "Slack warns with already_in_channel.", ours=frozenset({"warning", "response_metadata"})
    ),
    "post markdown": Difference(
        "markdown_text alone is enough for Slack.", errors=(None, "no_text")
    ),
    "post too long a section": Difference(
        "Slack refuses a section of more than 3,000 characters.", errors=("invalid_blocks", None)
    ),
    "history": Difference(
        "Slack's answer has these counts, and a cursor only when there is more.",
        ours=COUNTS,
        theirs=frozenset({"response_metadata"}),
    ),
    "a page of history": Difference("Slack's answer has these counts.", ours=COUNTS),
    "no thread": Difference(
        "Slack answers thread_not_found; emulate an empty list.", errors=("thread_not_found", None)
    ),
    "reactions": Difference("Slack names the channel.", ours=frozenset({"channel"})),
}


@pytest.fixture(scope="module")
def emulate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its API's address."""
    if not os.environ.get("LOREKEEPER_EMULATE"):
        pytest.skip("set LOREKEEPER_EMULATE=1: this installs node@24 and emulate from npm")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("emulate")
    subprocess.run([npm, "init", "-y"], cwd=folder, check=True, capture_output=True)
    install = [npm, "install", "--no-audit", "--no-fund", *PACKAGES]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
    (folder / "seed.yaml").write_text(SEED, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with _running(folder, port):
        yield f"http://127.0.0.1:{port}/api/"


class _running:
    """The emulator's process, ready when this is entered."""

    def __init__(self, folder: Path, port: int) -> None:
        node = folder / "node_modules" / ".bin" / "node"
        script = folder / "node_modules" / "emulate" / "dist" / "index.js"
        seed = str(folder / "seed.yaml")
        options = ["start", "--service", "slack", "--seed", seed, "--port", str(port)]
        self._command = [str(node), str(script), *options]
        self._folder = folder

    def __enter__(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready" in line:
                return
        pytest.fail("emulate did not start")

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.mark.emulate
def test_both_give_the_same_answers_but_for_the_known_differences(
    slack: Playground, emulate: str
) -> None:
    ours = answers(slack.api_url, slack.bot_token)
    theirs = answers(emulate, "xoxb-any")
    found = {
        name: differing
        for name, mine in ours.items()
        if (differing := difference(mine, theirs[name])) is not None
    }
    known = {name: (d.errors, d.ours, d.theirs) for name, d in KNOWN.items()}
    assert found == known


def answers(url: str, token: str) -> dict[str, Answer]:
    """Each step's answer from one server."""
    ids: Ids = {}
    seen: dict[str, Answer] = {}
    with httpx2.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        for step in STEPS:
            response = client.post(url + step.method, json=step.args(ids))
            answer = response.json()
            ok = answer.get("ok", False)
            if ok:
                ids |= step.keep(answer)
            missing = None if ok else f"HTTP {response.status_code}"
            seen[step.name] = (ok, answer.get("error", missing), frozenset(answer))
    return seen


def difference(
    mine: Answer, other: Answer
) -> tuple[tuple[str | None, str | None] | None, frozenset[str], frozenset[str]] | None:
    if mine[1] != other[1]:
        return (mine[1], other[1]), frozenset(), frozenset()
    if mine[2] != other[2]:
        return None, mine[2] - other[2], other[2] - mine[2]
    return None


def test_the_documented_differences_are_the_known_ones() -> None:
    page = (Path(__file__).parents[3] / "docs" / "playground.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row.split(" | ")[0][2:] in KNOWN] == [
        f"| {name} | {said(d, 0)} | {said(d, 1)} | {d.why} |" for name, d in KNOWN.items()
    ]
    same = len(STEPS) - len(KNOWN)
    assert f"{len(STEPS)} calls" in page
    assert f"{same} answers are the same, {len(KNOWN)} differ" in page


def said(known: Difference, side: int) -> str:
    if known.errors is not None:
        return known.errors[side] or "ok"
    keys = (known.ours, known.theirs)[side]
    return f"also {', '.join(sorted(keys))}" if keys else "–"
