"""A folder, a file, a web address or `pydoc` in; Markdown documents with their source, and what was left out and why, out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from lorekeeper.errors import NotFound
from lorekeeper.settings import Retrieval
from retrieval import language, web
from retrieval.checkout import Checkout, checkout, head
from retrieval.extract import extracted
from retrieval.formats import Unreadable, named

REMEMBERED = 4_096  # converted files; a PDF that did not change is not read again
DATA = Path("data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One page: Markdown, and where it can be opened."""

    title: str
    text: str
    url: str
    at: float = 0.0  # when it was last changed
    author: str = ""  # of its last change, where git knows


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file or a web page that was not read."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    documents: tuple[Document, ...]
    left_out: tuple[LeftOut, ...] = ()


def read(
    source: str,
    settings: Retrieval | None = None,
    data: Path = DATA,
    check: Callable[[], None] = lambda: None,
) -> Reading:
    """Read `pydoc`, a file, every page below a folder, or the web pages that `web.fetch` brought.

    `PATH=URL` names a folder's pages by that base URL; in a git checkout they are named by the address
    at their last commit. Hidden files are passed over. A page that cannot be read is named in
    `left_out`; the rest is taken. `check` is called before each file; what it raises ends the reading.

    Raises:
        NotFound: there is no such file or folder.
    """
    if source == "pydoc":
        return Reading(
            documents=tuple(
                Document(title=topic.title, text=topic.text, url=topic.url)
                for topic in language.topics()
            )
        )
    if web.is_address(source):
        return _fetched(source, data)
    return _of_folder(source, settings or Retrieval(), check)


def stamp(source: str, data: Path = DATA) -> tuple[tuple[str, int, int], ...]:
    """Changes when a page is added, changed or removed: names, times and sizes, nothing read."""
    if source == "pydoc":
        return ()
    if web.is_address(source):
        return (web.stamp(source, data),)
    root, _ = _place(source)
    found = [(head(_folder(root)), 0, 0)]
    for path, problem in _files(root):
        if not problem:
            about = path.stat()
            found.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(found)


def _fetched(source: str, data: Path) -> Reading:
    found = web.fetched(source, data)
    return Reading(
        documents=tuple(
            Document(title=each.title, text=each.text, url=each.url, at=each.at)
            for each in found
            if each.text
        ),
        left_out=tuple(LeftOut(name=each.url, reason=each.reason) for each in found if each.reason),
    )


def _of_folder(source: str, settings: Retrieval, check: Callable[[], None]) -> Reading:
    root, base = _place(source)
    known = None if base else checkout(_folder(root))
    taken, left_out = list[Document](), list[LeftOut]()
    for path, problem in _files(root):
        check()
        try:
            if problem:
                raise Unreadable(problem)
            taken.append(_document(path, root, base, known, settings))
        except Unreadable as error:
            left_out.append(LeftOut(name=str(path), reason=str(error)))
    return Reading(documents=tuple(taken), left_out=tuple(left_out))


def _folder(root: Path) -> Path:
    return root if root.is_dir() else root.parent


def _place(source: str) -> tuple[Path, str]:
    name, _, base = source.partition("=")
    root = Path(name).expanduser()
    if not root.exists():
        raise NotFound(
            f"There are no documents at {root}.",
            fix="Correct LORE_RETRIEVAL__DOCUMENTS, or create the folder.",
        )
    return root.resolve(), base


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    """Every visible file below the root, in a fixed order, with the reason if it must not be read."""
    if root.is_file():
        yield root, ""
        return
    seen = {root}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in list(folders):
            path = Path(folder, name)
            if problem := _leads_astray(path, root, seen):
                folders.remove(name)
                yield path, problem
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            yield path, "" if path.resolve().is_relative_to(root) else "leads out of the folder"


def _leads_astray(path: Path, root: Path, seen: set[Path]) -> str:
    target = path.resolve()
    if not target.is_relative_to(root):
        return "leads out of the folder"
    if target in seen:
        return "leads to a folder that was read already"
    seen.add(target)
    return ""


def _document(
    path: Path, root: Path, base: str, known: Checkout | None, settings: Retrieval
) -> Document:
    title, text = _page(path, settings)
    commit = known.commit_of(path) if known else None
    return Document(
        title=title,
        text=text,
        url=_url(path, root, base) or (known.url(path) if known else "") or path.as_uri(),
        at=commit.at if commit else path.stat().st_mtime,
        author=commit.author if commit else "",
    )


def _page(path: Path, settings: Retrieval) -> tuple[str, str]:
    named(path.name)
    try:
        if not path.is_file():
            raise Unreadable("is not a file, or leads nowhere")
        about = path.stat()
        if about.st_size > settings.largest_file:
            raise Unreadable(f"has {about.st_size:,} bytes; the limit is {settings.largest_file:,}")
        title, text, reason = _read(path, about.st_mtime_ns, about.st_size, settings)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    if reason:
        raise Unreadable(reason)
    return title, text


@lru_cache(maxsize=REMEMBERED)
def _read(path: Path, changed_at: int, size: int, settings: Retrieval) -> tuple[str, str, str]:
    """Title and text of the file as it was at that time and of that size, or the reason why it has none:
    read once, for as long as it stays so."""
    try:
        return *extracted(path.name, path.read_bytes(), settings), ""
    except Unreadable as error:
        return "", "", str(error)


def _url(path: Path, root: Path, base: str) -> str:
    if not base:
        return ""
    inside = path.name if root.is_file() else path.relative_to(root).as_posix()
    return f"{base.rstrip('/')}/{quote(inside)}"
