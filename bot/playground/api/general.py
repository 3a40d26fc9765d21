"""auth, api, apps, team and bots calls in; who the app is and where it is out."""

from __future__ import annotations

import secrets

from bot.playground.api.call import Call, method
from bot.playground.records import Json, Refused


@method("api.test", tier=4)
def api_test(call: Call) -> Json:
    if call.text("error"):
        raise Refused(call.text("error"), args=dict(call.args))
    return {"args": dict(call.args)}


@method("auth.test", tier=0)
def auth_test(call: Call) -> Json:
    return {
        "url": call.base_url,
        "team": call.workspace.name,
        "user": call.workspace.user(call.app.bot_user).name,
        "team_id": call.workspace.team_id,
        "user_id": call.app.bot_user,
        "bot_id": call.app.bot_id,
        "is_enterprise_install": False,
    }


@method("apps.connections.open", tier=1, app_token=True)
def connections_open(call: Call) -> Json:
    host = call.base_url.removeprefix("http://")
    ticket = secrets.token_urlsafe(24)
    call.workspace.tickets[ticket] = call.app.id
    return {"url": f"ws://{host}link/?ticket={ticket}&app_id={call.app.id}"}


@method("team.info", "team:read")
def team_info(call: Call) -> Json:
    workspace = call.workspace
    team = {
        "id": workspace.team_id,
        "name": workspace.name,
        "url": workspace.base_url,
        "domain": workspace.domain,
        "email_domain": "",
        "icon": {"image_default": True},
    }
    return {"team": team}


@method("bots.info", "users:read")
def bots_info(call: Call) -> Json:
    wanted = call.text("bot") or call.app.bot_id
    for app in call.workspace.apps.values():
        if app.bot_id == wanted:
            bot = {
                "id": app.bot_id,
                "deleted": False,
                "name": app.name,
                "updated": 0,
                "app_id": app.id,
                "user_id": app.bot_user,
                "icons": {},
            }
            return {"bot": bot}
    raise Refused("bot_not_found")
