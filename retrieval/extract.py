"""A file's name and bytes in, whatever its format; its title and its text as Markdown out, or why it has none."""

from __future__ import annotations

import re
from pathlib import PurePath

from lorekeeper.settings import Retrieval
from retrieval.convert import converted
from retrieval.formats import CONVERTED, Format, Unreadable, checked
from retrieval.legible import legible
from retrieval.markup import markdown_of
from retrieval.tables import from_csv

LONGEST = 5_000_000  # characters of text; a book has a million, and a dump is not a page
LONGEST_LINE = 500_000  # characters; nobody wrote such a line for people


def extracted(name: str, content: bytes, settings: Retrieval) -> tuple[str, str]:
    """Title and Markdown, without what cannot be seen. A page that states no title has its file's name.

    Raises:
        Unreadable: it cannot be read, in words that go on after "it".
    """
    kind = checked(name, content, largest=settings.largest_file)
    title, text = (
        "",
        _converted(content, kind, settings) if kind in CONVERTED else _decoded(content),
    )
    text = legible(text)
    if kind is Format.HTML:
        title, text = markdown_of(text)
    elif kind is Format.MARKDOWN:
        title, text = _without_front_matter(text)
    elif kind is Format.CSV:
        text = from_csv(text)
    _check(text)
    return title or _first_heading(text) or PurePath(name).stem, text


def _converted(content: bytes, kind: Format, settings: Retrieval) -> str:
    return converted(
        content,
        kind,
        seconds=settings.convert_seconds,
        megabytes=settings.convert_megabytes,
        longest=LONGEST,
    )


def _decoded(content: bytes) -> str:
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not marked and b"\0" in content:
        raise Unreadable("is binary")
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"is not {error.encoding.upper()}: byte {error.start} is {content[error.start]:#04x}"
        ) from error


def _check(text: str) -> None:
    if not text.strip():
        raise Unreadable("has no text")
    if len(text) > LONGEST:
        raise Unreadable(f"has {len(text):,} characters of text; the limit is {LONGEST:,}")
    if (longest := max(map(len, text.split("\n")))) > LONGEST_LINE:
        raise Unreadable(f"has a line of {longest:,} characters; the limit is {LONGEST_LINE:,}")


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
