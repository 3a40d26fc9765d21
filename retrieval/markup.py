"""An HTML page in, its title and its text as Markdown out, without what it runs, hides or leads elsewhere by."""

from __future__ import annotations

import re
from html.parser import HTMLParser

UNSEEN = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "object", "nav"})
VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
ENDED_BY_THE_NEXT = frozenset({"p", "li", "dt", "dd", "td", "th", "tr", "option"})
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "main",
        "header",
        "footer",
        "aside",
        "ul",
        "ol",
        "dl",
        "dt",
        "dd",
        "table",
        "blockquote",
        "figure",
        "figcaption",
        "form",
        "fieldset",
        "address",
        "details",
        "summary",
    ]
)
HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
INLINE = {"code": "`", "kbd": "`", "samp": "`", "strong": "**", "b": "**", "em": "*", "i": "*"}


def markdown_of(html: str) -> tuple[str, str]:
    """Title (empty when the page has none) and Markdown. Broken markup is read as browsers do.

    Of a page that names its main part, that part is taken.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    main = "".join(reader.out[reader.main])
    text = re.sub(r"[ \t]+\n", "\n", main if main.strip() else "".join(reader.out))
    return " ".join(reader.title.split()), re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.title = ""
        self.main = slice(0)  # which of `out` is the main part; empty until there is one
        self._unseen: list[str] = []  # open elements, from the one that is not shown on
        self._in_title = False
        self._in_code = 0
        self._lists: list[str] = []
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._unseen == [tag] and tag in ENDED_BY_THE_NEXT:
            self._unseen.clear()
        if self._unseen or tag in UNSEEN or _is_hidden(attrs):
            self._unseen += [] if tag in VOID else [tag]
        elif tag == "title":
            self._in_title = True
        elif tag == "main":
            self.main = slice(len(self.out), None)
        elif tag == "pre":
            self._in_code += 1
            self.out.append("\n\n```\n")
        elif not self._in_code:
            self._open(tag)
        elif tag == "br":
            self.out.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            while tag in self._unseen:
                if self._unseen.pop() == tag:
                    break
        elif tag == "title":
            self._in_title = False
        elif tag == "main":
            self.main = slice(self.main.start, len(self.out))
        elif tag == "pre" and self._in_code:
            self._in_code -= 1
            self.out.append("\n```\n\n")
        elif not self._in_code:
            self._close(tag)

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if self._in_title:
            self.title += data
        elif self._in_code:
            self.out.append(data)
        else:
            self.out.append(re.sub(r"\s+", " ", data))

    def _open(self, tag: str) -> None:
        if tag in HEADINGS:
            self.out.append(f"\n\n{HEADINGS[tag]} ")
        elif tag in INLINE:
            self.out.append(INLINE[tag])
        elif tag == "br":
            self.out.append("\n")
        elif tag == "hr":
            self.out.append("\n\n---\n\n")
        elif tag == "li":
            self.out.append("\n" + "  " * max(0, len(self._lists) - 1))
            self.out.append("1. " if self._lists and self._lists[-1] == "ol" else "- ")
        elif tag == "tr":
            self.out.append("\n|")
        elif tag in BLOCKS:
            self._break(tag)
            if tag in {"ul", "ol"}:
                self._lists.append(tag)
            self._cells = 0 if tag == "table" else self._cells

    def _close(self, tag: str) -> None:
        if tag in HEADINGS:
            self.out.append("\n\n")
        elif tag in INLINE:
            self.out.append(INLINE[tag])
        elif tag in {"td", "th"}:
            self.out.append(" |")
            self._cells += self._cells >= 0
        elif tag == "tr" and self._cells > 0:
            self.out.append("\n|" + " --- |" * self._cells)
            self._cells = -1  # the head is underlined once
        elif tag in BLOCKS:
            if tag in {"ul", "ol"} and self._lists:
                self._lists.pop()
            self._break(tag)

    def _break(self, tag: str) -> None:
        """A block inside a list item or a cell stays on its line."""
        inside = self._lists and tag in {"p", "div"}
        self.out.append(" " if inside else "\n\n")


def _is_hidden(attrs: list[tuple[str, str | None]]) -> bool:
    """What a reader does not see, a model should not read either: it may be there for models only."""
    told = dict(attrs)
    return "hidden" in told or bool(_HIDING.search(told.get("style") or ""))
