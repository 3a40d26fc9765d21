"""A response_url's key and what the app posts to it; the message sent, replaced or taken away out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from bot.playground.limits import check_blocks, check_text
from bot.playground.records import App, Json, Refused
from bot.playground.workspace import Workspace

MOST_USES = 5
SECONDS = 30 * 60


@dataclass(slots=True, kw_only=True)
class ResponseUrl:
    app: App
    user: str
    channel: str
    made: float
    message_ts: str | None = None
    thread_ts: str | None = None
    uses: int = 0


class Responses:
    """Where an app answers an interaction without a token."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._urls: dict[str, ResponseUrl] = {}

    def new(
        self,
        app: App,
        user: str,
        channel: str,
        *,
        message_ts: str | None = None,
        thread_ts: str | None = None,
    ) -> str:
        key = secrets.token_urlsafe(24)
        self._urls[key] = ResponseUrl(
            app=app,
            user=user,
            channel=channel,
            made=self._workspace.clock.now(),
            message_ts=message_ts,
            thread_ts=thread_ts,
        )
        return f"{self._workspace.base_url}response/{key}"

    def use(self, key: str, body: Json) -> None:
        """Raises Refused(used_url | expired_url | no_text...) with status 404 or 400."""
        with self._workspace.lock:
            url = self._urls.get(key)
            if url is None:
                raise Refused("invalid_url", status=404)
            if url.uses >= MOST_USES:
                raise Refused("used_url", status=404)
            if self._workspace.clock.now() - url.made > SECONDS:
                raise Refused("expired_url", status=404)
            url.uses += 1
        self.say(url, body)

    def acknowledged(self, url: str, body: Json) -> None:
        """A command's ack payload is a first answer; it doesn't count as a use."""
        if body.get("text") or body.get("blocks"):
            self.say(self._urls[url.rpartition("/")[2]], body)

    def say(self, url: ResponseUrl, body: Json) -> None:
        if body.get("delete_original") and url.message_ts:
            self._delete(url)
            return
        content = _content(body)
        if body.get("replace_original") and url.message_ts:
            self._replace(url, content)
        elif body.get("response_type") == "in_channel":
            self._post(url, body, content)
        else:
            self._whisper(url, body, content)

    def _delete(self, url: ResponseUrl) -> None:
        ts = url.message_ts or ""
        if not self._workspace.whispers.remove(url.channel, ts):
            self._workspace.delete(url.channel, ts)

    def _replace(self, url: ResponseUrl, content: Json) -> None:
        ts = url.message_ts or ""
        if not self._workspace.whispers.replace(url.channel, ts, content):
            fields: Json = {"blocks": None} | content
            self._workspace.edit(url.channel, ts, **fields)

    def _post(self, url: ResponseUrl, body: Json, content: Json) -> None:
        app = url.app
        self._workspace.post(
            url.channel,
            app.bot_user,
            content.pop("text"),
            thread_ts=body.get("thread_ts") or url.thread_ts,
            blocks=content.pop("blocks", None),
            bot_id=app.bot_id,
            app_id=app.id,
            **content,
        )

    def _whisper(self, url: ResponseUrl, body: Json, content: Json) -> None:
        app = url.app
        self._workspace.whispers.add(
            url.channel,
            url.user,
            content.pop("text"),
            thread_ts=body.get("thread_ts") or url.thread_ts,
            user=app.bot_user,
            bot_id=app.bot_id,
            app_id=app.id,
            **content,
        )


def _content(body: Json) -> Json:
    text: Any = body.get("text") or ""
    blocks = body.get("blocks")
    if not text and not blocks and not body.get("attachments"):
        raise Refused("no_text", status=400)
    check_text(str(text))
    if blocks is not None:
        check_blocks(blocks)
    content: Json = {"text": str(text)}
    return content | ({"blocks": blocks} if blocks is not None else {})
