"""users and usergroups calls in; people and groups in Slack's shape out."""

from __future__ import annotations

from bot.playground.api.call import READ, Call, method, page
from bot.playground.records import Json, Refused


@method("users.info", "users:read", tier=4)
def users_info(call: Call) -> Json:
    user = call.workspace.users.get(call.need("user", "user_not_found"))
    if user is None:
        raise Refused("user_not_found")
    return {"user": user.as_slack(with_email=call.app.may("users:read.email"))}


@method("users.list", "users:read", tier=2)
def users_list(call: Call) -> Json:
    with_email = call.app.may("users:read.email")
    users = [user.as_slack(with_email=with_email) for user in call.workspace.users.values()]
    limit = call.number("limit", max(len(users), 1), most=1000)
    members, cursor = page(users, call.text("cursor"), limit)
    return {
        "members": members,
        "cache_ts": int(call.workspace.clock.now()),
        "response_metadata": {"next_cursor": cursor},
    }


@method("users.lookupByEmail", "users:read.email")
def users_lookup(call: Call) -> Json:
    email = call.need("email", "users_not_found").lower()
    for user in call.workspace.users.values():
        if user.email and user.email.lower() == email and not user.deleted:
            return {"user": user.as_slack()}
    raise Refused("users_not_found")


@method("users.conversations", *READ.values(), tier=2)
def users_conversations(call: Call) -> Json:
    from bot.playground.api.conversations import kinds_asked

    who = call.text("user") or call.app.bot_user
    kinds = kinds_asked(call)
    hide_archived = call.flag("exclude_archived")
    rows = [
        channel.as_slack(viewer=call.app.bot_user)
        for channel in call.workspace.channels.values()
        if channel.kind in kinds
        and who in channel.members
        and (channel.kind == "public" or call.app.bot_user in channel.members)
        and not (hide_archived and channel.is_archived)
    ]
    channels, cursor = page(rows, call.text("cursor"), call.number("limit", 100, most=999))
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


@method("usergroups.list", "usergroups:read", tier=2)
def usergroups_list(call: Call) -> Json:
    with_users = call.flag("include_users")
    team_id = call.workspace.team_id
    groups = call.workspace.usergroups.values()
    return {"usergroups": [g.as_slack(team_id=team_id, with_users=with_users) for g in groups]}


@method("usergroups.users.list", "usergroups:read", tier=2)
def usergroups_users(call: Call) -> Json:
    group = call.workspace.usergroups.get(call.need("usergroup", "no_such_subteam"))
    if group is None:
        raise Refused("no_such_subteam")
    return {"users": list(group.users)}
