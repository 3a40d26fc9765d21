"""Where a member sits: in this process or in front of a running playground's page; acts in, their results out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from bot.playground.acts import Acts
from bot.playground.records import Json, Refused


class Seat(Protocol):
    """Where a member sits: in this process, or in front of a running playground's page."""

    def do(self, act: str, args: Json) -> Any: ...

    def wait(self, after: int, timeout: float) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess:
    acts: Acts
    me: str

    def do(self, act: str, args: Json) -> Any:
        return self.acts.do(self.me, act, args)

    def wait(self, after: int, timeout: float) -> int:
        return self.acts.workspace.wait_for_change(after, timeout)


class OverHttp:
    """Speaks the page's own API to a playground at `page_url`."""

    def __init__(self, page_url: str, me: str) -> None:
        self._me = me
        self._client = httpx2.Client(base_url=page_url, timeout=60.0, trust_env=False)
        page = self._client.get("/").text
        token = re.search(r'name="session" content="([^"]+)"', page)
        if token is None:
            raise Refused("no_session", asked=page_url)
        self._client.headers["X-Playground-Session"] = token.group(1)

    def do(self, act: str, args: Json) -> Any:
        body = {"me": self._me, "act": act, "args": args}
        answer = self._client.post("/member/act", json=body).json()
        if not answer["ok"]:
            details = {k: v for k, v in answer.items() if k not in ("ok", "error")}
            raise Refused(answer["error"], **details)
        return answer["result"]

    def wait(self, after: int, timeout: float) -> int:
        params: dict[str, str | int | float] = {"after": after, "timeout": timeout}
        return int(self._client.get("/member/changes", params=params).json()["version"])

    def close(self) -> None:
        self._client.close()
