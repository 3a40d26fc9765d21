"""A pair, an answer or nothing yet in; the modal that a person fills in out, and what they wrote read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.alike import Alike
from bot.blocks import pairs
from bot.blocks.text import (
    OPTION,
    Block,
    actions,
    button,
    context,
    option,
    plain,
    section,
    shorten,
)
from lorekeeper.domain import Answer, Message, Pair

LONGEST = 3000  # characters that an input takes; a longer text is shown in several
CONTINUED = "__"  # between an input's name and the number of its part
CHOICES = 100  # options that a menu takes


def loading(title: str) -> Block:
    """Something to show at once: Slack wants a modal within three seconds."""
    return modal(title, [section("One moment…")])


def edit_pair(pair: Pair, *, approving: bool = False) -> Block:
    """Change the wording of a stored pair."""
    return modal(
        "Edit the pair",
        [
            *_long_input("question", "Question", pair.question),
            *_long_input("answer", "Answer", pair.answer),
            _tags(", ".join(pair.tags)),
            context("Approve it in the queue afterwards." if approving else "It stays in review."),
        ],
        callback="edit_pair",
        submit="Save",
        about={"pair": pair.id},
    )


def save_pair(
    *,
    channel: str,
    ts: str,
    origin: str,
    question: str,
    answer: str,
    parts: Sequence[str],
    choices: Sequence[Message],
    tags: str = "",
    found: str | None = None,
) -> Block:
    """Save an answer, with the question as it was `found` or as the person words it.

    `choices` are the messages that the answer may be joined from, `parts` the `ts` of those that it is.
    """
    told = "-".join(
        parts
    )  # another choice is another field, or Slack would keep the old text in it
    return modal(
        "Save as Q&A",
        [
            *_long_input(
                "question", "Question", question, hint="What should somebody ask to get this?"
            ),
            *_joining(parts, choices),
            *_long_input("answer", "Answer", answer, block_id=f"answer:{told}"[:200]),
            _tags(tags),
        ],
        callback="save_pair",
        submit="Save",
        about={
            "channel": channel,
            "ts": ts,
            "origin": origin,
            "question": _mark(question if found is None else found),
            "answer": _mark(answer),
        },
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
    return modal(
        "Reject the pair",
        [text_input("reason", "Why?", "", hint="The person who saved it is told.", optional=True)],
        callback="reject_pair",
        submit="Reject",
        about={"pair": pair.id},
    )


def correct_answer(answer: Answer) -> Block:
    """What was wrong, and what would have been right."""
    return modal(
        "What was wrong?",
        [
            text_input("reason", "Reason", "", many_lines=False, optional=True),
            *_long_input("question", "Question", answer.question),
            *_long_input(
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
    return modal(title, blocks)


def show_pair(pair: Pair, alike: Sequence[Alike]) -> Block:
    """A pair's card, with its buttons."""
    return modal(pairs.title(pair), pairs.card(pair, alike), about={"pair": pair.id})


def about(view: Mapping[str, Any]) -> dict[str, Any]:
    """What the modal is about, as it was said when it was opened."""
    kept: dict[str, Any] = json.loads(view.get("private_metadata") or "{}")
    return kept


def filled(view: Mapping[str, Any]) -> dict[str, str]:
    """What the person wrote, by the name of the input; "" where nothing was."""
    written: dict[str, str] = {}
    for fields in view["state"]["values"].values():
        for action_id, element in fields.items():
            name = action_id.partition(CONTINUED)[0]
            written[name] = written.get(name, "") + (element.get("value") or "")
    return {name: text.strip() for name, text in written.items()}


def chosen(view: Mapping[str, Any]) -> tuple[str, ...]:
    """The `ts` of the messages that the person chose for the answer."""
    for fields in view["state"]["values"].values():
        if "pair_join" in fields:
            return tuple(option["value"] for option in fields["pair_join"]["selected_options"])
    return ()


def was_changed(view: Mapping[str, Any], answer: str) -> bool:
    """Whether the answer differs from the one that the modal was opened with."""
    return _mark(answer) != about(view).get("answer")


def was_asked_anew(view: Mapping[str, Any], question: str) -> bool:
    """Whether the question differs from the one that was found."""
    return _mark(question) != about(view).get("question")


def _mark(text: str) -> int:
    """Enough to see that a text was changed, where there is no room for the text."""
    return sum((place + 1) * ord(character) for place, character in enumerate(text.strip()))


def modal(
    title: str,
    blocks: list[Block],
    *,
    callback: str | None = None,
    submit: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> Block:
    """A modal; with a callback, one that is submitted."""
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


def _joining(parts: Sequence[str], choices: Sequence[Message]) -> list[Block]:
    """A menu of the conversation's messages, where there is more than the one."""
    options = {message.ts: option(_line(message), message.ts) for message in choices[-CHOICES:]}
    selected = [options[ts] for ts in parts if ts in options]
    if len(options) < 2 or not selected:
        return []
    menu: Block = {
        "type": "multi_static_select",
        "action_id": "pair_join",
        "placeholder": plain("Messages", 150),
        "options": list(options.values()),
        "initial_options": selected,
    }
    told = section("*The answer is made of these messages.* Choose more, and they are joined.")
    return [told | {"block_id": f"join:{'-'.join(parts)}"[:255], "accessory": menu}]


def _line(message: Message) -> str:
    return shorten(" ".join(message.text.split()), OPTION)


def _tags(value: str) -> Block:
    return text_input(
        "tags", "Tags", value, many_lines=False, optional=True, hint="With commas between them."
    )


def _long_input(
    name: str,
    label: str,
    text: str,
    *,
    hint: str = "",
    optional: bool = False,
    block_id: str = "",
) -> list[Block]:
    """As many inputs as the text needs: none of it may be lost because Slack's inputs are short."""
    parts = [text[at : at + LONGEST] for at in range(0, len(text), LONGEST)] or [""]
    return [
        text_input(
            f"{name}{CONTINUED}{number}" if number else name,
            f"{label}, continued" if number else label,
            part,
            hint=hint if not number else "",
            optional=optional or bool(number),
            block_id=(f"{block_id or name}{CONTINUED}{number}" if number else block_id)[-255:],
        )
        for number, part in enumerate(parts)
    ]


def text_input(
    name: str,
    label: str,
    value: str,
    *,
    hint: str = "",
    many_lines: bool = True,
    optional: bool = False,
    block_id: str = "",
    longest: int = LONGEST,
) -> Block:
    """A field to write in."""
    element: Block = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": many_lines,
        "max_length": longest,
    }
    if value:
        element["initial_value"] = value
    block: Block = {
        "type": "input",
        "block_id": block_id or name,
        "label": plain(label, 200),
        "element": element,
        "optional": optional,
    }
    return block | ({"hint": plain(hint, 200)} if hint else {})
