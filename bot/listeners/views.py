"""Submitted modals in; one call each out."""

from __future__ import annotations

from slack_bolt import App

from bot import capture, feedback, home, review, runs, ways
from bot.blocks import modals
from bot.blocks import ways as way_blocks
from bot.desk import Desk, Json
from bot.door import Listener, acknowledge, door
from lorekeeper.domain import Origin, PairState


def register(app: App, desk: Desk) -> None:
    for name, listener in VIEWS.items():
        app.view(name)(ack=acknowledge, lazy=[door(desk, listener)])


def edit_pair(desk: Desk, body: Json) -> None:
    written = modals.filled(body["view"])
    review.edit(
        desk,
        modals.about(body["view"])["pair"],
        by=_by(body),
        question=written["question"],
        answer=written["answer"],
        tags=written["tags"],
    )
    home.publish(desk, _by(body))


def save_pair(desk: Desk, body: Json) -> None:
    about, written = modals.about(body["view"]), modals.filled(body["view"])
    is_reworded = modals.was_changed(body["view"], written["answer"])
    is_asked_anew = modals.was_asked_anew(body["view"], written["question"])
    capture.propose(
        desk,
        channel=about["channel"],
        ts=about["ts"],
        by=_by(body),
        origin=Origin(about["origin"]),
        parts=modals.chosen(body["view"]),
        question=written["question"] if is_asked_anew else None,
        answer=written["answer"] if is_reworded else None,
        tags=review.listed(written["tags"]),
    )


def reject_pair(desk: Desk, body: Json) -> None:
    review.decide(
        desk,
        modals.about(body["view"])["pair"],
        PairState.REJECTED,
        by=_by(body),
        reason=modals.filled(body["view"])["reason"],
    )
    home.publish(desk, _by(body))


def correct_answer(desk: Desk, body: Json) -> None:
    written = modals.filled(body["view"])
    feedback.explain(
        desk,
        modals.about(body["view"])["answer"],
        by=_by(body),
        reason=written["reason"],
        question=written["question"],
        better=written["answer"],
    )


def channel_ways(desk: Desk, body: Json) -> None:
    channel, chosen = way_blocks.read(body["view"])
    ways.save(desk, channel, chosen, by=_by(body))


def overrule(desk: Desk, body: Json) -> None:
    about, written = modals.about(body["view"]), modals.filled(body["view"])
    runs.promote(desk, about["adapter"], by=_by(body), why=written["why"])


def roll_back(desk: Desk, body: Json) -> None:
    runs.roll_back(desk, by=_by(body), why=modals.filled(body["view"])["why"])


VIEWS: dict[str, Listener] = {
    "edit_pair": edit_pair,
    "save_pair": save_pair,
    "reject_pair": reject_pair,
    "correct_answer": correct_answer,
    "channel_ways": channel_ways,
    "overrule": overrule,
    "roll_back": roll_back,
}


def _by(body: Json) -> str:
    return str(body["user"]["id"])
