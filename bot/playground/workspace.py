"""People, channels and what they do in; the workspace's state out, and an event for every change that an app may hear of."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bot.playground import events
from bot.playground.clocks import Clock, RealClock
from bot.playground.conversation import Conversation, ts_key
from bot.playground.faults import Faults
from bot.playground.files import Files
from bot.playground.markup import as_rich_text, escaped
from bot.playground.records import App, Channel, Json, Kind, Refused, Stream, User, UserGroup
from bot.playground.views import Views
from bot.playground.whispers import Whispers


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something changed that a person may see. `user`: only this member sees it."""

    version: int
    what: str
    channel: str | None = None
    ts: str | None = None
    user: str | None = None
    detail: Json | None = None


class Workspace:
    """One Slack team. Every public method may be called from any thread."""

    def __init__(self, name: str = "Playground", *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or RealClock()
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.name = name
        self.domain = "".join(c for c in name.lower() if c.isalnum()) or "playground"
        self.team_id = "T0PLAYGROUND"
        self.base_url = "http://127.0.0.1/"
        self.stream_seconds = 300.0
        """How long an app may go on writing a streamed message."""
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.apps: dict[str, App] = {}
        self.usergroups: dict[str, UserGroup] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        self.statuses: dict[tuple[str, str], Json] = {}
        """(channel, thread) -> what an assistant says it is doing there."""
        self.sessions: dict[tuple[str, str], Json] = {}
        self.prompts: dict[str, Json] = {}
        self.tickets: dict[str, str] = {}
        """Socket Mode tickets that were given out -> the app's id."""
        self.views = Views(self)
        self.whispers = Whispers(self)
        self.files = Files(self)
        self.faults = Faults()
        self.notices: deque[Notice] = deque(maxlen=5000)
        self.version = 0
        self.watchers: list[Callable[[Notice], None]] = []
        self.deliver: Callable[[App, Json], None] = lambda app, envelope: None
        self.events: deque[Json] = deque(maxlen=5000)
        """Every event envelope that was handed to an app, oldest first."""
        self._conversations: dict[str, Conversation] = {}
        self._last_us = 0
        self._numbers: dict[str, int] = {}

    # People and channels

    def add_user(
        self,
        name: str,
        *,
        id: str | None = None,
        real_name: str | None = None,
        email: str | None = None,
        is_admin: bool = False,
        guest: bool = False,
        single_channel_guest: bool = False,
        is_bot: bool = False,
        **more: Any,
    ) -> User:
        """A new member. `more`: other attributes of `User` (title, tz, display_name, deleted...)."""
        with self.lock:
            user = User(
                id=id or self.new_id("U"),
                team_id=self.team_id,
                name=name,
                real_name=real_name or name.replace(".", " ").title(),
                email=email or (None if is_bot else f"{name}@{self.domain}.example"),
                is_admin=is_admin,
                is_restricted=guest or single_channel_guest,
                is_ultra_restricted=single_channel_guest,
                is_bot=is_bot,
                updated=int(self.clock.now()),
                **more,
            )
            self.users[user.id] = user
            self._changed("people")
            return user

    def add_channel(
        self,
        name: str,
        *,
        id: str | None = None,
        private: bool = False,
        members: Iterable[str] = (),
        creator: str | None = None,
        ext_shared: bool = False,
        topic: str = "",
        purpose: str = "",
        archived: bool = False,
        created: int | None = None,
    ) -> Channel:
        """A new channel; `members` are user ids or names. No event is sent."""
        ids = [self.user(member).id for member in members]
        with self.lock:
            return self._new_channel(
                Channel(
                    id=id or self.new_id("C"),
                    name=name,
                    kind="private" if private else "public",
                    creator=self.user(creator).id if creator else (ids[0] if ids else ""),
                    created=int(self.clock.now()) if created is None else created,
                    members=list(dict.fromkeys(ids)),
                    topic=topic,
                    purpose=purpose,
                    is_archived=archived,
                    is_general=name == "general",
                    is_ext_shared=ext_shared,
                )
            )

    def direct(self, *members: str, id: str | None = None) -> Channel:
        """The direct message between these users (made if there is none); three or more: a group's."""
        ids = sorted({self.user(member).id for member in members})
        kind: Kind = "im" if len(ids) <= 2 else "mpim"
        with self.lock:
            for channel in self.channels.values():
                if channel.kind == kind and sorted(channel.members) == ids:
                    return channel
            name = "mpdm-" + "--".join(self.users[user].name for user in ids) + "-1"
            return self._new_channel(
                Channel(
                    id=id or self.new_id("D" if kind == "im" else "G"),
                    name=name,
                    kind=kind,
                    creator=ids[0],
                    created=int(self.clock.now()),
                    members=ids,
                )
            )

    def add_usergroup(self, handle: str, users: Iterable[str], name: str = "") -> UserGroup:
        with self.lock:
            group = UserGroup(
                id=self.new_id("S"),
                handle=handle,
                name=name or handle,
                users=[self.user(user).id for user in users],
            )
            self.usergroups[group.id] = group
            return group

    def user(self, name_or_id: str) -> User:
        """Raises Refused(user_not_found)."""
        with self.lock:
            if name_or_id in self.users:
                return self.users[name_or_id]
            wanted = name_or_id.removeprefix("@").lower()
            for user in self.users.values():
                if wanted in (user.name.lower(), user.real_name.lower()):
                    return user
        raise Refused("user_not_found")

    def channel(self, name_or_id: str) -> Channel:
        """Raises Refused(channel_not_found)."""
        with self.lock:
            if name_or_id in self.channels:
                return self.channels[name_or_id]
            wanted = name_or_id.removeprefix("#")
            for channel in self.channels.values():
                if channel.name == wanted and channel.kind in ("public", "private"):
                    return channel
        raise Refused("channel_not_found")

    def join(self, channel: str, user: str, *, inviter: str | None = None) -> bool:
        """Make the user a member; False if they were one."""
        with self.lock:
            room, who = self.channel(channel), self.user(user).id
            if who in room.members:
                return False
            room.members.append(who)
            self._changed("channel", channel=room.id)
            events.membership(self, room, who, joined=True, inviter=inviter)
            return True

    def leave(self, channel: str, user: str) -> bool:
        with self.lock:
            room, who = self.channel(channel), self.user(user).id
            if who not in room.members:
                return False
            events.membership(self, room, who, joined=False)
            room.members.remove(who)
            self._changed("channel", channel=room.id)
            return True

    def rename(self, channel: str, name: str) -> None:
        with self.lock:
            room = self.channel(channel)
            room.name = name
            self._changed("channel", channel=room.id)
            events.channel_changed(self, room, "rename")

    def archive(self, channel: str, *, by: str = "") -> None:
        with self.lock:
            room = self.channel(channel)
            room.is_archived = True
            self._changed("channel", channel=room.id)
            events.channel_changed(self, room, "archive", by=by)

    # Messages

    def post(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        ts: str | None = None,
        thread_ts: str | None = None,
        blocks: list[Json] | None = None,
        broadcast: bool = False,
        silent: bool = False,
        **fields: Any,
    ) -> Json:
        """Put a message there and return it in Slack's shape.

        `text` is Slack markup. `ts` (history) may lie in the past; one that is taken is replaced by
        a new one. `silent`: no event is sent.
        `fields` are further fields of the message (`bot_id`, `metadata`, `files`, `reactions`...).
        """
        with self.lock:
            room, author = self.channel(channel), self.user(user)
            log = self._conversations[room.id]
            if ts is None or ts in log:
                ts = self.new_ts()
            message: Json = {"type": "message", "user": author.id, "text": escaped(text), "ts": ts}
            message |= {"team": self.team_id}
            if blocks is not None:
                message["blocks"] = blocks
            elif not author.is_bot and text:
                message["blocks"] = [as_rich_text(message["text"], self.new_block_id())]
            if thread_ts and thread_ts != ts:
                root = log.raw(thread_ts)
                message["thread_ts"] = thread_ts
                if root is not None:
                    message["parent_user_id"] = root.get("user", "")
                if broadcast:
                    message |= {
                        "subtype": "thread_broadcast",
                        "root": root and log.shown(thread_ts),
                    }
            message |= {name: value for name, value in fields.items() if value is not None}
            log.add(message)
            self._clear_status(room.id, thread_ts or ts, author)
            self._changed("message", channel=room.id, ts=ts)
            if not silent:
                events.message_posted(self, room, message)
            return log.shown(ts)

    def edit(
        self, channel: str, ts: str, *, by: str | None = None, silent: bool = False, **fields: Any
    ) -> Json:
        """Change fields of a message (`text`, `blocks`, ...; None removes). `by`: mark as edited."""
        with self.lock:
            room = self.channel(channel)
            log = self._conversations[room.id]
            message = self._existing(room, ts)
            previous = log.shown(ts)
            if "text" in fields and fields["text"] is not None:
                fields["text"] = escaped(fields["text"])
            for name, value in fields.items():
                if value is None:
                    message.pop(name, None)
                else:
                    message[name] = value
            if by is not None:
                message["edited"] = {"user": by, "ts": self.new_ts()}
            self._changed("message", channel=room.id, ts=ts)
            if not silent:
                events.message_changed(self, room, log.shown(ts), previous)
            return log.shown(ts)

    def delete(self, channel: str, ts: str) -> None:
        """Raises Refused(message_not_found). A root with replies stays as a tombstone."""
        with self.lock:
            room = self.channel(channel)
            log = self._conversations[room.id]
            previous = self._existing(room, ts) and log.shown(ts)
            if log.has_replies(ts):
                message = self._existing(room, ts)
                message.clear()
                message |= {
                    "type": "message",
                    "subtype": "tombstone",
                    "user": "USLACKBOT",
                    "text": "This message was deleted.",
                    "hidden": True,
                    "ts": ts,
                }
            else:
                log.remove(ts)
            if ts in room.pins:
                room.pins.remove(ts)
            self.streams.pop((room.id, ts), None)
            self._changed("deleted", channel=room.id, ts=ts)
            events.message_deleted(self, room, previous)
            self.files.message_gone(room, previous)

    def react(self, channel: str, ts: str, user: str, name: str, *, silent: bool = False) -> None:
        """Raises Refused(already_reacted | message_not_found)."""
        with self.lock:
            room, who = self.channel(channel), self.user(user).id
            message = self._existing(room, ts)
            reactions: list[Json] = message.setdefault("reactions", [])
            entry = next((r for r in reactions if r["name"] == name), None)
            if entry is None:
                entry = {"name": name, "users": [], "count": 0}
                reactions.append(entry)
            if who in entry["users"]:
                raise Refused("already_reacted")
            entry["users"].append(who)
            entry["count"] += 1
            self._changed("message", channel=room.id, ts=ts)
            if not silent:
                events.reaction(self, room, message, who, name, added=True)

    def unreact(self, channel: str, ts: str, user: str, name: str) -> None:
        """Raises Refused(no_reaction | message_not_found)."""
        with self.lock:
            room, who = self.channel(channel), self.user(user).id
            message = self._existing(room, ts)
            reactions: list[Json] = message.get("reactions", [])
            entry = next((r for r in reactions if r["name"] == name and who in r["users"]), None)
            if entry is None:
                raise Refused("no_reaction")
            entry["users"].remove(who)
            entry["count"] -= 1
            if not entry["users"]:
                reactions.remove(entry)
            if not reactions:
                message.pop("reactions")
            self._changed("message", channel=room.id, ts=ts)
            events.reaction(self, room, message, who, name, added=False)

    def pin(self, channel: str, ts: str, user: str, *, silent: bool = False) -> None:
        """Raises Refused(already_pinned | message_not_found)."""
        with self.lock:
            room = self.channel(channel)
            message = self._existing(room, ts)
            if ts in room.pins:
                raise Refused("already_pinned")
            room.pins.append(ts)
            message["pinned_to"] = [room.id]
            self._changed("message", channel=room.id, ts=ts)
            if not silent:
                self._tell_of_pin(room, ts, user, added=True)

    def unpin(self, channel: str, ts: str, user: str) -> None:
        """Raises Refused(no_pin | message_not_found)."""
        with self.lock:
            room = self.channel(channel)
            message = self._existing(room, ts)
            if ts not in room.pins:
                raise Refused("no_pin")
            room.pins.remove(ts)
            message.pop("pinned_to", None)
            self._changed("message", channel=room.id, ts=ts)
            self._tell_of_pin(room, ts, user, added=False)

    def _tell_of_pin(self, room: Channel, ts: str, user: str, *, added: bool) -> None:
        message = self._conversations[room.id].shown(ts)
        who, count = self.user(user).id, len(room.pins)
        events.pinned(self, room, message, who, added=added, count=count)

    def conversation(self, channel: str) -> Conversation:
        """The channel's messages; hold `lock` while reading."""
        return self._conversations[self.channel(channel).id]

    def message(self, channel: str, ts: str) -> Json:
        """A copy in Slack's shape. Raises Refused(message_not_found)."""
        with self.lock:
            room = self.channel(channel)
            self._existing(room, ts)
            return self._conversations[room.id].shown(ts)

    def permalink(self, channel: str, ts: str) -> str:
        with self.lock:
            room = self.channel(channel)
            message = self._existing(room, ts)
            link = f"{self.base_url}archives/{room.id}/p{ts.replace('.', '')}"
            root = message.get("thread_ts")
            return link + (f"?thread_ts={root}&cid={room.id}" if root and root != ts else "")

    # What the other parts of the playground use

    def new_ts(self) -> str:
        with self.lock:
            self._last_us = max(self._last_us + 1, int(self.clock.now() * 1_000_000))
            return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        with self.lock:
            self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
            return f"{prefix}{self._numbers[prefix]:010X}"

    def new_block_id(self) -> str:
        return secrets.token_urlsafe(4)

    def show(self, what: str, **about: Any) -> None:
        """Tell those who watch (pages, waiting members) that something they may see changed."""
        with self.lock:
            self._changed(what, **about)

    def wait_for_change(self, after: int, timeout: float) -> int:
        """Block until the version is above `after` or the seconds are over; the version."""
        with self.changed:
            self.changed.wait_for(lambda: self.version > after, timeout)
            return self.version

    def _changed(self, what: str, **about: Any) -> None:
        self.version += 1
        notice = Notice(version=self.version, what=what, **about)
        self.notices.append(notice)
        self.changed.notify_all()
        for watcher in list(self.watchers):
            watcher(notice)

    def _new_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self._conversations[channel.id] = Conversation()
        self._changed("channel", channel=channel.id)
        return channel

    def _existing(self, room: Channel, ts: str) -> Json:
        try:
            ts_key(ts)
        except ValueError:
            raise Refused("message_not_found") from None
        message = self._conversations[room.id].raw(ts)
        if message is None:
            raise Refused("message_not_found")
        return message

    def _clear_status(self, channel: str, thread: str, author: User) -> None:
        if author.is_bot and (channel, thread) in self.statuses:
            del self.statuses[channel, thread]
            self._changed("status", channel=channel, ts=thread)
