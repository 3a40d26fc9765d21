"""A member's act and its arguments in; done in the workspace, with the apps told, and what the member then sees out."""

from __future__ import annotations

import base64
import inspect
from typing import Any

from bot.playground import events, streams
from bot.playground.conversation import ts_key
from bot.playground.delivery import Delivery
from bot.playground.interactions import Interactions
from bot.playground.markup import as_rich_text, as_typed
from bot.playground.records import App, Channel, Json, Refused, User
from bot.playground.workspace import Workspace


class Acts:
    """Everything a person can do here. The page and the driver both come through `do`."""

    def __init__(self, workspace: Workspace, delivery: Delivery) -> None:
        self.workspace = workspace
        self.interactions = Interactions(workspace, delivery)

    def do(self, me: str, act: str, args: Json) -> Any:
        """Raises Refused: not_in_channel, cant_edit_message, unknown_command..."""
        run = getattr(self, f"act_{act}", None)
        if run is None:
            raise Refused("unknown_act", asked=act)
        user = self._anybody() if me == "*" else self.workspace.user(me)
        try:
            inspect.signature(run).bind(user, **args)
        except TypeError as wrong:
            raise Refused("invalid_arguments", detail=str(wrong)) from wrong
        return run(user, **args)

    # Writing

    def act_post(
        self, me: User, *, channel: str, text: str, thread_ts: str | None = None, **more: Any
    ) -> Json:
        room = self._my_channel(me, channel)
        if not text.strip():
            raise Refused("no_text")
        return self.workspace.post(
            room.id,
            me.id,
            self._typed(text),
            thread_ts=thread_ts or None,
            broadcast=bool(more.pop("broadcast", False)),
            client_msg_id=self.workspace.new_id("m"),
        )

    def act_edit(self, me: User, *, channel: str, ts: str, text: str) -> Json:
        room = self._my_channel(me, channel)
        self._mine(me, room, ts, "cant_edit_message")
        typed = self._typed(text)
        blocks = [as_rich_text(typed, self.workspace.new_block_id())]
        return self.workspace.edit(room.id, ts, by=me.id, text=typed, blocks=blocks)

    def act_delete(self, me: User, *, channel: str, ts: str) -> None:
        room = self._my_channel(me, channel)
        if self.workspace.whispers.find(room.id, ts) is not None:
            self.workspace.whispers.remove(room.id, ts)
            return
        if not me.is_admin:
            self._mine(me, room, ts, "cant_delete_message")
        self.workspace.delete(room.id, ts)

    def act_react(self, me: User, *, channel: str, ts: str, name: str) -> None:
        self.workspace.react(self._my_channel(me, channel).id, ts, me.id, name.strip(":"))

    def act_unreact(self, me: User, *, channel: str, ts: str, name: str) -> None:
        self.workspace.unreact(self._my_channel(me, channel).id, ts, me.id, name.strip(":"))

    def act_pin(self, me: User, *, channel: str, ts: str) -> None:
        self.workspace.pin(self._my_channel(me, channel).id, ts, me.id)

    def act_unpin(self, me: User, *, channel: str, ts: str) -> None:
        self.workspace.unpin(self._my_channel(me, channel).id, ts, me.id)

    def act_share(
        self,
        me: User,
        *,
        channel: str,
        name: str,
        content: str,
        text: str = "",
        thread_ts: str | None = None,
        canvas: bool = False,
    ) -> Json:
        """Bring a file (`content` in base64) or a canvas (its HTML, likewise) and share it here."""
        room = self._my_channel(me, channel)
        files = self.workspace.files
        file = files.bring(name, _decoded(content), me.id, canvas=canvas)
        return files.share(
            [file.id], room, me.id, text=self._typed(text), thread_ts=thread_ts or None
        )

    def act_share_again(self, me: User, *, file: str, channel: str, text: str = "") -> Json:
        self._my_file(me, file, mine=False)
        room = self._my_channel(me, channel)
        return self.workspace.files.share([file], room, me.id, text=self._typed(text))

    def act_change_file(self, me: User, *, file: str, content: str) -> None:
        """New words in a canvas or a snippet."""
        self._my_file(me, file)
        self.workspace.files.change(file, _decoded(content), me.id)

    def act_delete_file(self, me: User, *, file: str) -> None:
        self._my_file(me, file)
        self.workspace.files.delete(file, me.id)

    def act_join(self, me: User, *, channel: str) -> None:
        room = self.workspace.channel(channel)
        if room.kind != "public" or me.is_restricted:
            raise Refused("channel_not_found")
        self.workspace.join(room.id, me.id)

    def act_leave(self, me: User, *, channel: str) -> None:
        self.workspace.leave(self._my_channel(me, channel).id, me.id)

    def act_invite(self, me: User, *, channel: str, user: str) -> None:
        self.workspace.join(self._my_channel(me, channel).id, user, inviter=me.id)

    def act_remove(self, me: User, *, channel: str, user: str) -> None:
        self._my_channel(me, channel)
        self.workspace.leave(channel, user)

    def act_direct(self, me: User, *, users: list[str]) -> Json:
        return self.workspace.direct(me.id, *users).as_slack(viewer=me.id)

    # Using the app

    def act_press(
        self,
        me: User,
        *,
        action_id: str,
        channel: str | None = None,
        ts: str | None = None,
        view_id: str | None = None,
        block_id: str | None = None,
        value: Any = None,
        filled: Json | None = None,
    ) -> None:
        if view_id:
            view = self.workspace.views.find(me.id, view_id)
            self.interactions.press_in_view(me, view, action_id, block_id, value, filled or {})
            return
        room = self._my_channel(me, channel or "")
        message = self._seen(me, room, ts or "")
        self.interactions.press_in_message(me, room, message, action_id, block_id, value)

    def act_submit(self, me: User, *, view_id: str, values: Json) -> dict[str, str]:
        view = self.workspace.views.find(me.id, view_id)
        return self.interactions.submit(me, view, values)

    def act_close(self, me: User, *, view_id: str, all: bool = False) -> None:
        self.interactions.close(me, self.workspace.views.find(me.id, view_id), all=all)

    def act_shortcut(
        self, me: User, *, callback_id: str, channel: str | None = None, ts: str | None = None
    ) -> None:
        if channel is None or ts is None:
            self.interactions.global_shortcut(me, callback_id)
            return
        room = self._my_channel(me, channel)
        self.interactions.message_shortcut(me, room, self._seen(me, room, ts), callback_id)

    def act_command(self, me: User, *, line: str, channel: str) -> None:
        self.interactions.command(me, self._my_channel(me, channel), line)

    def act_open_home(self, me: User, *, tab: str = "home", app: str | None = None) -> Json:
        """Tell the app that its Home (or its Messages tab) was opened; the channel of its DM."""
        installed = self._app(app)
        room = self.workspace.direct(me.id, installed.bot_user)
        events.home_opened(self.workspace, installed, me.id, tab, room.id)
        return {"channel": room.id, "view": self.workspace.views.home(installed.id, me.id)}

    def act_stop_session(self, me: User, *, channel: str, thread_ts: str) -> None:
        room = self._my_channel(me, channel)
        with self.workspace.lock:
            session = self.workspace.sessions.get((room.id, thread_ts))
            streaming = [ts for c, ts in self.workspace.streams if c == room.id]
            log = self.workspace.conversation(room.id)
            streaming = [ts for ts in streaming if ts in log.thread(thread_ts)]
            app = self._app(session["app_id"] if session else None)
        events.session_stopped(self.workspace, app, me.id, room, thread_ts, streaming)

    # Looking

    def act_workspace(self, me: User) -> Json:
        """Who is here, where the member may look, and what the apps offer."""
        workspace = self.workspace
        with workspace.lock:
            return {
                "version": workspace.version,
                "name": workspace.name,
                "me": me.as_slack(),
                "users": [user.as_slack() for user in workspace.users.values()],
                "channels": [
                    room.as_slack(viewer=me.id) | {"members": list(room.members)}
                    for room in workspace.channels.values()
                    if self._visible(me, room) and not (room.kind == "im" and len(room.members) < 1)
                ],
                "apps": [_offer(app) for app in workspace.apps.values()],
            }

    def act_messages(
        self,
        me: User,
        *,
        channel: str,
        thread_ts: str | None = None,
        limit: int | None = None,
        around: str | None = None,
    ) -> list[Json]:
        """What the member sees there, thread replies and ephemeral messages included, by `ts`.

        `limit`: the last so many, or so many `around` a message.
        """
        room = self._visible_channel(me, channel)
        with self.workspace.lock:
            streams.expire(self.workspace)
            log = self.workspace.conversation(room.id)
            wanted = log.thread(thread_ts) if thread_ts else log.everything()
            found = [log.shown(ts) for ts in _window(wanted, limit, around)]
            found += [
                message
                for message in self.workspace.whispers.to(room.id, me.id)
                if thread_ts in (None, message.get("thread_ts"))
            ]
        return sorted(found, key=lambda message: ts_key(message["ts"]))

    def act_message(self, me: User, *, channel: str, ts: str) -> Json:
        return self._seen(me, self._visible_channel(me, channel), ts)

    def act_permalink(self, me: User, *, channel: str, ts: str) -> str:
        return self.workspace.permalink(self._visible_channel(me, channel).id, ts)

    def act_modal(self, me: User) -> Json | None:
        return self.workspace.views.top(me.id)

    def act_home(self, me: User, *, app: str | None = None) -> Json | None:
        return self.workspace.views.home(self._app(app).id, me.id)

    def act_status(self, me: User, *, channel: str) -> Json:
        """What assistants say they are doing, by thread, and the prompts they suggest."""
        room = self._visible_channel(me, channel)
        with self.workspace.lock:
            statuses = {t: s for (c, t), s in self.workspace.statuses.items() if c == room.id}
            sessions = {t: s for (c, t), s in self.workspace.sessions.items() if c == room.id}
            prompts = self.workspace.prompts.get(room.id)
            return {"statuses": statuses, "sessions": sessions, "prompts": prompts}

    # Who may what

    def _anybody(self) -> User:
        """The one a page shows before somebody was chosen."""
        people = [user for user in self.workspace.users.values() if not user.is_bot]
        if not people:
            raise Refused("user_not_found")
        return people[0]

    def _visible(self, me: User, room: Channel) -> bool:
        return me.id in room.members or (room.kind == "public" and not me.is_restricted)

    def _visible_channel(self, me: User, channel: str) -> Channel:
        room = self.workspace.channel(channel)
        if not self._visible(me, room):
            raise Refused("channel_not_found")
        return room

    def _my_channel(self, me: User, channel: str) -> Channel:
        room = self._visible_channel(me, channel)
        if me.id not in room.members:
            raise Refused("not_in_channel")
        if room.is_archived:
            raise Refused("is_archived")
        return room

    def _mine(self, me: User, room: Channel, ts: str, refusal: str) -> None:
        if self.workspace.message(room.id, ts).get("user") != me.id:
            raise Refused(refusal)

    def _my_file(self, me: User, id: str, *, mine: bool = True) -> None:
        """Raises Refused: file_not_found, or cant_delete_file for somebody else's."""
        file = self.workspace.files.get(id)
        rooms = (self.workspace.channel(channel) for channel in file.channels)
        if file.user != me.id and not any(self._visible(me, room) for room in rooms):
            raise Refused("file_not_found")
        if mine and file.user != me.id and not me.is_admin:
            raise Refused("cant_delete_file")

    def _seen(self, me: User, room: Channel, ts: str) -> Json:
        whispered = self.workspace.whispers.find(room.id, ts)
        if whispered is not None and whispered["to"] == me.id:
            return dict(whispered)
        return self.workspace.message(room.id, ts)

    def _app(self, id: str | None) -> App:
        apps = self.workspace.apps
        if id is None and apps:
            return next(iter(apps.values()))
        if id is None or id not in apps:
            raise Refused("app_not_found")
        return apps[id]

    def _typed(self, text: str) -> str:
        names: dict[str, str] = {}
        for user in self.workspace.users.values():
            names.setdefault(user.name.lower(), user.id)
            if user.display_name and " " not in user.display_name:
                names.setdefault(user.display_name.lower(), user.id)
        return as_typed(text, names)


def _decoded(content: str) -> bytes:
    """Raises Refused(invalid_arguments)."""
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise Refused("invalid_arguments") from None


def _window(order: list[str], limit: int | None, around: str | None) -> list[str]:
    if limit is None or len(order) <= limit:
        return order
    if around not in order:
        return order[-limit:]
    start = max(0, min(order.index(around) - limit // 2, len(order) - limit))
    return order[start : start + limit]


def _offer(app: App) -> Json:
    return {
        "id": app.id,
        "name": app.name,
        "bot_user": app.bot_user,
        "commands": list(app.commands),
        "shortcuts": list(app.shortcuts),
        "home_tab": app.home_tab,
        "stoppable": app.hears("agent_session_stopped"),
        "suggested_prompts": list(app.suggested_prompts),
    }
