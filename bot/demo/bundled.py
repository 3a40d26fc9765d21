"""The workspace that ships with Lorekeeper in; a Slack export of it, and the script of what its members do, out.

The conversations are about Python's own language reference, whose text lies on every machine. They
are written as TOML (`workspace/`), so that they are pleasant to read and to edit, and take the same
way into the demo as any other team's export.
"""

from __future__ import annotations

import html
import json
import re
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import Any

from bot.demo.script import Correction, Reaction, Script

CONVERSATIONS = ("names-and-control-flow.toml", "types-classes-and-modules.toml")
APART = 1_740.0  # seconds between the beginnings of two conversations
REPLY = 95.0  # seconds between two messages of one
CHATTER_EVERY = 4  # conversations
_SAID = re.compile(r"(\w+): (.+)", re.DOTALL)
_AT = re.compile(r"@(\w+)")

Json = dict[str, Any]


@dataclass(slots=True)
class Teller:
    """Gives each message its time and place, in the order they are said."""

    people: dict[str, str]  # name to id
    now: float
    messages: dict[str, list[Json]] = field(default_factory=dict)

    def say(self, channel: str, who: str, text: str, *, root: str | None = None) -> Json:
        self.now += REPLY
        ts = f"{self.now:.6f}"
        message: Json = {
            "type": "message",
            "user": self.people[who],
            "text": self._marked_up(text),
            "ts": ts,
            "client_msg_id": f"{channel}-{ts}",
        }
        if root:
            message["thread_ts"] = root
        self.messages.setdefault(channel, []).append(message)
        return message

    def _marked_up(self, text: str) -> str:
        """Slack's markup: `&`, `<` and `>` escaped, `@name` as a mention."""
        escaped = html.escape(text, quote=False)
        return _AT.sub(
            lambda at: f"<@{self.people[at[1]]}>" if at[1] in self.people else at[0], escaped
        )


def write_export(target: Path) -> Path:
    """Write the workspace as an unpacked Slack export into `target`; the same bytes every time."""
    about, told = _workspace(), _told()
    _write(target / "users.json", _users(about))
    members = [_id(name) for name in about["people"]]
    public, private = about["channel"], about["private"]
    _write(target / "channels.json", [_channel("C0PYTHON01", public, members)])
    insiders = [_id(name) for name in private["members"]]
    _write(target / "groups.json", [_channel("C0PRIVATE1", private["name"], insiders)])
    for channel, messages in told.teller.messages.items():
        for day, said in _by_day(messages).items():
            _write(target / channel / f"{day}.json", said)
    return target


def script() -> Script:
    """Who reacts to what, who reviews, and what is asked."""
    about, told = _workspace(), _told()
    return Script(
        channel="C0PYTHON01",
        reactions=tuple(told.reactions),
        asker=_id(about["asker"]),
        reviewer=_id(about["reviewer"]),
        questions=tuple(showcase["ask"] for showcase in about["showcase"]),
        correction=Correction(
            question=about["correction"]["ask"], answer=about["correction"]["answer"]
        ),
    )


def conversations() -> list[Json]:
    """Every conversation as it is written, in order."""
    return [
        conversation
        for name in CONVERSATIONS
        for conversation in tomllib.loads(_read(name))["conversation"]
    ]


@dataclass(frozen=True, slots=True)
class _Told:
    teller: Teller
    reactions: list[Reaction]


def _told() -> _Told:
    """Let everything be said, once, with its times."""
    about = _workspace()
    people = {name: _id(name) for name in about["people"]}
    teller = Teller(people=people, now=about["begins"].timestamp())
    reactions: list[Reaction] = []
    chatter = cycle(about["chatter"])
    begins = teller.now
    for number, conversation in enumerate(conversations()):
        teller.now = begins + number * APART
        if number % CHATTER_EVERY == 0:
            teller.say(about["channel"], *_said(next(chatter)))
        answer = _tell(teller, about["channel"], conversation)
        reactions.append(
            Reaction(
                channel="C0PYTHON01",
                ts=answer["ts"],
                user=people[conversation["kept_by"][0]],
            )
        )
    for line in about["private"]["said"]:
        teller.say(about["private"]["name"], *_said(line))
    return _Told(teller, reactions)


def _tell(teller: Teller, channel: str, conversation: Json) -> Json:
    """The question, what came between, the good answer, and what followed; the answer."""
    asked = teller.say(channel, conversation["asker"], conversation["ask"])
    root = None if conversation.get("flat") else asked["ts"]
    for line in conversation.get("before", ()):
        teller.say(channel, *_said(line), root=root)
    answer = teller.say(channel, conversation["by"], conversation["answer"].strip(), root=root)
    for line in conversation.get("after", ()):
        teller.say(channel, *_said(line), root=root)
    return answer


def _said(line: str) -> tuple[str, str]:
    found = _SAID.fullmatch(line)
    assert found is not None, f"{line!r} is not 'name: text'"
    return found[1], found[2]


def _by_day(messages: list[Json]) -> dict[str, list[Json]]:
    days: dict[str, list[Json]] = {}
    for message in messages:
        day = datetime.fromtimestamp(float(message["ts"]), UTC).date().isoformat()
        days.setdefault(day, []).append(message)
    return days


def _users(about: Json) -> list[Json]:
    return [
        {
            "id": _id(name),
            "name": name,
            "real_name": real_name,
            "is_bot": False,
            "profile": {"real_name": real_name, "display_name": name},
        }
        for name, real_name in about["people"].items()
    ]


def _channel(channel_id: str, name: str, members: list[str]) -> Json:
    return {"id": channel_id, "name": name, "members": members, "is_archived": False}


def _id(name: str) -> str:
    return f"U0{name.upper()}"


def _workspace() -> Json:
    return tomllib.loads(_read("workspace.toml"))


def _read(name: str) -> str:
    return files("bot.demo").joinpath("workspace", name).read_text(encoding="utf-8")


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
