"""Pieces of an answer in; one message in a thread that grows at Slack's pace, and is complete at the end, out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.chat_stream import ChatStream

from bot.blocks.text import FALLBACK, MARKDOWN, Block, markdown, pieces, shorten

PACE = 1.0  # seconds between flushes of one answer, at least
APPENDS = (
    1.5  # a second, of all answers together: chat.appendStream allows 100 a minute in a workspace
)
AT_ONCE = 1  # characters that slack_sdk holds back by itself: none; we flush by time

CLOSED = {"message_not_in_streaming_state", "message_not_found", "streaming_state_conflict"}
UNSUPPORTED = {
    "channel_type_not_supported",
    "unknown_method",
    "method_not_supported_for_channel_type",
}


def pace(at_once: int) -> float:
    """Seconds between flushes of each answer when so many are being written: together they keep to what
    Slack allows. First and last words do not wait."""
    return max(PACE, at_once / APPENDS)


class Writing:
    """One answer. If Slack closes the stream, the message is updated with the whole text instead.

    `over` names the messages of an earlier answer to the same question: this one takes their place.
    """

    def __init__(
        self,
        client: WebClient,
        *,
        channel: str,
        thread_ts: str,
        team: str,
        user: str,
        over: tuple[str, ...] = (),
        at_once: Callable[[], int] = lambda: 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._channel = channel
        self._thread = thread_ts
        self._recipient = {"recipient_team_id": team, "recipient_user_id": user}
        self._now = now
        self._at_once = at_once
        self._stream: ChatStream | None = None
        self._flushed_at = float("-inf")
        self._written = ""  # what this message holds or will hold
        self._pending = ""  # the part of it that Slack does not have yet
        self._is_open = not over  # Slack takes more of the stream
        self._earlier = list(over[:-1])  # messages that are full
        self.ts: str | None = over[-1] if over else None
        """The message, once there is one; of a long answer the last one."""

    @property
    def text(self) -> str:
        return self._written

    @property
    def messages(self) -> tuple[str, ...]:
        """Where the answer stands, in order."""
        return (*self._earlier, self.ts) if self.ts is not None else ()

    def write(self, text: str) -> None:
        """Add to the answer; Slack gets it within about a second of the next piece."""
        for part in pieces(text):
            if len(self._written) + len(part) > MARKDOWN:
                self._turn_page()
            self._written += part
            self._pending += part
        if self._now() - self._flushed_at >= pace(self._at_once()):
            self._flush()

    def finish(self, blocks: list[Block]) -> str:
        """End the message with these blocks under it; its `ts`."""
        self._close(blocks)
        assert self.ts is not None
        return self.ts

    def replace(self, text: str, blocks: list[Block]) -> str:
        """Say something else instead of what was written so far; its `ts`."""
        if self._stream is not None and self._is_open:
            self._stop([])
        self._written, self._pending, self._is_open = text, "", False
        return self._put(blocks)

    def start_over(self) -> None:
        """What was written answers another question than the one that is asked now."""
        for ts in self._earlier:
            self._client.chat_delete(channel=self._channel, ts=ts)
        self._earlier = []
        if self.ts is not None:
            self.replace("_The question was edited; here comes the answer to it…_", [])
        self._written = self._pending = ""

    def _flush(self) -> None:
        if not self._pending or not self._is_open:
            return
        stream = self._begun()
        try:
            stream.append(markdown_text=self._pending)
        except SlackApiError as error:
            self._give_up_streaming(error)
        self._pending = ""
        self.ts = stream.ts or self.ts
        self._flushed_at = self._now()

    def _begun(self) -> ChatStream:
        if self._stream is None:
            self._stream = self._client.chat_stream(
                channel=self._channel,
                thread_ts=self._thread,
                buffer_size=AT_ONCE,
                **self._recipient,
            )
        return self._stream

    def _close(self, blocks: list[Block]) -> None:
        if self._is_open and self._stop(blocks):
            return
        self._put(blocks)

    def _stop(self, blocks: list[Block]) -> bool:
        """Whether Slack still took the end of the stream."""
        stream = self._begun()
        try:
            sent = stream.stop(markdown_text=self._pending or None, blocks=blocks or None)
        except SlackApiError as error:
            self._give_up_streaming(error)
            self.ts = stream.ts or self.ts
            return False
        self._pending = ""
        self.ts = stream.ts or str(sent["ts"])
        return True

    def _put(self, blocks: list[Block]) -> str:
        """The whole text as an ordinary message, over the stream's where there is one."""
        content: dict[str, Any] = {
            "text": shorten(self._written, FALLBACK) or "…",
            "blocks": [markdown(self._written), *blocks],
        }
        if self.ts is not None:
            self._client.chat_update(channel=self._channel, ts=self.ts, **content)
        else:
            sent = self._client.chat_postMessage(
                channel=self._channel, thread_ts=self._thread, **content
            )
            self.ts = str(sent["ts"])
        return self.ts

    def _turn_page(self) -> None:
        """The message is full: end it, and go on in a new one."""
        self._close([])
        self._earlier += self.messages[-1:]
        self._stream, self._is_open, self.ts = None, True, None
        self._written = self._pending = ""

    def _give_up_streaming(self, error: SlackApiError) -> None:
        if error.response["error"] not in CLOSED | UNSUPPORTED:
            raise error
        self._is_open = False
