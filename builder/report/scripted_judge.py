"""A script in; a judge on loopback that speaks OpenAI's protocol, for tests, out."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Json = dict[str, Any]


class ScriptedJudge:
    """`say(data)` gives the reply to the JSON that the judge was shown: question, A, B."""

    def __init__(self, say: Callable[[Json], str] | None = None) -> None:
        self.say = say or (lambda data: '{"better": "A"}')
        self.requests: list[Json] = []
        """Bodies, oldest first, each with the key that came with it as `key`."""
        self.refuse_with: int | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def shown(self) -> list[Json]:
        """What it was given to compare."""
        return [json.loads(body["messages"][-1]["content"]) for body in self.requests]

    def __enter__(self) -> ScriptedJudge:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(judge: ScriptedJudge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            judge.requests.append({**body, "key": self.headers["Authorization"]})
            if judge.refuse_with is not None:
                self._json(judge.refuse_with, {"error": {"message": "refused by the script"}})
                return
            said = judge.say(json.loads(body["messages"][-1]["content"]))
            message = {"role": "assistant", "content": said}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._json(
                200,
                {
                    "id": "c1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [choice],
                },
            )

        def _json(self, status: int, body: Json) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
