"""Addresses of web pages and sitemaps in; their text, kept in the data folder and looked at again now and then, out.

Fetching takes its time, so it is done apart: `fetch` brings pages into the folder, `fetched` reads them there.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

import structlog

from lorekeeper.settings import Retrieval, Settings
from retrieval.documents.browse import Browser, Forbidden, NotFetched
from retrieval.documents.extract import extracted
from retrieval.documents.formats import Unreadable

FOLDER = "pages"  # in the data folder
LOOK = 60.0  # seconds between looks at what is due
DEPTH = 3  # sitemaps that name sitemaps

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """One page as it was when it was last fetched; with a reason, what is wrong with it."""

    url: str
    title: str = ""
    text: str = ""  # Markdown; "" where it could never be read
    at: float = 0.0  # when it says that it was last changed, else when that was seen
    etag: str = ""
    last_modified: str = ""
    reason: str = ""


def is_address(source: str) -> bool:
    return source.startswith(("https://", "http://"))


def fetched(source: str, data: Path) -> list[WebPage]:
    """What was brought of this source so far, in a fixed order."""
    try:
        told = json.loads(_file(source, data).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [WebPage(url=source, reason="was not fetched yet")]
    return [WebPage(**each) for each in told]


def stamp(source: str, data: Path) -> tuple[str, int, int]:
    """Changes when what was fetched does."""
    try:
        about = _file(source, data).stat()
    except OSError:
        return source, 0, 0
    return source, about.st_mtime_ns, about.st_size


def fetch(
    source: str,
    settings: Retrieval,
    data: Path,
    *,
    browser: Browser | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[WebPage]:
    """Look at every page of a source again, and keep what they say now.

    A page that is gone is dropped. One that does not answer stays as it was, with the reason.
    """
    before = {each.url: each for each in fetched(source, data) if each.text}
    with browser or Browser(settings) as at_work:
        found = list(_found(source, settings, at_work, before, stopped))
    if not stopped():
        _keep(source, data, found)
    return found


class Follower:
    """Fetches the configured pages in a thread of its own, when they are due, until it is closed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="pages")

    def __enter__(self) -> Self:
        if any(map(is_address, self._settings.retrieval.documents)):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._stop.is_set():
            fetch_due(self._settings, stopped=self._stop.is_set)
            self._stop.wait(LOOK)


def fetch_due(settings: Settings, *, stopped: Callable[[], bool] = lambda: False) -> None:
    """Fetch every configured source that was not looked at for `pages_hours`."""
    retrieval, data = settings.retrieval, settings.store.data
    for source in filter(is_address, retrieval.documents):
        looked = stamp(source, data)[1] / 1e9
        if time.time() - looked >= retrieval.pages_hours * 3600 and not stopped():
            try:
                fetch(source, retrieval, data, stopped=stopped)
            except OSError as error:
                log.error("web pages could not be kept", source=source, reason=str(error))


def _found(
    source: str,
    settings: Retrieval,
    browser: Browser,
    before: dict[str, WebPage],
    stopped: Callable[[], bool],
) -> Iterator[WebPage]:
    if not _is_sitemap(source):
        yield from _page(source, browser, before, settings)
        return
    told = list(dict.fromkeys(_addresses(source, browser)))
    failed = [each for each in told if isinstance(each, WebPage)]
    if failed:  # what was brought before stays
        yield from (*failed, *before.values())
        return
    named = [each for each in told if isinstance(each, str)]
    for url in named[: settings.most_pages]:
        if stopped():
            return
        yield from _page(url, browser, before, settings)
    if len(named) > settings.most_pages:
        why = f"names {len(named):,} pages; the first {settings.most_pages:,} are read"
        yield WebPage(url=source, reason=why)


def _is_sitemap(source: str) -> bool:
    return source.partition("?")[0].endswith(".xml")


def _addresses(sitemap: str, browser: Browser, depth: int = 0) -> Iterator[str | WebPage]:
    """Pages that a sitemap names, its own host's only; or the sitemap, with what is wrong with it."""
    try:
        answer = browser.get(sitemap)
        root = _xml(answer.content if answer else b"")
    except (NotFetched, Unreadable) as error:
        yield WebPage(url=sitemap, reason=str(error))
        return
    for element in root.iter():
        if not element.tag.endswith("loc") or not (url := (element.text or "").strip()):
            continue
        if not Browser.same_host(url, sitemap):
            continue
        is_map = root.tag.endswith("sitemapindex")
        if is_map and depth < DEPTH:
            yield from _addresses(url, browser, depth + 1)
        elif not is_map:
            yield url


def _xml(content: bytes) -> ElementTree.Element:
    """No sitemap needs a document type; one that declares entities is out to harm."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise Unreadable("declares a document type, which no sitemap needs")
    try:
        return ElementTree.fromstring(content)  # noqa: S314  without a document type there are no entities
    except ElementTree.ParseError as error:
        raise Unreadable(f"is no sitemap: {error}") from error


def _page(
    url: str, browser: Browser, before: dict[str, WebPage], settings: Retrieval
) -> Iterator[WebPage]:
    """The page as it is now; nothing where it is gone, or may not be read any more."""
    known = before.get(url, WebPage(url=url))
    try:
        answer = browser.get(url, etag=known.etag, last_modified=known.last_modified)
        if answer is None:  # as it was
            yield replace(known, reason="")
            return
        title, text = extracted(answer.name, answer.content, settings)
    except Forbidden as error:
        yield WebPage(url=url, reason=str(error))
    except (NotFetched, Unreadable) as error:
        yield replace(known, reason=str(error))
    else:
        changed = answer.at or (known.at if text == known.text else time.time())
        yield WebPage(
            url=url,
            title=title if title != Path(answer.name).stem else url,
            text=text,
            at=changed,
            etag=answer.etag,
            last_modified=answer.last_modified,
        )


def _file(source: str, data: Path) -> Path:
    return data / FOLDER / f"{hashlib.sha256(source.encode()).hexdigest()[:32]}.json"


def _keep(source: str, data: Path, found: list[WebPage]) -> None:
    """Complete or not at all. Where nothing changed, only the time of the look is noted."""
    path = _file(source, data)
    told = json.dumps([asdict(each) for each in found])
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(told, encoding="utf-8")
    draft.replace(path)
