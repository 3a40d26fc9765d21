"""A method's name, a token and arguments in; Slack's answer out, or its refusal."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from bot.playground.api import (  # noqa: F401  each registers its methods when it is imported
    agents,
    chat,
    conversations,
    files,
    general,
    people,
    reactions,
    views,
)
from bot.playground.api.call import METHODS, Call, Method
from bot.playground.faults import Fault
from bot.playground.records import App, Json, Refused
from bot.playground.tiers import Tiers
from bot.playground.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class WebApi:
    """Slack's Web API over one workspace. `answer` never raises for a request, however odd."""

    workspace: Workspace
    tiers: Tiers = field(default_factory=Tiers)

    def answer(self, name: str, token: str, args: Json) -> tuple[int, dict[str, str], Json]:
        """HTTP status, headers and body."""
        headers: dict[str, str] = {}
        fault = self.workspace.faults.take(name)
        try:
            if fault is not None and not fault.after:
                _fail(fault)
            method, app = METHODS.get(name), self.app_of(token)
            if method is None:
                raise Refused("unknown_method", req_method=name)
            _check_token_type(method, app, token)
            headers["x-oauth-scopes"] = ",".join(sorted(app.scopes or ()))
            headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
            call = Call(
                workspace=self.workspace, app=app, args=args, base_url=self.workspace.base_url
            )
            call.needs(*method.scopes)
            self.tiers.spend(name, method.tier, call.text("channel"), self.workspace.clock.now())
            body = {"ok": True} | method.run(call)
            if fault is not None:
                _fail(fault)
        except Refused as refused:
            return refused.status, headers | refused.headers, refused.answer()
        return 200, headers, body

    def app_of(self, token: str) -> App:
        """Raises Refused(not_authed | invalid_auth)."""
        if not token:
            raise Refused("not_authed")
        found: App | None = None
        for app in self.workspace.apps.values():
            for known in (app.bot_token, app.app_token):
                if secrets.compare_digest(known.encode(), token.encode()):
                    found = app
        if found is None:
            raise Refused("invalid_auth")
        return found


def _check_token_type(method: Method, app: App, token: str) -> None:
    is_app_token = secrets.compare_digest(app.app_token.encode(), token.encode())
    if is_app_token != method.app_token:
        raise Refused("not_allowed_token_type")


def _fail(fault: Fault) -> None:
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
    code = fault.error or ("ratelimited" if fault.status == 429 else "internal_error")
    raise Refused(code, status=fault.status, headers=headers)
