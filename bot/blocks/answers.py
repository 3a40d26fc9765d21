"""An answer in; what stands under its text in Slack out: sources, small print, thumbs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.blocks.text import (
    MARKDOWN,
    Block,
    actions,
    button,
    context,
    escaped,
    link,
    markdown,
    mention,
    opens,
    pieces,
    plain,
    quoted,
    section,
    shorten,
)
from lorekeeper.domain import BASE_NAME, Answer, Citation, Level

SOURCES = 20  # more are not listed
TITLE = 120  # characters of a source's title
PAGES = 4  # messages of one answer; Slack lets a command be answered five times


def footer(
    answer: Answer,
    *,
    people: Sequence[tuple[str, str]] = (),
    retry: str = "",
    share: bool = False,
) -> list[Block]:
    """Sources, what was degraded, who may know, by what it was made, what can be done, and the thumbs.

    `people` are names with the addresses of their profiles; `retry` names the question, where it can be
    asked again; `share` offers to show the answer to the channel.
    """
    return [
        *_sources(answer.citations),
        *_people(answer, people),
        context(*(text for text in (_note(answer), _made_by(answer)) if text)),
        *_buttons(answer, retry, share),
        thumbs(answer.id),
    ]


def thumbs(answer_id: str) -> Block:
    """Slack's own feedback buttons."""
    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "answer_thumb",
                "positive_button": _thumb("Helpful", f"up:{answer_id}"),
                "negative_button": _thumb("Not helpful", f"down:{answer_id}"),
            }
        ],
    }


def unanswered(what: str, retry: str) -> list[Block]:
    """Why there is no answer, and a button to try again."""
    return [section(what), actions(button("Try again", "answer_retry", retry, style="primary"))]


def only_for_you(answer: Answer, text: str, people: Sequence[tuple[str, str]]) -> list[list[Block]]:
    """An answer that only the asker sees, as messages; the last one has a button to share it where there
    is something to share."""
    is_worth_it = answer.level is not Level.UNKNOWN
    below = footer(answer, people=people, share=is_worth_it)
    return _messages([], text, below)


def shared(answer: Answer, text: str, by: str, below: list[Block]) -> list[list[Block]]:
    """What somebody asked privately and shows to everyone now, as messages."""
    asked = section(f"<@{by}> asked me, and shares the answer:\n{quoted(answer.question, 1500)}")
    return _messages([asked], text, below)


def _messages(above: list[Block], text: str, below: list[Block]) -> list[list[Block]]:
    """Slack takes so much Markdown in one message; what is longer goes on in the next."""
    parts = list(pieces(text))
    if len(parts) > PAGES:
        rest = "\n".join(parts[PAGES - 1 :])
        parts = [*parts[: PAGES - 1], shorten(rest, MARKDOWN)]
    told = [[markdown(part)] for part in parts]
    told[0] = [*above, *told[0]]
    told[-1] = [*told[-1], *below]
    return told


def handed_on(answer: Answer, by: str, experts: Sequence[str], url: str) -> list[Block]:
    """A question for people."""
    called = ", ".join(mention(one) for one in experts)
    where = (
        f" {link(url, 'Answer there')}; a good answer can be saved for the next time."
        if url
        else ""
    )
    return [
        section(f"{called}: <@{by}> asks, and I could not help well enough.{where}"),
        section(quoted(answer.question, 2000)),
    ]


def _sources(citations: tuple[Citation, ...]) -> list[Block]:
    """One line for each source. As rich text, a title is only text, whatever stands in it."""
    if not citations:
        return []
    lines: list[Block] = [{"type": "text", "text": "Sources", "style": {"bold": True}}]
    for citation in citations[:SOURCES]:
        lines.append({"type": "text", "text": f"\n[{citation.number}] "})
        lines.append(_opening(citation))
    section: Block = {"type": "rich_text_section", "elements": lines}
    return [{"type": "rich_text", "elements": [section]}]


def _opening(citation: Citation) -> Block:
    """What opens the source, or its title alone where Slack would not open its address."""
    title = shorten(" ".join(citation.title.split()) or "source", TITLE)
    if opens(citation.url):
        return {"type": "link", "url": citation.url, "text": title}
    return {"type": "text", "text": title}


def _people(answer: Answer, people: Sequence[tuple[str, str]]) -> list[Block]:
    if not people:
        return []
    named = ", ".join(link(url, name) for name, url in people)
    return [context(f"They answered similar questions: {named}")]


def _buttons(answer: Answer, retry: str, share: bool) -> list[Block]:
    """Share it, ask a person where the answer is not well founded, try again where a part was down."""
    offered = []
    if share:
        offered.append(button("Share here", "answer_share", answer.id))
    if answer.level in {Level.UNKNOWN, Level.PASSAGES} or answer.people:
        offered.append(button("Ask a human", "answer_human", answer.id))
    if retry and answer.level is Level.PASSAGES:
        offered.append(button("Try again", "answer_retry", retry))
    return [actions(*offered)] if offered else []


def _note(answer: Answer) -> str:
    return f":information_source: {escaped(answer.note, 600)}" if answer.note else ""


def _made_by(answer: Answer) -> str:
    match answer.level:
        case Level.PASSAGES:
            return "Quoted from what was found; no model wrote this."
        case Level.UNKNOWN:
            return "Nothing was found that answers this."
        case _:
            model = "the base model" if answer.model == BASE_NAME else f"adapter {answer.model}"
            return f"Written by {escaped(model, 80)}. It can be wrong: check the sources."


def _thumb(label: str, value: str) -> Block:
    return {
        "text": plain(label, 75),
        "accessibility_label": label,
        "value": value,
    }
