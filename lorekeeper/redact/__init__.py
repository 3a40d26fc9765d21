"""Text from chat in; the same text with secrets and personal data as typed placeholders, out.

A rule is asked only where one of its hints stands in the text, and each pattern either looks a
bounded distance from where it began or consumes what it saw: matching takes linear time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lorekeeper.redact.credentials import SECRETS
from lorekeeper.redact.personal import PERSON, PERSONAL
from lorekeeper.redact.rule import Rule

PLACEHOLDER = re.compile(r"\[(?:secret|email|phone|card|ip|person) \d+\]")
# What no rule looks into: public keys and certificates are full of what looks like secrets.
_CLOSED = re.compile(
    rf"({PLACEHOLDER.pattern}"
    r"|-----BEGIN (?:CERTIFICATE|(?:[A-Z0-9]{2,8} )?PUBLIC KEY(?: BLOCK)?)-----"
    r"[A-Za-z0-9+/=\s\\]*+-----END [A-Z0-9 ]{1,30}-----)"
)
_NAME_LENGTH = 40  # characters of a name that a value may end in
_PASSES = 8  # what is removed may lay something else bare; a second pass is rare, a third unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """The text that may be stored, and the kinds of what was removed, one entry each."""

    text: str
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class Placeholders:
    """What stands for what; shared by a thread, so that the same person is the same placeholder."""

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def name(self, kind: str, value: str) -> str:
        key = kind, value
        if key not in self.names:
            self.counts[kind] += 1
            self.names[key] = f"[{kind} {self.counts[kind]}]"
        return self.names[key]


def redact(text: str, known: Placeholders | None = None, *, people: bool = True) -> Redacted:
    """Replace secrets, e-mail addresses, phone and card numbers, addresses of hosts, and people.

    `people=False` keeps mentions (`<@U…>`, ids without a name), which say who answers whom.
    """
    known = known if known is not None else Placeholders()
    kinds: list[str] = []

    def replace(kind: str, value: str) -> str:
        kinds.append(kind)
        return known.name(kind, value)

    rules = (*SECRETS, *PERSONAL, PERSON) if people else (*SECRETS, *PERSONAL)
    return Redacted(text=_without(text, rules, replace), kinds=tuple(kinds))


def secrets(text: str) -> str:
    """The text without secrets, for logs."""
    return _without(text, SECRETS, lambda kind, value: "[secret]")


Replace = Callable[[str, str], str]


def _without(text: str, rules: tuple[Rule, ...], replace: Replace) -> str:
    """The same again until nothing is found, so that redacting what was redacted changes nothing."""
    for _ in range(_PASSES):
        lower = text.lower()
        asked = [rule for rule in rules if any(hint in lower for hint in rule.hints)]
        pieces = _CLOSED.split(text) if "[" in text or "-----" in text else [text]
        for rule in asked:
            pieces = _cut(pieces, rule, replace)
        before, text = text, "".join(pieces)
        if text == before:
            break
    return text


def _cut(pieces: list[str], rule: Rule, replace: Replace) -> list[str]:
    """Pieces in, every second one closed; the same, with what the rule found closed as well, out."""
    cut: list[str] = []
    for number, piece in enumerate(pieces):
        at = 0
        if number % 2 == 0:
            for start, end, value in _found(piece, rule):
                cut += [piece[at:start], replace(rule.kind, value)]
                at = end
        cut.append(piece[at:])
    return cut


def _found(text: str, rule: Rule) -> Iterator[tuple[int, int, str]]:
    group = "value" if "value" in rule.pattern.groupindex else 0
    found = rule.pattern.search(text)
    while found:
        value = rule.value(found)
        space = -1 if value or rule.kind != "phone" else found.group(group).rfind(" ")
        if space > 0 and (shorter := _up_to(found, found.start(group) + space)):
            found = shorter
            continue
        if value:
            yield *found.span(group), value
        # A value that is none may end in the name of the next: `password: token: …`.
        refused = max(found.start() + 1, found.start(group), found.end() - _NAME_LENGTH)
        found = rule.pattern.search(text, found.end(group) if value else refused)


def _up_to(found: re.Match[str], end: int) -> re.Match[str] | None:
    """Found again without its last group: `+44 20 7946 0958 10 am` is a number and a time."""
    return found.re.match(found.string, found.start(), end)
