"""A press, a submission, a shortcut or a command in; the payload to the app and what its answer does out."""

from __future__ import annotations

from typing import Any

from bot.playground import forms
from bot.playground.delivery import Delivery, Outcome
from bot.playground.limits import check_view
from bot.playground.records import App, Channel, Json, Refused, User
from bot.playground.responses import Responses
from bot.playground.workspace import Workspace


class Interactions:
    """What apps are told of what people do with what the apps have shown them."""

    def __init__(self, workspace: Workspace, delivery: Delivery) -> None:
        self.responses = Responses(workspace)
        self._workspace = workspace
        self._delivery = delivery

    def press_in_message(
        self, me: User, room: Channel, message: Json, action_id: str, block_id: str | None, raw: Any
    ) -> None:
        """Raises Refused(action_not_found | bad_option | operation_timeout)."""
        app = self._app_of(message)
        ts = message["ts"]
        container: Json = {
            "type": "message",
            "message_ts": ts,
            "channel_id": room.id,
            "is_ephemeral": bool(message.get("is_ephemeral")),
        }
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        url = self.responses.new(
            app, me.id, room.id, message_ts=ts, thread_ts=message.get("thread_ts")
        )
        payload = self._common("block_actions", app, me) | {
            "container": container,
            "channel": _channel(room),
            "state": {"values": {}},
            "response_url": url,
            "actions": [self._action(message.get("blocks", []), action_id, block_id, raw)],
        }
        if not message.get("is_ephemeral"):
            payload["message"] = message
        self._ask(app, "interactive", payload)

    def press_in_view(
        self,
        me: User,
        view: Json,
        action_id: str,
        block_id: str | None,
        raw: Any,
        filled: Json,
    ) -> None:
        app = self._workspace.apps[view["app_id"]]
        action = self._action(view["blocks"], action_id, block_id, raw)
        values = forms.state_values(view["blocks"], filled)
        if action_id in values.get(
            action["block_id"], {}
        ):  # what was chosen just now counts already
            values[action["block_id"]][action_id] |= forms.value_of(action)
        view["state"] = {"values": values}
        payload = self._common("block_actions", app, me) | {
            "container": {"type": "view", "view_id": view["id"]},
            "view": view,
            "actions": [action],
        }
        self._ask(app, "interactive", payload)

    def submit(self, me: User, view: Json, filled: Json) -> dict[str, str]:
        """Errors by block_id; empty when the app took it. Raises Refused(operation_timeout)."""
        values = forms.state_values(view["blocks"], filled)
        errors = forms.missing(view["blocks"], values)
        if errors:
            return errors
        app = self._workspace.apps[view["app_id"]]
        view["state"] = {"values": values}
        payload = self._common("view_submission", app, me) | {"view": view, "response_urls": []}
        outcome = self._ask(app, "interactive", payload)
        return self._after_submission(me, app, view, outcome.body)

    def close(self, me: User, view: Json, *, all: bool = False) -> None:
        app = self._workspace.apps[view["app_id"]]
        cleared = all or bool(view.get("clear_on_close"))
        for gone in self._workspace.views.close(me.id, view["id"], all=cleared):
            if gone.get("notify_on_close"):
                payload = self._common("view_closed", app, me)
                payload.pop("trigger_id")
                self._ask(
                    app,
                    "interactive",
                    payload | {"view": gone, "is_cleared": cleared},
                    needed=False,
                )

    def message_shortcut(self, me: User, room: Channel, message: Json, callback_id: str) -> None:
        app, _ = self._shortcut(callback_id, "message")
        ts = message["ts"]
        payload = self._common("message_action", app, me) | {
            "callback_id": callback_id,
            "action_ts": self._workspace.new_ts(),
            "message_ts": ts,
            "message": message,
            "channel": _channel(room),
            "response_url": self.responses.new(app, me.id, room.id),
        }
        self._ask(app, "interactive", payload)

    def global_shortcut(self, me: User, callback_id: str) -> None:
        app, _ = self._shortcut(callback_id, "global")
        payload = self._common("shortcut", app, me) | {
            "callback_id": callback_id,
            "action_ts": self._workspace.new_ts(),
        }
        self._ask(app, "interactive", payload)

    def command(self, me: User, room: Channel, line: str) -> None:
        """`line`: "/lore retrain". Raises Refused(unknown_command | operation_timeout)."""
        command, _, text = line.strip().partition(" ")
        app = self._commands(command)
        url = self.responses.new(app, me.id, room.id)
        payload: Json = {
            "token": app.verification_token,
            "team_id": self._workspace.team_id,
            "team_domain": self._workspace.domain,
            "channel_id": room.id,
            "channel_name": "directmessage" if room.kind == "im" else room.name,
            "user_id": me.id,
            "user_name": me.name,
            "command": command,
            "text": text.strip(),
            "api_app_id": app.id,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": self._workspace.views.new_trigger(me.id, app),
        }
        outcome = self._ask(app, "slash_commands", payload)
        self.responses.acknowledged(url, outcome.body)

    def _after_submission(self, me: User, app: App, view: Json, answer: Json) -> dict[str, str]:
        views, action = self._workspace.views, answer.get("response_action")
        if action == "errors":
            return {str(k): str(v) for k, v in (answer.get("errors") or {}).items()}
        if action == "update":
            check_view(answer.get("view"), kinds=("modal",))
            views.update(app, answer["view"], view_id=view["id"])
        elif action == "push":
            views.push(me.id, app, answer["view"])
        else:
            views.close(me.id, view["id"], all=action == "clear")
        return {}

    def _ask(self, app: App, kind: str, payload: Json, *, needed: bool = True) -> Outcome:
        outcome = self._delivery.ask(app, kind, payload)
        if outcome.reason and needed:
            raise Refused("operation_timeout", reason=outcome.reason)
        return outcome

    def _common(self, kind: str, app: App, me: User) -> Json:
        workspace = self._workspace
        return {
            "type": kind,
            "user": {
                "id": me.id,
                "username": me.name,
                "name": me.name,
                "team_id": workspace.team_id,
            },
            "api_app_id": app.id,
            "token": app.verification_token,
            "team": {"id": workspace.team_id, "domain": workspace.domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "trigger_id": workspace.views.new_trigger(me.id, app),
        }

    def _action(self, blocks: list[Json], action_id: str, block_id: str | None, raw: Any) -> Json:
        block, element = forms.find_element(blocks, action_id, block_id)
        action: Json = {
            "type": element["type"],
            "action_id": action_id,
            "block_id": block.get("block_id", ""),
            "action_ts": self._workspace.new_ts(),
        }
        if element["type"] in ("button", "icon_button"):
            return action | {k: element[k] for k in ("text", "value", "style") if k in element}
        if element["type"] == "feedback_buttons":
            return action | _feedback(element, raw)
        return action | forms.chosen(element, raw)

    def _app_of(self, message: Json) -> App:
        app = self._workspace.apps.get(message.get("app_id", ""))
        if app is None:
            raise Refused("action_not_found", asked="a message that no app posted", there=[])
        return app

    def _shortcut(self, callback_id: str, kind: str) -> tuple[App, Json]:
        for app in self._workspace.apps.values():
            for shortcut in app.shortcuts:
                if shortcut.get("callback_id") == callback_id and shortcut.get("type") == kind:
                    return app, shortcut
        raise Refused("unknown_shortcut", asked=callback_id)

    def _commands(self, command: str) -> App:
        for app in self._workspace.apps.values():
            if any(known.get("command") == command for known in app.commands):
                return app
        raise Refused("unknown_command", asked=command)


def _channel(room: Channel) -> Json:
    names = {"im": "directmessage", "private": "privategroup"}
    return {"id": room.id, "name": names.get(room.kind, room.name)}


def _feedback(element: Json, raw: Any) -> Json:
    """`raw`: positive, negative, or the very value of one of the two buttons."""
    for name in ("positive", "negative"):
        button = element[f"{name}_button"]
        if raw in (name, button["value"]):
            return {"text": button["text"], "value": button["value"]}
    there = [element[f"{name}_button"]["value"] for name in ("positive", "negative")]
    raise Refused("bad_option", asked=raw, there=["positive", "negative", *there])
