"""Pressed buttons in; one call each out. Each is acknowledged before anything is done."""

from __future__ import annotations

from typing import Any

from slack_bolt import App

from bot import capture, feedback, home, reply, review, runs
from bot.blocks import modals
from bot.blocks import pairs as pair_blocks
from bot.desk import Desk, Json
from bot.door import Listener, acknowledge, door
from bot.opening import capture_modal
from bot.tell import respond, take_away
from lorekeeper.domain import PairState


def register(app: App, desk: Desk) -> None:
    for name, listener in ACTIONS.items():
        app.action(name)(ack=acknowledge, lazy=[door(desk, listener)])


def pair_approve(desk: Desk, body: Json) -> None:
    review.decide(desk, _pair(body), PairState.APPROVED, by=_by(body))
    _redraw_home(desk, body)


def pair_reject(desk: Desk, body: Json) -> None:
    pair = review.seen_by(desk, _pair(body), by=_by(body))
    _open(desk, body, modals.reject_pair(pair))


def pair_edit(desk: Desk, body: Json) -> None:
    pair = review.may_edit(desk, _pair(body), by=_by(body))
    _open(desk, body, modals.edit_pair(pair))


def pair_open(desk: Desk, body: Json) -> None:
    pair = review.seen_by(desk, _pair(body), by=_by(body))
    _open(desk, body, modals.show(pair_blocks.title(pair), pair_blocks.card(pair)))


def pair_undo(desk: Desk, body: Json) -> None:
    pair = capture.withdraw(desk, _pair(body), by=_by(body))
    take_away(body, f"Pair {pair.id} was taken back. Nothing of it is used.")


def pair_word(desk: Desk, body: Json) -> None:
    channel, ts, origin = _value(body).split(":")
    capture_modal(desk, body, channel=channel, ts=ts, origin=origin)


def answer_thumb(desk: Desk, body: Json) -> None:
    thumb, _, answer_id = _value(body).partition(":")
    if thumb == "up":
        feedback.praise(desk, answer_id, by=_by(body))
        return
    answer = feedback.blame(desk, answer_id, by=_by(body))
    _open(desk, body, modals.correct_answer(answer))


def answer_retry(desk: Desk, body: Json) -> None:
    reply.retry(desk, _value(body))
    desk.client.chat_delete(channel=body["channel"]["id"], ts=body["message"]["ts"])


def run_cancel(desk: Desk, body: Json) -> None:
    runs.cancel(desk, int(_value(body)), by=_by(body))


def run_promote(desk: Desk, body: Json) -> None:
    runs.promote(desk, _value(body), by=_by(body), why="")


def run_rollback(desk: Desk, body: Json) -> None:
    deployment = runs.roll_back(desk, by=_by(body), why="")
    respond(body, f"Back to `{deployment.adapter}`; I say when it answers.")


ACTIONS: dict[str, Listener] = {
    "pair_approve": pair_approve,
    "pair_reject": pair_reject,
    "pair_edit": pair_edit,
    "pair_open": pair_open,
    "pair_undo": pair_undo,
    "pair_word": pair_word,
    "answer_thumb": answer_thumb,
    "answer_retry": answer_retry,
    "run_cancel": run_cancel,
    "run_promote": run_promote,
    "run_rollback": run_rollback,
}


def _by(body: Json) -> str:
    return str(body["user"]["id"])


def _value(body: Json) -> str:
    action: dict[str, Any] = body["actions"][0]
    return str(action["value"])


def _pair(body: Json) -> int:
    return int(_value(body))


def _open(desk: Desk, body: Json, view: Json) -> None:
    """A modal; on top of one that is open already."""
    is_in_modal = (body.get("view") or {}).get("type") == "modal"
    opening = desk.client.views_push if is_in_modal else desk.client.views_open
    opening(trigger_id=body["trigger_id"], view=view)


def _redraw_home(desk: Desk, body: Json) -> None:
    if (body.get("view") or {}).get("type") == "home":
        home.publish(desk, _by(body))
