"""A Markdown document or a conversation in, passages' texts out: whole blocks, none over the limit, nothing lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

Fits = Callable[[str], bool]

# A tokenizer may read a megabyte without a space as one unknown word; what reads the passage may not.
CHARACTERS_PER_TOKEN = 12
GAPS = (r"(?<=\n\n)", r"(?<=\n)", r"(?<=[.!?]\s)", r"(?<=\s)")
CODE_GAPS = (
    r"(?<=\n\n)(?=\S)",
    *GAPS,
)  # first between what stands at the margin: functions, classes
STEP = " › "  # between the headings of a path


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One passage-to-be: its own part of the text, and where in the whole it stands."""

    path: tuple[str, ...]  # headings, outermost first
    body: str
    anchor: str = ""  # of the nearest heading, as GitHub would name it
    part: int = 0  # its place in its section

    @property
    def lead(self) -> int:
        """Characters of the text that every part of the section begins with."""
        return len(self.text) - len(self.body)

    @property
    def title(self) -> str:
        return STEP.join(self.path)

    @property
    def text(self) -> str:
        """What is embedded and quoted: the heading path, then the body."""
        return (
            f"{self.title}\n\n{self.body}" if self.title and self.body else self.title or self.body
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one person said; `key` comes back with the chunk that quotes it."""

    key: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A part of a conversation: the question again, then some of what was said to it."""

    text: str
    keys: tuple[str, ...]  # the turns that it quotes, the question's not among them
    lead: int = 0  # characters of the text that repeat the question


def document(markdown: str, *, title: str, limit: int, count: Callable[[str], int]) -> list[Chunk]:
    """Cut by heading path. A code block or a table is cut only when it alone exceeds the limit.

    `limit` is in the tokens that `count` counts, the heading path included. A path that would
    take more than half of it is shortened from the left; what is left out of it leads the body.
    """
    found: list[Chunk] = []
    for section in _sections(markdown, title):
        path, lead = _affordable(section, limit, count)
        fits = _within(limit, count, opening=Chunk(path=path, body="x").text[:-1])
        blocks = ([lead] if lead else []) + section.blocks
        found += [
            Chunk(path=path, body=body, anchor=section.anchor, part=part)
            for part, body in enumerate(_packed(blocks, fits))
        ]
        if not blocks and not section.has_children:
            found.append(Chunk(path=path, body="", anchor=section.anchor))
    return found


def conversation(
    question: str, turns: Sequence[Turn], *, limit: int, count: Callable[[str], int]
) -> list[Talk]:
    """Cut between turns, with the question repeated at the top of every part.

    A question that alone takes more than half of the limit is shortened where it is repeated, and
    stands whole, in parts, at the beginning.
    """
    shown = _shortened(question, _within(limit // 2, count))
    found = [
        Talk(text=part, keys=())
        for part in (pieces(question, _within(limit, count)) if shown != question else [])
    ]
    opening = f"{shown}\n\n" if shown else ""
    fits = _within(limit, count, opening=opening)
    parts = ((turn.key, part) for turn in turns for part in _packed(_blocks(turn.text), fits))
    for keys, body in _gathered(parts, fits):
        found.append(Talk(text=opening + body, keys=keys, lead=len(opening)))
    if not found and shown:
        found.append(Talk(text=shown, keys=()))
    return found


def pieces(text: str, fits: Fits, gaps: tuple[str, ...] = GAPS) -> list[str]:
    """Cut at the widest gap that will do: paragraph, line, sentence, word, at last anywhere.

    The pieces joined are the text, to the letter. Each fits, unless a single character does not.
    """
    if fits(text) or len(text) == 1:
        return [text]
    for gap in gaps:
        units = [unit for unit in re.split(gap, text) if unit]
        if len(units) > 1:
            return list(_joined(units, fits, gaps))
    middle = len(text) // 2
    return pieces(text[:middle], fits, gaps) + pieces(text[middle:], fits, gaps)


def _joined(units: list[str], fits: Fits, gaps: tuple[str, ...]) -> Iterator[str]:
    """As many neighbours together as fit; one that alone does not fit, in pieces."""
    at = 0
    while at < len(units):
        together = _most(units, at, fits)
        if not together and len(units[at]) > 1:
            *done, units[at] = pieces(units[at], fits, gaps)
            yield from done
            continue
        together = max(together, 1)
        yield "".join(units[at : at + together])
        at += together


def _most(units: list[str], at: int, fits: Fits) -> int:
    """How many units from here on fit together: by doubling, then halving, so that few are counted."""

    def fit(count: int) -> bool:
        return at + count <= len(units) and fits("".join(units[at : at + count]))

    most, step = 0, 1
    while fit(most + step):
        most, step = most + step, step * 2
    while step > 1:
        step //= 2
        most += step if fit(most + step) else 0
    return most


@dataclass(slots=True)
class _Section:
    path: tuple[str, ...]
    anchor: str = ""
    blocks: list[str] = field(default_factory=list)
    has_children: bool = False


def _sections(markdown: str, title: str) -> list[_Section]:
    """The text below each heading, as blocks; the document's title is the root of every path."""
    lines = markdown.splitlines(keepends=True)
    current = _Section((title,) if title else ())
    found, open_levels, anchors = [current], list[tuple[int, _Section]](), dict[str, int]()
    for token in _top_level(markdown):
        if token.map is None:
            continue
        block = "".join(lines[slice(*token.map)])
        if token.type != "heading_open":
            current.blocks.append(block.strip("\n"))
            continue
        level, name = int(token.tag[1]), _heading(block)
        open_levels = [(above, section) for above, section in open_levels if above < level]
        parent = open_levels[-1][1] if open_levels else found[0]
        parent.has_children = True
        is_title = parent is found[0] and same(name, title)
        path = (_both(title, name),) if is_title else (*parent.path, name)
        current = _Section(path, _anchor(name, anchors))
        open_levels.append((level, current))
        found.append(current)
    return found if any(section.blocks for section in found) or len(found) > 1 else []


def _top_level(markdown: str) -> Iterator[Token]:
    """Outermost blocks in order. Link definitions make no token: they are put back as text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    after = 0
    lines = markdown.splitlines(keepends=True)
    for token in [token for token in tokens if token.level == 0 and token.nesting >= 0]:
        if token.map is None:
            continue
        start, end = token.map
        yield from _between(lines, after, start)
        yield token
        after = max(after, end)
    yield from _between(lines, after, len(lines))


def _between(lines: list[str], start: int, end: int) -> Iterator[Token]:
    if "".join(lines[start:end]).strip():
        yield Token("unclaimed", "", 0, map=[start, end])


def _heading(block: str) -> str:
    """`## Meaning ##`, or a line underlined with = or -, without its marks."""
    text = re.sub(r"\n[ \t]{0,3}(=+|-+)[ \t]*\n*$", "", block.strip("\n"))
    return " ".join(re.sub(r"^[ \t]{0,3}#{1,6}(?=\s|$)|\s#+[ \t]*$", "", text).split())


def _anchor(name: str, seen: dict[str, int]) -> str:
    """GitHub's rule: lower case, no punctuation, hyphens for spaces, -1 for the second of a name."""
    slug = re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")
    seen[slug] = seen.get(slug, -1) + 1
    return f"{slug}-{seen[slug]}" if seen[slug] else slug


def same(one: str, other: str) -> bool:
    """Whether two titles differ in spaces and case at most."""
    return re.sub(r"\W", "", one).casefold() == re.sub(r"\W", "", other).casefold()


def _both(title: str, heading: str) -> str:
    """ "Node RAID Degraded (NodeRAIDDegraded)": people search for either."""
    return heading if heading.casefold() == title.casefold() else f"{title} ({heading})"


def _affordable(
    section: _Section, limit: int, count: Callable[[str], int]
) -> tuple[tuple[str, ...], str]:
    """As much of the path, from its end, as leaves half of the limit; and what must go into the body."""
    fits = _within(limit // 2, count)
    for start in range(len(section.path)):
        if fits(STEP.join(section.path[start:])):
            return section.path[start:], STEP.join(section.path[:start])
    return (), STEP.join(section.path)


def _packed(blocks: list[str], fits: Fits) -> Iterator[str]:
    """Neighbouring blocks together as far as they fit; one that alone does not fit, in parts."""
    current = ""
    for block in blocks:
        together = f"{current}\n\n{block}" if current else block
        if fits(together):
            current = together
            continue
        if current:
            yield current
        *done, current = [block] if fits(block) else _cut(block, fits) or [""]
        yield from done
    if current.strip():
        yield current


def _cut(block: str, fits: Fits) -> list[str]:
    """Code between functions, else lines, each part fenced again; a table by rows, each part with its
    head; else prose."""
    lines = block.split("\n")
    fence = re.match(r"[ \t]*(`{3,}|~{3,})", lines[0])
    if fence and len(lines) > 1:
        closed = lines[-1].strip().startswith(fence[1]) and not lines[-1].strip(" \t`~")
        inner = lines[1:-1] if closed else lines[1:]
        return _framed(lines[0] + "\n", "\n".join(inner), "\n" + fence[1], fits, CODE_GAPS)
    if len(lines) > 2 and re.fullmatch(r"[ \t|:\-]*-[ \t|:\-]*", lines[1]) and "|" in block:
        head = "\n".join(lines[:2]) + "\n"
        return _framed(head, "\n".join(lines[2:]), "", fits, GAPS)
    return [part.strip("\n") for part in pieces(block, fits) if part.strip()]


def _framed(opening: str, inner: str, closing: str, fits: Fits, gaps: tuple[str, ...]) -> list[str]:
    if not inner.strip() or not fits(f"{opening}x{closing}"):  # text like any other
        whole = f"{opening}{inner}{closing}"
        return [part.strip("\n") for part in pieces(whole, fits) if part.strip()]
    parts = pieces(inner, lambda part: fits(f"{opening}{part}{closing}"), gaps)
    return [f"{opening}{part.strip(chr(10))}{closing}" for part in parts if part.strip()]


def _blocks(markdown: str) -> list[str]:
    lines = markdown.splitlines(keepends=True)
    spans = [token.map for token in _top_level(markdown) if token.map]
    return ["".join(lines[slice(*span)]).strip("\n") for span in spans]


def _gathered(
    parts: Iterable[tuple[str, str]], fits: Fits
) -> Iterator[tuple[tuple[str, ...], str]]:
    keys, body = tuple[str, ...](), ""
    for key, part in parts:
        together = f"{body}\n\n{part}" if body else part
        if body and not fits(together):
            yield keys, body
            keys, together = (), part
        keys, body = (keys if key in keys else (*keys, key)), together
    if body:
        yield keys, body


def _shortened(text: str, fits: Fits) -> str:
    if fits(text):
        return text
    return pieces(text, lambda part: fits(f"{part}…"))[0].strip() + "…"


def _within(limit: int, count: Callable[[str], int], *, opening: str = "") -> Fits:
    longest = limit * CHARACTERS_PER_TOKEN

    def fits(text: str) -> bool:
        whole = opening + text
        return len(whole) <= longest and count(whole) <= limit

    return fits
