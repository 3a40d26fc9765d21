"""Messages in; one channel's messages out: in order of `ts`, as history, as threads, with the thread's summary on its root."""

from __future__ import annotations

from bisect import bisect_left, insort
from copy import deepcopy

from bot.playground.records import Json


def ts_key(ts: str) -> tuple[int, int]:
    """The order of a `ts`; raises ValueError for text that isn't one."""
    seconds, _, micros = ts.partition(".")
    return int(seconds), int((micros or "0").ljust(6, "0")[:6])


class Conversation:
    """The messages of one channel. Not locked: the workspace that owns it is."""

    def __init__(self) -> None:
        self._messages: dict[str, Json] = {}
        self._order: list[tuple[tuple[int, int], str]] = []
        self._replies: dict[str, list[str]] = {}

    def __contains__(self, ts: str) -> bool:
        return ts in self._messages

    def add(self, message: Json) -> None:
        ts = message["ts"]
        self._messages[ts] = message
        insort(self._order, (ts_key(ts), ts))
        root = message.get("thread_ts")
        if root and root != ts:
            insort(self._replies.setdefault(root, []), ts, key=ts_key)

    def remove(self, ts: str) -> None:
        message = self._messages.pop(ts)
        del self._order[bisect_left(self._order, (ts_key(ts), ts))]
        root = message.get("thread_ts")
        if root and root != ts:
            self._replies[root].remove(ts)

    def raw(self, ts: str) -> Json | None:
        """The stored message itself, to be changed by the workspace only."""
        return self._messages.get(ts)

    def has_replies(self, ts: str) -> bool:
        return bool(self._replies.get(ts))

    def shown(self, ts: str) -> Json:
        """A copy as Slack returns it: a root with replies carries its thread's summary."""
        message = deepcopy(self._messages[ts])
        replies = [self._messages[reply] for reply in self._replies.get(ts, [])]
        if replies:
            authors = list(dict.fromkeys(reply["user"] for reply in replies))
            message |= {
                "thread_ts": ts,
                "reply_count": len(replies),
                "reply_users_count": len(authors),
                "latest_reply": replies[-1]["ts"],
                "reply_users": authors,
                "is_locked": False,
                "subscribed": False,
            }
        return message

    def timeline(self) -> list[str]:
        """Every `ts`, oldest first, of what stands in the channel itself (no plain replies)."""
        return [ts for _, ts in self._order if self._in_channel(self._messages[ts])]

    def thread(self, root: str) -> list[str]:
        """The root's `ts` (if it still exists) and its replies', oldest first."""
        return [ts for ts in (root,) if ts in self._messages] + list(self._replies.get(root, []))

    def everything(self) -> list[str]:
        return [ts for _, ts in self._order]

    @staticmethod
    def _in_channel(message: Json) -> bool:
        root = message.get("thread_ts")
        return not root or root == message["ts"] or message.get("subtype") == "thread_broadcast"
