"""A message's place in, its address out, and the way back; and what file an address is of."""

from __future__ import annotations

import re

from lorekeeper.errors import BadInput

_LINK = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})")
_FILE = re.compile(r"/(?:files|docs)/[A-Z0-9]+/(F[A-Z0-9]+)(?:[/?#>|]|\s*$)")
_REDIRECT = re.compile(r"/app_redirect\?channel=([A-Z0-9]+)&(?:amp;)?message_ts=(\d{10}\.\d{6})")


def permalink(workspace: str, channel: str, ts: str, thread_ts: str | None = None) -> str:
    """The address of a message, as `chat.getPermalink` gives it, without asking.

    Where the workspace's own address is not known (""), Slack's redirect: it knows the workspace of
    whoever opens it.
    """
    if not workspace:
        return f"https://slack.com/app_redirect?channel={channel}&message_ts={ts}"
    address = f"{workspace.rstrip('/')}/archives/{channel}/p{ts.replace('.', '')}"
    if thread_ts and thread_ts != ts:
        address += f"?thread_ts={thread_ts}&cid={channel}"
    return address


def place_of(link: str) -> tuple[str, str]:
    """Channel and `ts` of a message's link.

    Raises:
        BadInput: it is not a link to a message.
    """
    found = _LINK.search(link)
    if found is not None:
        return found[1], f"{found[2]}.{found[3]}"
    redirect = _REDIRECT.search(link)
    if redirect is not None:
        return redirect[1], redirect[2]
    raise BadInput(
        "That is not a link to a message.",
        fix="Use *Copy link* in the message's menu, and paste it.",
    )


def file_of(link: str) -> str:
    """The id of the file or canvas that a link opens; "" where it opens none."""
    found = _FILE.search(link)
    return found[1] if found is not None else ""
