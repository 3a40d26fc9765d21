"""How a channel wants to be answered in; the form to change it, or a few lines that say it, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.blocks.modals import about, modal, text_input
from bot.blocks.text import Block, context, escaped, mention, option, plain, section
from lorekeeper.domain import BASE_NAME, PassageKind, Ways

CURRENT = "current"  # Slack takes no empty value
INSTRUCTIONS = 500  # characters; they stand before every question there
LANGUAGE = 40
OPTIONS = 100

_KINDS = {
    PassageKind.PAIR: "Reviewed answers",
    PassageKind.THREAD: "What was said in Slack",
    PassageKind.FILE: "Files and canvases shared in Slack",
    PassageKind.DOCUMENT: "Documents",
}
_SWITCHES = {
    "answers": "Answer questions here",
    "unmentioned": "Also questions that do not mention me, where I know the answer",
}


def modal_of(channel: str, chosen: Ways, adapters: Sequence[str]) -> Block:
    """The form, filled with what holds now."""
    on = [name for name in _SWITCHES if getattr(chosen, name)]
    names = [CURRENT, BASE_NAME, *dict.fromkeys(adapters)][:OPTIONS]
    return modal(
        "How I answer here",
        [
            _boxes("switches", "Where", _SWITCHES, on),
            _boxes("sources", "From which sources", {k.value: t for k, t in _KINDS.items()}, chosen.sources),
            text_input(
                "instructions", "Tone and instructions", chosen.instructions, optional=True,
                hint="Such as: short, with the command first.", longest=INSTRUCTIONS,
            ),
            text_input(
                "language", "Language", chosen.language, optional=True, many_lines=False,
                hint="Empty: the language of the question, as far as the model knows it.", longest=LANGUAGE,
            ),
            _menu("adapter", "Which adapter answers", names, chosen.adapter or CURRENT),
            _people("experts", "Whom “Ask a human” tags", chosen.experts),
            context("Empty: those who answered similar questions."),
        ],
        callback="channel_ways",
        submit="Save",
        about={"channel": channel},
    )  # fmt: skip


def read(view: Mapping[str, Any]) -> tuple[str, Ways]:
    """The channel, and what the person chose."""
    state = {
        name: one for fields in view["state"]["values"].values() for name, one in fields.items()
    }

    def boxes(name: str) -> list[str]:
        return [one["value"] for one in state[name].get("selected_options") or ()]

    def text(name: str) -> str:
        return (state[name].get("value") or "").strip()

    adapter = str((state["adapter"].get("selected_option") or {}).get("value", CURRENT))
    switches = boxes("switches")
    return str(about(view)["channel"]), Ways(
        answers="answers" in switches,
        unmentioned="unmentioned" in switches,
        sources=tuple(PassageKind(one) for one in boxes("sources")),
        instructions=" ".join(text("instructions").split()),
        language=" ".join(text("language").split()),
        adapter="" if adapter == CURRENT else adapter,
        experts=tuple(state["experts"].get("selected_users") or ()),
    )


def told(chosen: Ways, *, new: bool = False) -> list[Block]:
    """What holds in a channel, in words."""
    if not chosen.answers:
        return [section("*I do not answer in this channel.* `/lore ask` still answers you alone.")]
    who = (
        "who mentions me, and questions that I know an answer to"
        if chosen.unmentioned
        else "who mentions me"
    )
    lines = [
        f"*{'From now on' if new else 'Here'}* I answer {who}.",
        f"• Sources: {', '.join(_KINDS[kind].lower() for kind in chosen.sources)}",
        f"• Adapter: `{escaped(chosen.adapter, 60)}`"
        if chosen.adapter
        else "• Adapter: the current one",
    ]
    if chosen.style:
        lines.append(f"• I am told: {escaped(chosen.style, 700)}")
    if chosen.experts:
        lines.append(f"• “Ask a human” tags {', '.join(map(mention, chosen.experts))}")
    return [section("\n".join(lines))]


def _boxes(name: str, label: str, choices: Mapping[str, str], on: Sequence[str]) -> Block:
    options = {value: option(text, value) for value, text in choices.items()}
    element: Block = {"type": "checkboxes", "action_id": name, "options": list(options.values())}
    if on:
        element["initial_options"] = [options[value] for value in on]
    return {"type": "input", "label": plain(label, 200), "element": element, "optional": True}


def _menu(name: str, label: str, values: Sequence[str], chosen: str) -> Block:
    options = {value: option(value, value) for value in values}
    element: Block = {"type": "static_select", "action_id": name, "options": list(options.values())}
    element["initial_option"] = options.get(chosen, options[CURRENT])
    return {"type": "input", "label": plain(label, 200), "element": element}


def _people(name: str, label: str, chosen: Sequence[str]) -> Block:
    element: Block = {
        "type": "multi_users_select",
        "action_id": name,
        "placeholder": plain("People", 150),
    }
    if chosen:
        element["initial_users"] = [one for one in chosen if not one.startswith("S")]
    return {"type": "input", "label": plain(label, 200), "element": element, "optional": True}
