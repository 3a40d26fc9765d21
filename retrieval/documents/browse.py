"""An address in; what a web server answers, within limits and only where it may be asked, out.

An address may come from a sitemap or a redirect, so it is data. Only http and https are spoken, only to
addresses that are public (or, where that is allowed, private), and the address that was checked is the one
that is connected to: a name that resolves differently a moment later leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from lorekeeper.settings import Retrieval
from retrieval.documents.formats import SUFFIXES

if TYPE_CHECKING:
    import httpx2

NAME = "Lorekeeper"
SECONDS = 20.0  # for one page, from the connection to its last byte
REDIRECTS = 5
PAUSE = 0.2  # seconds between two requests to a host that asks for none
LONGEST_PAUSE = 10.0  # a host that asks for longer ones than this is not read
ROBOTS_BYTES = 512_000  # of robots.txt, as RFC 9309 asks for at least
_SUFFIX = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)


class NotFetched(Exception):
    """Why a page was not brought this time, as it goes on after "it"."""


class Forbidden(NotFetched):
    """The page is gone, or must not be read: what was kept of it goes, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A page's bytes; text is in UTF-8 whatever it came in."""

    name: str  # a file's name, with the suffix of what the server says it is
    content: bytes
    etag: str = ""
    last_modified: str = ""

    @property
    def at(self) -> float:
        """When it was last changed, as it says; 0.0 where it does not."""
        try:
            return parsedate_to_datetime(self.last_modified).timestamp()
        except (TypeError, ValueError, IndexError):
            return 0.0


Resolve = Callable[[str, int], list[str]]


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


class Browser:
    """Asks politely: by robots.txt, one page after the other, with pauses."""

    def __init__(
        self, settings: Retrieval, *, resolve: Resolve = _resolve, pause: float = PAUSE
    ) -> None:
        import httpx2

        self._settings = settings
        self._resolve = resolve
        self._pause = pause
        self._client = httpx2.Client(
            follow_redirects=False, trust_env=False, timeout=SECONDS, headers={"User-Agent": NAME}
        )
        self._rules: dict[str, RobotFileParser] = {}
        self._asked: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @staticmethod
    def same_host(one: str, other: str) -> bool:
        try:
            return urlsplit(one).netloc.lower() == urlsplit(other).netloc.lower()
        except ValueError:
            return False

    def get(self, url: str, *, etag: str = "", last_modified: str = "") -> Fetched | None:
        """The page; None when it is what it was under this ETag or time.

        Raises:
            Forbidden: it is gone, robots.txt keeps us out, or it leads to where nobody may ask.
            NotFetched: the server does not answer, fails, or says too much.
        """
        known = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in known.items() if value}
        for _ in range(REDIRECTS + 1):
            self._may_ask(url)
            status, told, content = self._ask(url, headers, self._settings.largest_file)
            if status not in _MOVED:
                return None if status == 304 and headers else _page(url, status, told, content)
            url = _led(url, told)
        raise NotFetched(f"redirects more than {REDIRECTS} times")

    def _may_ask(self, url: str) -> None:
        parts = _parts(url)
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._rules:
            self._rules[host] = self._robots(host)
        rules = self._rules[host]
        if not rules.can_fetch(NAME, url):
            raise Forbidden("is not for robots, says its robots.txt")
        pause = max(self._pause, float(rules.crawl_delay(NAME) or 0))
        if pause > LONGEST_PAUSE:
            raise NotFetched(f"asks for pauses of {pause:g} s; the limit is {LONGEST_PAUSE:g}")
        time.sleep(max(0.0, self._asked.get(host, 0.0) + pause - time.monotonic()))
        self._asked[host] = time.monotonic()

    def _robots(self, host: str) -> RobotFileParser:
        """As RFC 9309 says: without a robots.txt all is allowed; where it cannot be read, nothing is."""
        rules, url = RobotFileParser(), f"{host}/robots.txt"
        try:
            for _ in range(REDIRECTS + 1):
                status, told, content = self._ask(url, {}, ROBOTS_BYTES)
                if status not in _MOVED:
                    break
                url = _led(url, told)
        except Forbidden:
            raise
        except NotFetched:
            status = 500
        said = content.decode("utf-8", "replace") if status < 300 else ""
        rules.parse(["User-agent: *", "Disallow: /"] if status >= 500 else said.splitlines())
        return rules

    def _ask(self, url: str, headers: dict[str, str], most: int) -> tuple[int, Any, bytes]:
        """One request to the address that was checked: status, headers and body."""
        import httpx2

        parts = _parts(url)
        address = self._public_address(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        pinned = httpx2.URL(url).copy_with(host=address)
        try:
            with self._client.stream(
                "GET",
                pinned,
                headers={**headers, "Host": parts.netloc.rpartition("@")[2]},
                extensions={"sni_hostname": parts.hostname},
            ) as answer:
                return answer.status_code, answer.headers, _body(answer, most)
        except httpx2.HTTPError as error:
            raise NotFetched(f"does not answer: {type(error).__name__}") from error

    def _public_address(self, host: str, port: int) -> str:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotFetched(f"is on {host}, which has no address") from error
        for address in addresses:
            if not self._settings.private_pages and not _is_public(address):
                raise Forbidden(
                    f"is at {address}, which is not public (LORE_RETRIEVAL__PRIVATE_PAGES)"
                )
        return addresses[0]


_MOVED = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}


def _led(url: str, headers: Any) -> str:
    place = str(headers.get("location", ""))
    try:
        return urljoin(url, place)
    except ValueError as error:
        raise Forbidden(f"leads to {place!r}, which is no address") from error


def _parts(url: str) -> Any:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is none
    except ValueError as error:
        raise Forbidden(f"leads to {url!r}, which is no address") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Forbidden(f"leads to {url!r}; only http and https are read")
    return parts


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    inside = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inside is None or inside.is_global)


def _body(answer: httpx2.Response, most: int) -> bytes:
    """What was sent, unpacked, up to a size and a time."""
    ends, found, size = time.monotonic() + SECONDS, list[bytes](), 0
    for piece in answer.iter_bytes():
        found.append(piece)
        size += len(piece)
        if size > most:
            raise NotFetched(f"has more than {most:,} bytes")
        if time.monotonic() > ends:
            raise NotFetched(f"takes longer than {SECONDS:g} s")
    return b"".join(found)


def _page(url: str, status: int, headers: Any, content: bytes) -> Fetched:
    if status in {401, 403, 404, 410, 451}:
        raise Forbidden(f"answers {status}")
    if status >= 300:
        raise NotFetched(f"answers {status}")
    said = headers.get("content-type", "").partition(";")
    suffix = _SUFFIX.get(said[0].strip().lower()) or PurePosixPath(urlsplit(url).path).suffix
    if suffix in SUFFIXES and suffix not in {".pdf", ".docx", ".pptx", ".xlsx"}:
        content = _as_utf8(content, said[2])
    return Fetched(
        name=f"page{suffix or said[0]}",
        content=content,
        etag=headers.get("etag", ""),
        last_modified=headers.get("last-modified", ""),
    )


def _as_utf8(content: bytes, parameters: str) -> bytes:
    named = re.search(r"charset=[\"']?([\w-]+)", parameters, re.IGNORECASE)
    within = _CHARSET.search(content[:2048])
    charset = named[1] if named else within[1].decode() if within else "utf-8"
    try:
        return content.decode(charset).encode()
    except (UnicodeError, LookupError):
        return content  # what reads it says what is wrong
