"""`/lore channel` in; how the bot answers there shown, or changed by who may, out."""

from __future__ import annotations

from bot.access import Right
from bot.blocks import ways as shown
from bot.desk import Desk, Json
from bot.tell import respond, whisper
from lorekeeper.domain import BASE_NAME, Adapter, AdapterKind, Ways
from lorekeeper.errors import BadInput
from lorekeeper.store import adapters, reading, ways


def open_modal(desk: Desk, body: Json) -> None:
    """Who may change it gets a form; everyone else reads how it is."""
    channel, by = body["channel_id"], body["user_id"]
    with reading(desk.engine) as db:
        chosen = ways.of(db, channel)
        made = [one.name for one in adapters.all(db) if one.kind is AdapterKind.ADAPTER]
    if desk.access.may(by, Right.CONFIGURE, channel):
        view = shown.modal_of(channel, chosen, made)
        desk.client.views_open(trigger_id=body["trigger_id"], view=view)
    else:
        respond(body, "How I answer here", shown.told(chosen))


def save(desk: Desk, channel: str, chosen: Ways, *, by: str) -> None:
    """From the next question on.

    Raises:
        NotAllowed: by somebody who may not change it.
        NotFound: there is no such adapter.
        BadInput: no kind of source is left, or a whole model is chosen.
    """
    desk.access.require(by, Right.CONFIGURE, channel)
    if not chosen.sources:
        raise BadInput("Without any source I can answer nothing.", fix="Choose one at least.")
    with desk.engine.begin() as db:
        if chosen.adapter not in {"", BASE_NAME}:
            _refuse_whole(adapters.by_name(db, chosen.adapter))
        ways.put(db, channel, chosen, by=by)
    whisper(
        desk,
        channel=channel,
        user=by,
        text="How I answer here",
        blocks=shown.told(chosen, new=True),
    )


def _refuse_whole(adapter: Adapter) -> None:
    if adapter.kind is AdapterKind.MODEL:
        raise BadInput(
            f"{adapter.name} is a whole model: it cannot be served for one channel beside another.",
            fix="Choose an adapter, or promote it for everyone.",
        )
