"""A folder, a file or `pydoc` in; Markdown documents with their source, and what was left out and why, out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lorekeeper.errors import NotFound
from retrieval import language
from retrieval.markup import markdown_of

LARGEST = 5_000_000  # bytes; a page for people is far smaller, a dump is not a page
MARKDOWN = frozenset({".md", ".markdown"})
HTML = frozenset({".html", ".htm"})
TEXT = frozenset({".txt", ".rst", ".text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One page: Markdown, and where it can be opened."""

    title: str
    text: str
    url: str
    at: float = 0.0  # when it was last changed


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that was not read."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    documents: tuple[Document, ...]
    left_out: tuple[LeftOut, ...] = ()


def read(source: str) -> Reading:
    """Read `pydoc`, a file, or every page below a folder; `PATH=URL` names pages by that base URL.

    Hidden files are passed over. A page that cannot be read is named in `left_out`; the rest is taken.

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
    root, base = _place(source)
    taken, left_out = list[Document](), list[LeftOut]()
    for path, problem in _files(root):
        try:
            if problem:
                raise _Unreadable(problem)
            taken.append(_document(path, root, base))
        except _Unreadable as error:
            left_out.append(LeftOut(name=str(path), reason=str(error)))
    return Reading(documents=tuple(taken), left_out=tuple(left_out))


def stamp(source: str) -> tuple[tuple[str, int, int], ...]:
    """Changes when a page is added, changed or removed: names, times and sizes, nothing read."""
    if source == "pydoc":
        return ()
    found = []
    for path, problem in _files(_place(source)[0]):
        if not problem:
            about = path.stat()
            found.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(found)


class _Unreadable(Exception):
    """Why a file is left out."""


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


def _document(path: Path, root: Path, base: str) -> Document:
    text = _text(path)
    suffix = path.suffix.lower()
    title = ""
    if suffix in HTML:
        title, text = markdown_of(text)
    elif suffix in MARKDOWN:
        title, text = _without_front_matter(text)
    return Document(
        title=title or _first_heading(text) or path.stem,
        text=text,
        url=_url(path, root, base),
        at=path.stat().st_mtime,
    )


def _text(path: Path) -> str:
    if path.suffix.lower() not in MARKDOWN | HTML | TEXT:
        raise _Unreadable("is not Markdown, text or HTML")
    try:
        if not path.is_file():
            raise _Unreadable("is not a file, or leads nowhere")
        if (size := path.stat().st_size) > LARGEST:
            raise _Unreadable(f"has {size:,} bytes; the limit is {LARGEST:,}")
        return _decoded(path.read_bytes())
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from error


def _decoded(content: bytes) -> str:
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not marked and b"\0" in content:
        raise _Unreadable("is binary")
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(
            f"is not {error.encoding.upper()}: byte {error.start} is {content[error.start]:#04x}"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_front_matter(text: str) -> tuple[str, str]:
    """The title that a page's front matter states, and the page. What else it states is not text."""
    found = re.match(r"---\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", text, re.DOTALL)
    if not found or not re.search(r"^[\w-]+:", found[1], re.MULTILINE):
        return "", text
    title = re.search(r"^title:[ \t]*(.+)$", found[1], re.MULTILINE)
    return (title[1].strip().strip("\"'") if title else ""), text[found.end() :]


def _first_heading(text: str) -> str:
    found = re.match(r"\s*#[ \t]+(.+)", text)
    return found[1].strip(" #\t") if found else ""


def _url(path: Path, root: Path, base: str) -> str:
    if not base:
        return path.as_uri()
    inside = path.name if root.is_file() else path.relative_to(root).as_posix()
    return f"{base.rstrip('/')}/{quote(inside)}"
