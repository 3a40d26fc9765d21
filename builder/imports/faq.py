"""A page of questions and answers in, as Markdown or HTML; each question with its answer out.

A heading that asks, with everything up to the next heading of its level or above; `Q:` and `A:`; a
paragraph in bold that asks, with what follows it. HTML's lists of terms and its folded details become
such headings first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from builder.imports.entries import Columns, Entry, Problem, entry
from lorekeeper.errors import BadInput
from retrieval.documents import markup

LARGEST = 32 * 2**20  # bytes; a page for people is far smaller
BELOW_HEADINGS = 7  # the level of a question that is no heading
_QUESTION_MARKS = ("?", "？", "؟", "\u037e")
_ASKS = re.compile(
    r"[?？؟\u037e]\W*$|^(?:how|what|why|when|where|which|who|can|could|do|does|did|is|are|should|may|will)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^(?:\*\*)?(?:Q|Question|Frage|F)\s*\d*\s*[:.)](?:\*\*)?\s*(.+)$", re.IGNORECASE
)
_ANSWERED = re.compile(r"^(?:\*\*)?(?:A|Answer|Antwort)\s*\d*\s*[:.)](?:\*\*)?\s*", re.IGNORECASE)
_BOLD = re.compile(r"^(?:\*\*|__)(.+?)(?:\*\*|__)\s*$")
_TERM = re.compile(r"<(dt|summary)\b[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A top-level piece of the page: its first line, counted from 0, and its level if it asks or heads."""

    line: int
    text: str
    level: int  # 1 to 6: a heading; 7: a question that is none; 0: anything else
    asks: str = ""  # the question, where it is one


def markdown(path: Path, columns: Columns) -> Iterator[Entry | Problem]:
    """Raises BadInput for what is not text."""
    yield from _entries(_text(path))


def html(path: Path, columns: Columns) -> Iterator[Entry | Problem]:
    """As Markdown; `line` counts the lines of the Markdown that the page becomes. Raises BadInput."""
    page = _TERM.sub(lambda found: f"<h6>{_asking(found[2])}</h6>", _text(path))
    yield from _entries(markup.markdown_of(page)[1])


def _entries(text: str) -> Iterator[Entry | Problem]:
    blocks = list(_blocks(text))
    if not any(block.asks for block in blocks):
        yield Problem(line=1, reason="nothing on the page reads as a question")
    at = 0
    while at < len(blocks):
        asked, at = blocks[at], at + 1
        if not asked.asks:
            continue
        said: list[str] = []
        while at < len(blocks) and not _ends(asked, blocks[at]):
            said.append(blocks[at].text)
            at += 1
        told = _ANSWERED.sub("", "\n\n".join(said), count=1)
        yield entry(asked.line + 1, asked.asks, told, {})


def _ends(asked: _Block, block: _Block) -> bool:
    """Whether the answer is over: at a heading as high, or at another question."""
    return bool(block.level) and (block.level <= asked.level or bool(block.asks))


def _blocks(text: str) -> Iterator[_Block]:
    """The page's top-level pieces, in its own words; a paragraph with `Q:` and `A:` lines is several."""
    lines = text.split("\n")
    for token in MarkdownIt().parse(text):
        if token.level != 0 or token.map is None or token.nesting < 0:
            continue
        begin, end = token.map
        piece = "\n".join(lines[begin:end]).strip("\n")
        if token.type == "heading_open":
            title = re.sub(r"^#+\s*|\s*#*\s*$|\n[=-]+\s*$", "", piece).strip()
            level = int(token.tag[1])
            yield _Block(line=begin, text=piece, level=level, asks=title if _asks(title) else "")
        elif token.type == "paragraph_open":
            yield from _paragraph(begin, piece)
        else:
            yield _Block(line=begin, text=piece, level=0)


def _paragraph(begin: int, piece: str) -> Iterator[_Block]:
    """Its lines, cut where one asks."""
    gathered: list[str] = []
    for offset, line in enumerate(piece.split("\n")):
        question = _question(line)
        if not question:
            gathered.append(line)
            continue
        if gathered:
            yield _Block(line=begin + offset - len(gathered), text="\n".join(gathered), level=0)
            gathered = []
        yield _Block(line=begin + offset, text=line, level=BELOW_HEADINGS, asks=question)
    if gathered:
        first = begin + len(piece.split("\n")) - len(gathered)
        yield _Block(line=first, text="\n".join(gathered), level=0)


def _question(line: str) -> str:
    """What the line asks by its mark or its bold type; "" where it does not."""
    asked, bold = _ASKED.match(line), _BOLD.match(line)
    if asked:
        return asked[1].strip("* ")
    return bold[1].strip() if bold and _asks(bold[1]) else ""


def _asks(text: str) -> bool:
    return bool(_ASKS.search(text.strip("*_` ")))


def _asking(term: str) -> str:
    """What a term or a summary heads is its answer, so it is a question, whatever it ends with."""
    plain = re.sub(r"<[^>]+>", "", term).strip()
    return plain if plain.endswith(_QUESTION_MARKS) else f"{plain}?"


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise BadInput(f"{path.name} is larger than {LARGEST} bytes.", fix="Cut it into pages.")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path.name} is not in UTF-8 (byte {error.start}).", fix="Save it in UTF-8."
        ) from None
    if "\0" in text:
        raise BadInput(f"{path.name} is not text.", fix="Give a page in Markdown or HTML.")
    return text.replace("\r\n", "\n")
