"""Python's own language reference, as the interpreter carries it, in; Markdown topics with their page out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SITE = "https://docs.python.org/3"

# Which page of the documentation explains which topics; a topic's name is its anchor there.
PAGES = {
    "reference/simple_stmts.html": "assert assignment augassign break continue del exprlists global"
    " import nonlocal pass raise return",
    "reference/compound_stmts.html": "async class compound else for function if try while with",
    "reference/expressions.html": "atom-identifiers atom-literals attribute-references await binary"
    " bitwise booleans calls comparisons conversions dict in lambda lists operator-summary power"
    " shifting slicings subscriptions unary yield",
    "reference/lexical_analysis.html": "floating id-classes identifiers imaginary integers numbers"
    " strings",
    "reference/datamodel.html": "attribute-access callable-types context-managers customization"
    " numeric-types objects sequence-types specialnames types",
    "reference/executionmodel.html": "dynamic-features exceptions execmodel naming",
    "library/stdtypes.html": "bltin-code-objects bltin-ellipsis-object bltin-null-object"
    " bltin-type-objects specialattrs string-methods truth typesfunctions typesmapping"
    " typesmethods typesmodules typesseq typesseq-mutable",
    "library/string.html": "formatstrings",
    "library/pdb.html": "debugger",
}
UNDERLINES = "*=-~^"  # of the first, second, … level
_CODE = re.compile(
    r"\s*(>>>|\.\.\.|@|#|(def|class|import|from|for|if|while|with|async|try|print|raise|return|del|"
    r"assert|lambda|match|case)\b|[\w.\[\], ]+ [-+*/|&^%@]?= |\w+ *::=|\w+: +[\"(\[]|\$ |\(Pdb\))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    title: str
    text: str
    url: str


def topics() -> Iterator[Topic]:
    """About 80 topics, in alphabetical order, of the Python that runs this."""
    from pydoc_data.topics import topics as texts

    for name in sorted(texts):
        text = _markdown(texts[name])
        heading = re.match(r"\s*#+ (.+)", text)
        yield Topic(title=heading[1] if heading else name, text=text, url=url(name))


def url(topic: str) -> str:
    """The topic in the online documentation; its search, for a topic that is new to this table."""
    for page, names in PAGES.items():
        if topic in names.split():
            return f"{SITE}/{page}#{topic}"
    return f"{SITE}/search.html?q={topic}"


def _markdown(text: str) -> str:
    """Underlined headings get their marks, indented code its fences, terms their code marks."""
    text = re.sub(
        r"^(\S.*)\n([*=\-~^])\2{2,}$",
        lambda found: f"{'#' * (UNDERLINES.index(found[2]) + 1)} {found[1]}",
        text,
        flags=re.MULTILINE,
    )
    return "\n\n".join(_fenced(block) for block in _blocks(text)) + "\n"


def _blocks(text: str) -> list[str]:
    """Paragraphs; indented code goes on through empty lines."""
    found = list[str]()
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        goes_on = found and _is_code(found[-1]) and _indent(block) >= _indent(found[-1])
        if goes_on and (_is_code(block) or _indent(block) > _indent(found[-1])):
            found[-1] += "\n\n" + block
        else:
            found.append(block)
    return found


def _fenced(block: str) -> str:
    if not _is_code(block):
        return block
    margin = _indent(block)
    lines = [line[margin:] if not line[:margin].strip() else line for line in block.split("\n")]
    return "```\n" + "\n".join(lines) + "\n```"


def _is_code(block: str) -> bool:
    return _indent(block) >= 3 and bool(_CODE.match(block))


def _indent(block: str) -> int:
    return len(block) - len(block.lstrip(" "))
