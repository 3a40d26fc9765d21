"""An answer in; what stands under its text in Slack out: sources, small print, thumbs."""

from __future__ import annotations

from bot.blocks.text import (
    MARKDOWN,
    Block,
    actions,
    button,
    context,
    escaped,
    markdown,
    opens,
    plain,
    section,
    shorten,
)
from lorekeeper.domain import BASE_NAME, Answer, Citation, Level

SOURCES = 20  # more are not listed
TITLE = 120  # characters of a source's title


def footer(answer: Answer) -> list[Block]:
    """Sources, what was degraded, who may know, by what it was made, and the thumbs."""
    return [
        *_sources(answer.citations),
        *_people(answer),
        context(*(text for text in (_note(answer), _made_by(answer)) if text)),
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


def only_for_you(answer: Answer) -> list[Block]:
    """An answer that only the asker sees."""
    return [markdown(shorten(answer.text, MARKDOWN // 2)), *footer(answer)]


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


def _people(answer: Answer) -> list[Block]:
    if answer.level is not Level.UNKNOWN or not answer.people:
        return []
    people = ", ".join(f"<@{person}>" for person in answer.people[:3] if person.isalnum())
    return [context(f"They answered similar questions: {people}")] if people else []


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
