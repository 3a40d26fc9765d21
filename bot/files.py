"""A file or a canvas that is shared in Slack in; its text in the store, redacted, for those who see it there, out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx2
import stamina
import structlog
from slack_sdk.errors import SlackApiError

from bot import mirror
from bot.desk import Desk, Json
from lorekeeper.domain import SharedFile
from lorekeeper.errors import NotReachable
from lorekeeper.redact import redact
from lorekeeper.store import files, people, reading
from retrieval.extract import extracted
from retrieval.formats import Unreadable, named

GONE = {"file_not_found", "file_deleted", "access_denied", "not_visible"}
CANVAS = {"quip", "canvas"}  # what Slack calls a canvas's `filetype`; it is given out as HTML
ATTEMPTS = 4
SECONDS = 60.0  # without a byte
CODE = "```\n{}\n```"

log = structlog.get_logger(__name__)


def ask_for(desk: Desk, found: Iterable[Json], once: str) -> None:
    """Put these files, as a message names them, in the inbox; each in a lane of its own: one may be large."""
    for raw in found:
        if raw.get("id"):
            what = {"type": "file", "file": raw["id"]}
            desk.inbox.put(f"file:{raw['id']}:{once}", what, lane=raw["id"])


def look(desk: Desk, file_id: str) -> None:
    """Store a file as it is now, for the channels in which it is shared now; or nothing, where it is gone.

    Raises:
        NotReachable: Slack does not give it out, though it should.
    """
    raw = _described(desk, file_id) if desk.settings.retrieval.files else None
    channels = _channels(desk, raw) if raw is not None else ()
    if raw is None or not channels or not _is_for_us(desk, raw):
        with desk.engine.begin() as db:
            files.remove(db, file_id)
        return
    file = _read(desk, raw, channels)
    with desk.engine.begin() as db:
        files.put(db, file)


def gone(desk: Desk, file_id: str) -> None:
    """It was deleted in Slack: so is what was stored of it, at once."""
    with desk.engine.begin() as db:
        files.remove(db, file_id)


def unshared(desk: Desk, file_id: str, channel: str) -> None:
    """Nobody finds it through this channel any more, at once; then look where else it is."""
    with desk.engine.begin() as db:
        files.unshare(db, file_id, channel)
    ask_for(desk, [{"id": file_id}], f"unshared:{channel}:{int(time.time())}")


def _described(desk: Desk, file_id: str) -> Json | None:
    """What Slack says of it; None where it is gone, or where we may not see it."""
    try:
        found: Json = desk.client.files_info(file=file_id)["file"]
    except SlackApiError as error:
        code = error.response["error"]
        if code == "missing_scope":
            log.warning("files are not read: the app lacks the scope files:read; reinstall it")
        elif code not in GONE:
            raise
        return None
    return found


def _channels(desk: Desk, raw: Json) -> tuple[str, ...]:
    """The channels in which it is shared and where the bot is; conversations of a few are not kept."""
    shared = dict.fromkeys([*raw.get("channels", ()), *raw.get("groups", ())])
    return tuple(channel for channel in shared if _is_in(desk, channel))


def _is_in(desk: Desk, channel: str) -> bool:
    try:
        raw: Json = desk.client.conversations_info(channel=channel)["channel"]
    except SlackApiError:
        return False
    return bool(raw.get("is_member")) and not mirror.put_channel(desk, raw).is_direct


def _is_for_us(desk: Desk, raw: Json) -> bool:
    """Neither the bot's own, nor of somebody who opted out, nor a picture or anything else without words."""
    if raw.get("user") == desk.me.user:
        return False
    with reading(desk.engine) as db:
        if people.has_opted_out(db, raw.get("user") or ""):
            return False
    try:
        named(_name(raw))
    except Unreadable:
        return False
    return True


def _read(desk: Desk, raw: Json, channels: tuple[str, ...]) -> SharedFile:
    title, text, reason = raw.get("title") or raw["name"], "", ""
    try:
        found, text = extracted(_name(raw), _content(desk, raw), desk.settings.retrieval)
        title = title if _is_snippet(raw) or title != raw["name"] else found
        text = CODE.format(text) if _is_snippet(raw) else text
    except Unreadable as error:
        reason = str(error)
    return SharedFile(
        id=raw["id"],
        title=redact(title).text,
        author=raw.get("user") or "",
        text=redact(text).text,
        url=raw.get("permalink") or "",
        at=float(raw.get("updated") or raw.get("created") or 0),
        channels=channels,
        reason=reason,
    )


def _name(raw: Json) -> str:
    """The file's name, with a suffix that says how to read it."""
    if raw.get("filetype") in CANVAS:
        return f"{raw['id']}.html"
    return f"{raw['id']}.txt" if _is_snippet(raw) else str(raw.get("name") or "")


def _is_snippet(raw: Json) -> bool:
    return raw.get("mode") == "snippet"


def _content(desk: Desk, raw: Json) -> bytes:
    """The file's bytes.

    Raises:
        Unreadable: it is too large, or not kept by Slack.
        NotReachable: Slack does not give it out.
    """
    most, size = desk.settings.retrieval.largest_file, int(raw.get("size") or 0)
    url = raw.get("url_private_download") or raw.get("url_private") or ""
    if raw.get("is_external") or not _is_slacks(desk, url):
        raise Unreadable("is kept outside of Slack")
    if size > most:
        raise Unreadable(f"has {size:,} bytes; the limit is {most:,}")
    try:
        return _downloaded(desk, url, most)
    except httpx2.HTTPError as error:
        raise NotReachable(
            f"Slack does not give out the file {raw['id']}: {error}.",
            fix="Check the network, and that the app has the scope files:read.",
        ) from error


def _is_slacks(desk: Desk, url: str) -> bool:
    """The token is sent to Slack, and nowhere else."""
    asked, api = urlsplit(url), urlsplit(desk.settings.slack.api_url)
    if asked.scheme == "https" and (asked.hostname or "").endswith(".slack.com"):
        return True
    return (asked.scheme, asked.netloc) == (api.scheme, api.netloc)


@stamina.retry(on=httpx2.HTTPError, attempts=ATTEMPTS, timeout=None)
def _downloaded(desk: Desk, url: str, most: int) -> bytes:
    headers = {"Authorization": f"Bearer {desk.client.token}"}
    found, size = list[bytes](), 0
    with httpx2.stream("GET", url, headers=headers, timeout=SECONDS) as answer:
        if answer.is_redirect:  # to the sign-in page: the token does not open it
            raise httpx2.RequestError(f"it answers {answer.status_code}", request=answer.request)
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            found.append(piece)
            size += len(piece)
            if size > most:
                raise Unreadable(f"has more than {most:,} bytes")
    return b"".join(found)
