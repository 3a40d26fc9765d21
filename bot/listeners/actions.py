"""Pressed buttons in; one call each out. Each is acknowledged before anything is done."""

from __future__ import annotations

from typing import Any

from slack_bolt import App

from bot import (
    capture,
    comparison,
    digest,
    experts,
    feedback,
    forget,
    history,
    home,
    private,
    reply,
    report,
    review,
    runs,
)
from bot.access import Right
from bot.blocks import decisions, modals
from bot.blocks import pairs as pair_blocks
from bot.blocks import people as people_blocks
from bot.desk import Desk, Json
from bot.door import Listener, acknowledge, door
from bot.opening import capture_modal, join
from bot.tell import take_away
from lorekeeper.domain import PairState


def register(app: App, desk: Desk) -> None:
    for name, listener in ACTIONS.items():
        app.action(name)(ack=acknowledge, lazy=[door(desk, listener)])


def pair_approve(desk: Desk, body: Json) -> None:
    review.decide(desk, _pair(body), PairState.APPROVED, by=_by(body))
    _redraw(desk, body)


def pair_refuse(desk: Desk, body: Json) -> None:
    review.decide(desk, _pair(body), PairState.REJECTED, by=_by(body))
    _redraw(desk, body)


def pair_reject(desk: Desk, body: Json) -> None:
    pair_id, _, reason = _chosen(body).partition(":")
    if reason == pair_blocks.OTHER:
        pair = review.seen_by(desk, int(pair_id), by=_by(body))
        _open(desk, body, modals.reject_pair(pair))
        return
    review.decide(desk, int(pair_id), PairState.REJECTED, by=_by(body), reason=reason)
    _redraw(desk, body)


def pair_reopen(desk: Desk, body: Json) -> None:
    review.reopen(desk, _pair(body), by=_by(body))
    _redraw(desk, body)


def pair_merge(desk: Desk, body: Json) -> None:
    pair_id, into = _two_pairs(body)
    review.merge(desk, pair_id, into, by=_by(body))
    _redraw(desk, body)


def pair_replace(desk: Desk, body: Json) -> None:
    pair_id, old = _two_pairs(body)
    review.replace(desk, pair_id, old, by=_by(body))
    _redraw(desk, body)


def pair_beaten(desk: Desk, body: Json) -> None:
    pair_id, right = _two_pairs(body)
    why = f"contradicts pair {right}, which is right"
    review.decide(desk, pair_id, PairState.REJECTED, by=_by(body), reason=why)
    _redraw(desk, body)


def pair_join(desk: Desk, body: Json) -> None:
    join(desk, body)


def pair_edit(desk: Desk, body: Json) -> None:
    pair = review.may_edit(desk, _pair(body), by=_by(body))
    _open(desk, body, modals.edit_pair(pair))


def pair_open(desk: Desk, body: Json) -> None:
    pair = review.seen_by(desk, _pair(body), by=_by(body))
    alike = review.alike(desk, pair, by=_by(body))
    _open(desk, body, modals.show_pair(pair, alike))


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
    answer = feedback.blame(desk, answer_id, by=_by(body), pressed_on=body["container"])
    _open(desk, body, modals.correct_answer(answer))


def answer_retry(desk: Desk, body: Json) -> None:
    reply.retry(desk, _value(body))
    desk.client.chat_delete(channel=body["channel"]["id"], ts=body["message"]["ts"])


def answer_share(desk: Desk, body: Json) -> None:
    private.share(desk, body, _value(body))


def answer_human(desk: Desk, body: Json) -> None:
    experts.call(desk, body, _value(body))


def run_cancel(desk: Desk, body: Json) -> None:
    runs.cancel(desk, int(_value(body)), by=_by(body))


def run_promote(desk: Desk, body: Json) -> None:
    against = runs.needs_reason(desk, _value(body), by=_by(body))
    if against is not None:
        _open(desk, body, decisions.overrule(against))
        return
    runs.promote(desk, _value(body), by=_by(body), why="")


def run_rollback(desk: Desk, body: Json) -> None:
    desk.access.require(_by(body), Right.PROMOTE)
    _open(desk, body, decisions.roll_back())


def vote(desk: Desk, body: Json) -> None:
    compared_id, _, place = _value(body).partition(":")
    thread = body["container"].get("thread_ts")
    comparison.vote(desk, int(compared_id), place, by=_by(body), thread=thread)


def compare_close(desk: Desk, body: Json) -> None:
    comparison.close(desk, int(_value(body)), by=_by(body))


def compare_cancel(desk: Desk, body: Json) -> None:
    comparison.cancel(desk, int(_value(body)), by=_by(body))


def import_cancel(desk: Desk, body: Json) -> None:
    history.cancel(desk, _value(body), by=_by(body))


def import_resume(desk: Desk, body: Json) -> None:
    history.begin(desk, _value(body), by=_by(body), told_in=body["container"]["channel_id"])


def dataset_report(desk: Desk, body: Json) -> None:
    desk.access.require(_by(body), Right.REVIEW)
    report.send(desk, to=_by(body))


def people_forget(desk: Desk, body: Json) -> None:
    gone = forget.forget(desk, forget.ME, by=_by(body))
    take_away(body, people_blocks.forgotten(gone))


ACTIONS: dict[str, Listener] = {
    "pair_approve": pair_approve,
    "pair_refuse": pair_refuse,
    "pair_reject": pair_reject,
    "pair_reopen": pair_reopen,
    "pair_merge": pair_merge,
    "pair_replace": pair_replace,
    "pair_beaten": pair_beaten,
    "pair_join": pair_join,
    "pair_edit": pair_edit,
    "pair_open": pair_open,
    "pair_undo": pair_undo,
    "pair_word": pair_word,
    "answer_thumb": answer_thumb,
    "answer_retry": answer_retry,
    "answer_share": answer_share,
    "answer_human": answer_human,
    "run_cancel": run_cancel,
    "run_promote": run_promote,
    "run_rollback": run_rollback,
    "vote_first": vote,
    "vote_second": vote,
    "vote_both": vote,
    "vote_neither": vote,
    "compare_close": compare_close,
    "compare_cancel": compare_cancel,
    "import_cancel": import_cancel,
    "import_resume": import_resume,
    "dataset_report": dataset_report,
    "people_forget": people_forget,
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


def _chosen(body: Json) -> str:
    return str(body["actions"][0]["selected_option"]["value"])


def _two_pairs(body: Json) -> tuple[int, int]:
    one, _, other = _value(body).partition(":")
    return int(one), int(other)


def _redraw(desk: Desk, body: Json) -> None:
    """What showed the button shows what came of it; a pair's card does so by itself."""
    view, container = body.get("view") or {}, body.get("container") or {}
    if view.get("type") == "home":
        home.publish(desk, _by(body))
    elif view.get("type") == "modal":
        _redraw_pair(desk, view, _by(body))
    elif container.get("type") == "message":
        digest.refresh(desk, container["channel_id"], container["message_ts"])


def _redraw_pair(desk: Desk, view: Json, by: str) -> None:
    shown = modals.about(view).get("pair")
    if shown is not None:
        pair = review.seen_by(desk, shown, by=by)
        alike = review.alike(desk, pair, by=by)
        desk.client.views_update(view_id=view["id"], view=modals.show_pair(pair, alike))
