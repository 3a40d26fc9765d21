"""A pair, an answer or nothing yet in; the modal that a person fills in out, and what they wrote read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.blocks.text import Block, actions, button, context, plain, section
from lorekeeper.domain import Answer, Pair

LONGEST = 3000  # characters that an input takes


def loading(title: str) -> Block:
    """Something to show at once: Slack wants a modal within three seconds."""
    return _modal(title, [section("One moment…")])


def edit_pair(pair: Pair, *, approving: bool = False) -> Block:
    """Change the wording of a stored pair."""
    return _modal(
        "Edit the pair",
        [
            _input("question", "Question", pair.question),
            _input("answer", "Answer", pair.answer),
            _input("tags", "Tags", ", ".join(pair.tags), many_lines=False, optional=True),
            context("Approve it in the queue afterwards." if approving else "It stays in review."),
        ],
        callback="edit_pair",
        submit="Save",
        about={"pair": pair.id},
    )


def save_pair(*, channel: str, ts: str, origin: str, question: str, answer: str) -> Block:
    """Save an answer, with the question as it was found or as the person words it."""
    return _modal(
        "Save as Q&A",
        [
            _input("question", "Question", question, hint="What should somebody ask to get this?"),
            _input("answer", "Answer", answer),
        ],
        callback="save_pair",
        submit="Save",
        about={"channel": channel, "ts": ts, "origin": origin, "answer": _mark(answer)},
    )


def offer_to_word(what: str, channel: str, ts: str, origin: str) -> list[Block]:
    """No question was found: a button that opens the modal."""
    return [
        section(what),
        actions(
            button("Word the question", "pair_word", f"{channel}:{ts}:{origin}", style="primary")
        ),
    ]


def reject_pair(pair: Pair) -> Block:
    return _modal(
        "Reject the pair",
        [_input("reason", "Why?", "", hint="The person who saved it is told.", optional=True)],
        callback="reject_pair",
        submit="Reject",
        about={"pair": pair.id},
    )


def correct_answer(answer: Answer) -> Block:
    """What was wrong, and what would have been right."""
    return _modal(
        "What was wrong?",
        [
            _input("reason", "Reason", "", many_lines=False, optional=True),
            _input("question", "Question", answer.question),
            _input(
                "answer",
                "Better answer",
                answer.text,
                hint="Leave it as it is if you only want to say that it was wrong.",
                optional=True,
            ),
            context("Reviewers read a better answer; once approved, everyone may get it."),
        ],
        callback="correct_answer",
        submit="Send",
        about={"answer": answer.id, "channel": answer.channel},
    )


def show(title: str, blocks: list[Block]) -> Block:
    """Only to be read."""
    return _modal(title, blocks)


def about(view: Mapping[str, Any]) -> dict[str, Any]:
    """What the modal is about, as it was said when it was opened."""
    kept: dict[str, Any] = json.loads(view.get("private_metadata") or "{}")
    return kept


def filled(view: Mapping[str, Any]) -> dict[str, str]:
    """What the person wrote, by the name of the input; "" where nothing was."""
    values = view["state"]["values"]
    return {
        name: (element.get("value") or "").strip()
        for fields in values.values()
        for name, element in fields.items()
    }


def was_changed(view: Mapping[str, Any], answer: str) -> bool:
    """Whether the answer differs from the one that the modal was opened with."""
    return _mark(answer) != about(view).get("answer")


def _mark(text: str) -> int:
    """Enough to see that a text was changed, where there is no room for the text."""
    return sum((place + 1) * ord(character) for place, character in enumerate(text.strip()))


def _modal(
    title: str,
    blocks: list[Block],
    *,
    callback: str | None = None,
    submit: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> Block:
    view: Block = {
        "type": "modal",
        "title": plain(title, 24),
        "close": plain("Cancel" if submit else "Close", 24),
        "blocks": blocks,
        "private_metadata": json.dumps(about or {}),
    }
    if callback and submit:
        view |= {"callback_id": callback, "submit": plain(submit, 24)}
    return view


def _input(
    name: str,
    label: str,
    value: str,
    *,
    hint: str = "",
    many_lines: bool = True,
    optional: bool = False,
) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": many_lines,
        "max_length": LONGEST,
    }
    if value:
        element["initial_value"] = value[:LONGEST]
    block: Block = {
        "type": "input",
        "block_id": name,
        "label": plain(label, 200),
        "element": element,
        "optional": optional,
    }
    return block | ({"hint": plain(hint, 200)} if hint else {})
