"""views calls in; modals and Home tabs opened, updated, pushed and published out."""

from __future__ import annotations

from bot.playground.api.call import Call, method
from bot.playground.records import Json, Refused


@method("views.open", tier=4)
def views_open(call: Call) -> Json:
    user = _who_pressed(call)
    return {"view": call.workspace.views.open(user, call.app, call.value("view"))}


@method("views.push", tier=4)
def views_push(call: Call) -> Json:
    user = _who_pressed(call)
    return {"view": call.workspace.views.push(user, call.app, call.value("view"))}


@method("views.update", tier=4)
def views_update(call: Call) -> Json:
    view = call.workspace.views.update(
        call.app,
        call.value("view"),
        view_id=call.text("view_id"),
        external_id=call.text("external_id"),
        hash=call.text("hash"),
    )
    return {"view": view}


@method("views.publish", tier=4)
def views_publish(call: Call) -> Json:
    user = call.need("user_id")
    if user not in call.workspace.users:
        raise Refused("user_not_found")
    if not call.app.home_tab:
        raise Refused("not_enabled")
    view = call.workspace.views.publish(user, call.app, call.value("view"), call.text("hash"))
    return {"view": view}


def _who_pressed(call: Call) -> str:
    trigger = call.text("trigger_id") or call.text("interactivity_pointer")
    if not trigger:
        raise Refused("invalid_arguments")
    return call.workspace.views.take_trigger(trigger, call.app)
