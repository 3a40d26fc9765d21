"""A member's name in; somebody who writes, presses, fills in and looks, as a person at the page would, out."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any, TypeVar

from bot.playground.records import Json
from bot.playground.seats import Seat
from bot.playground.seen import Seen

__all__ = ["Member", "NothingLikeIt", "Seen"]

Result = TypeVar("Result")
PATIENCE = 30.0
"""Seconds that a member waits for something to appear."""
LOOK_AGAIN = 0.1
"""Seconds after which a member looks again though nothing changed in the workspace: what is looked
at may be the app's own state, of whose changes nobody tells the workspace."""


class NothingLikeIt(AssertionError):
    """The member waited and did not see it; the text says what was seen instead."""


class Member:
    """One person. Channels are given by name or id, messages as `Seen`."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self.id: str = self._do("workspace")["me"]["id"]

    # Writing

    def post(self, channel: str, text: str, thread_ts: str | None = None) -> Seen:
        """`@name` mentions; other markup is escaped as Slack's client does."""
        message = self._do("post", channel=channel, text=text, thread_ts=thread_ts)
        return Seen(channel, message)

    def reply(self, to: Seen, text: str) -> Seen:
        return self.post(to.channel, text, thread_ts=to.thread_ts or to.ts)

    def edit(self, message: Seen, text: str) -> Seen:
        raw = self._do("edit", channel=message.channel, ts=message.ts, text=text)
        return Seen(message.channel, raw)

    def delete(self, message: Seen) -> None:
        self._do("delete", channel=message.channel, ts=message.ts)

    def react(self, message: Seen, name: str) -> None:
        self._do("react", channel=message.channel, ts=message.ts, name=name)

    def unreact(self, message: Seen, name: str) -> None:
        self._do("unreact", channel=message.channel, ts=message.ts, name=name)

    def pin(self, message: Seen) -> None:
        self._do("pin", channel=message.channel, ts=message.ts)

    def unpin(self, message: Seen) -> None:
        self._do("unpin", channel=message.channel, ts=message.ts)

    def share(
        self, channel: str, name: str, content: bytes, text: str = "", *, canvas: bool = False
    ) -> Seen:
        """Bring a file (or a canvas, as HTML) and share it; the message that shares it."""
        given = {"name": name, "content": base64.b64encode(content).decode(), "canvas": canvas}
        return Seen(channel, self._do("share", channel=channel, text=text, **given))

    def share_again(self, file: str, channel: str) -> Seen:
        return Seen(channel, self._do("share_again", file=file, channel=channel))

    def change_file(self, file: str, content: bytes) -> None:
        self._do("change_file", file=file, content=base64.b64encode(content).decode())

    def delete_file(self, file: str) -> None:
        self._do("delete_file", file=file)

    def join(self, channel: str) -> None:
        self._do("join", channel=channel)

    def leave(self, channel: str) -> None:
        self._do("leave", channel=channel)

    def invite(self, channel: str, user: str) -> None:
        self._do("invite", channel=channel, user=user)

    def remove(self, channel: str, user: str) -> None:
        self._do("remove", channel=channel, user=user)

    def direct(self, *users: str) -> str:
        """The id of the direct message with these users (names or ids)."""
        return str(self._do("direct", users=list(users))["id"])

    # Using the app

    def press(
        self,
        where: Seen | Json,
        action_id: str,
        value: Any = None,
        *,
        block_id: str | None = None,
        filled: Json | None = None,
    ) -> None:
        """Press a button or choose an option (`value`) in a message or a view.

        For feedback buttons `value` is positive, negative, or the button's own value. Returns when
        the app has acknowledged; raises Refused(operation_timeout) when it doesn't in 3 seconds.
        """
        args: Json = {"action_id": action_id, "block_id": block_id, "value": value}
        if isinstance(where, Seen):
            args |= {"channel": where.channel, "ts": where.ts}
        else:
            args |= {"view_id": where["id"], "filled": filled or {}}
        self._do("press", **args)

    def fill_and_submit(self, view: Json, values: Json) -> dict[str, str]:
        """Errors by block_id as shown under the fields; empty when the modal was taken.

        `values` are by block_id or action_id: text, an option's value or text, or a list of them.
        """
        errors: dict[str, str] = self._do("submit", view_id=view["id"], values=values)
        return errors

    def close(self, view: Json, *, all: bool = False) -> None:
        self._do("close", view_id=view["id"], all=all)

    def shortcut(self, callback_id: str, message: Seen | None = None) -> None:
        """A message shortcut, or without a message a global one."""
        place = {"channel": message.channel, "ts": message.ts} if message else {}
        self._do("shortcut", callback_id=callback_id, **place)

    def command(self, line: str, channel: str) -> None:
        self._do("command", line=line, channel=channel)

    def open_home(self, tab: str = "home", *, timeout: float = PATIENCE) -> Json | None:
        """Open the app's Home and wait until the app has published one; its view.

        With `tab="messages"` nothing is waited for, and nothing is returned.
        """
        self._do("open_home", tab=tab)
        if tab != "home":
            return None
        return self.wait_for(self.home, timeout=timeout, what="a Home tab")

    def open_dm(self) -> str:
        """Open the app's Messages tab; the id of the direct message with it."""
        return str(self._do("open_home", tab="messages")["channel"])

    def stop_session(self, channel: str, thread_ts: str) -> None:
        self._do("stop_session", channel=channel, thread_ts=thread_ts)

    # Looking

    def sees(self, channel: str) -> list[Seen]:
        """Every message there by time, replies and ephemeral messages to this member included."""
        return [Seen(channel, raw) for raw in self._do("messages", channel=channel)]

    def thread(self, root: Seen) -> list[Seen]:
        """The root and its replies."""
        ts = root.thread_ts or root.ts
        messages = self._do("messages", channel=root.channel, thread_ts=ts)
        return [Seen(root.channel, raw) for raw in messages]

    def again(self, message: Seen) -> Seen:
        """The same message as it is now. Raises Refused(message_not_found)."""
        raw = self._do("message", channel=message.channel, ts=message.ts)
        return Seen(message.channel, raw)

    def permalink(self, message: Seen) -> str:
        return str(self._do("permalink", channel=message.channel, ts=message.ts))

    def channels(self) -> list[Json]:
        """The channels that the member may look into."""
        channels: list[Json] = self._do("workspace")["channels"]
        return channels

    def modal(self) -> Json | None:
        """The modal on top, or None."""
        view: Json | None = self._do("modal")
        return view

    def home(self) -> Json | None:
        view: Json | None = self._do("home")
        return view

    def status(self, channel: str, thread_ts: str) -> str:
        """What the assistant says it is doing in that thread, "" for nothing."""
        statuses: dict[str, Json] = self._do("status", channel=channel)["statuses"]
        return str(statuses.get(thread_ts, {}).get("status", ""))

    def suggested_prompts(self, channel: str) -> list[Json]:
        prompts: Json = self._do("status", channel=channel)["prompts"] or {}
        return list(prompts.get("prompts", []))

    # Waiting

    def wait_for(
        self,
        look: Callable[[], Result | None],
        timeout: float = PATIENCE,
        *,
        what: str = "what was waited for",
        instead: Callable[[], str] | None = None,
    ) -> Result:
        """Call `look` now and after every change until it gives something true; returns that.

        Raises NothingLikeIt with what is there instead.
        """
        deadline = time.monotonic() + timeout
        version = -1
        while True:
            version = self._seat.wait(-1, 0) if version < 0 else version
            found = look()
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                there = instead() if instead else self._everything()
                raise NothingLikeIt(f"{what} did not appear in {timeout:g} s. Seen:\n{there}")
            version = self._seat.wait(version, min(left, LOOK_AGAIN))

    def wait_for_message(
        self,
        channel: str,
        predicate: Callable[[Seen], bool] = lambda message: True,
        timeout: float = PATIENCE,
        *,
        thread_ts: str | None = None,
        what: str = "such a message",
    ) -> Seen:
        """The first message in the channel (or thread) that fits."""

        def look() -> Seen | None:
            found = self._do("messages", channel=channel, thread_ts=thread_ts)
            seen = (Seen(channel, raw) for raw in found)
            return next((message for message in seen if predicate(message)), None)

        return self.wait_for(
            look, timeout, what=f"{what} in {channel}", instead=lambda: self._listed(channel)
        )

    def wait_for_answer(self, to: Seen, timeout: float = PATIENCE) -> Seen:
        """The first finished message of somebody else in the thread of `to`, after it."""
        root = to.thread_ts or to.ts

        def answers(message: Seen) -> bool:
            return (
                message.user != self.id
                and message.ts > to.ts
                and message.streaming in (None, "completed")
            )

        return self.wait_for_message(to.channel, answers, timeout, thread_ts=root, what="an answer")

    def wait_for_modal(
        self,
        predicate: Callable[[Json], bool] = lambda view: True,
        timeout: float = PATIENCE,
    ) -> Json:
        def look() -> Json | None:
            view = self.modal()
            return view if view is not None and predicate(view) else None

        return self.wait_for(
            look, timeout, what="such a modal", instead=lambda: f"the modal {self.modal()}"
        )

    def _do(self, act: str, **args: Any) -> Any:
        return self._seat.do(act, args)

    def _everything(self) -> str:
        listed = [self._listed(channel["id"]) for channel in self.channels()]
        return "\n".join([*filter(None, listed), f"modal: {self.modal()}"])

    def _listed(self, channel: str) -> str:
        return "\n".join(f"{channel} {message}" for message in self.sees(channel)[-15:])
