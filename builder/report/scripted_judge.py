"""A script in; a judge on loopback that speaks OpenAI's protocol, for tests, out."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from lorekeeper.loopback import Json, JsonHandler, LoopbackServer


class ScriptedJudge(LoopbackServer):
    """`say(data)` gives the reply to the JSON that the judge was shown: question, A, B."""

    def __init__(self, say: Callable[[Json], str] | None = None) -> None:
        self.say = say or (lambda data: '{"better": "A"}')
        self.requests: list[Json] = []
        """Bodies, oldest first, each with the key that came with it as `key`."""
        self.refuse_with: int | None = None
        super().__init__(_handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def shown(self) -> list[Json]:
        """What it was given to compare."""
        return [json.loads(body["messages"][-1]["content"]) for body in self.requests]


def _handler(judge: ScriptedJudge) -> type[BaseHTTPRequestHandler]:
    class Handler(JsonHandler):
        def do_POST(self) -> None:
            body = self.read_json()
            judge.requests.append({**body, "key": self.headers["Authorization"]})
            if judge.refuse_with is not None:
                self.send_json(judge.refuse_with, {"error": {"message": "refused by the script"}})
                return
            said = judge.say(json.loads(body["messages"][-1]["content"]))
            message = {"role": "assistant", "content": said}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.send_json(
                200,
                {
                    "id": "c1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [choice],
                },
            )

    return Handler
