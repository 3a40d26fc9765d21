"""A person who waits for a modal in; the modal at once, and its content as soon as it is there, out."""

from __future__ import annotations

from types import TracebackType

from bot import capture
from bot.blocks import modals
from bot.blocks.text import Block, section
from bot.desk import Desk, Json
from bot.tell import words_of
from lorekeeper.errors import LorekeeperError


def capture_modal(desk: Desk, body: Json, *, channel: str, ts: str, origin: str) -> None:
    """Slack wants a modal within three seconds, so it opens empty and is filled."""
    with Opening(desk, body["trigger_id"], "Save as Q&A") as modal:
        draft = capture.draft(desk, channel=channel, ts=ts, by=body["user"]["id"])
        modal.fill(
            modals.save_pair(
                channel=channel,
                ts=ts,
                origin=origin,
                question=draft.question,
                answer=draft.answer,
                parts=draft.parts,
                choices=draft.choices,
            )
        )


def join(desk: Desk, body: Json) -> None:
    """Other messages were chosen for the answer: the open modal shows them joined."""
    view = body["view"]
    about, written, parts = modals.about(view), modals.filled(view), modals.chosen(view)
    if not parts:
        return  # an answer is made of one message at least; the field says what it was made of
    draft = capture.draft(
        desk, channel=about["channel"], ts=about["ts"], by=body["user"]["id"], parts=parts
    )
    desk.client.views_update(
        view_id=view["id"],
        view=modals.save_pair(
            channel=about["channel"],
            ts=about["ts"],
            origin=about["origin"],
            question=written["question"],
            found=draft.question,
            answer=draft.answer,
            parts=draft.parts,
            choices=draft.choices,
            tags=written["tags"],
        ),
    )


class Opening:
    """Opens a modal, to be filled in the block; an error that a person can fix is shown in it."""

    def __init__(self, desk: Desk, trigger_id: str, title: str) -> None:
        self._client = desk.client
        self._trigger = trigger_id
        self._title = title
        self._view_id = ""

    def fill(self, view: Block) -> None:
        self._client.views_update(view_id=self._view_id, view=view)

    def __enter__(self) -> Opening:
        opened = self._client.views_open(trigger_id=self._trigger, view=modals.loading(self._title))
        self._view_id = opened["view"]["id"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, LorekeeperError):
            return False
        self.fill(modals.show(self._title, [section(words_of(error))]))
        return True
