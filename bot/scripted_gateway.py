"""Answers in; a gateway on loopback that gives them in the real one's words, for tests and for trying the bot without a model, out."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from sqlalchemy import Engine

from lorekeeper.domain import BASE_NAME, PUBLIC, Answer, Citation, Level
from lorekeeper.loopback import Json, JsonHandler, LoopbackServer
from lorekeeper.store import answers
from lorekeeper.store.rows import plain


class ScriptedGateway(LoopbackServer):
    """`say(question)` gives the pieces of the answer; it may block, as a slow model does."""

    def __init__(self, engine: Engine, say: Callable[[str], list[str]] | None = None) -> None:
        self.engine = engine
        self.say = say or (lambda question: ["It is ", f"{len(question)} letters long [1]."])
        self.adapters: list[str] = []
        """Names of those that are loaded, beside the base; each says its name before its answer."""
        self.requests: list[Json] = []
        """Bodies, oldest first."""
        self.level = Level.TUNED
        self.citations: tuple[Citation, ...] = (
            Citation(
                number=1,
                passage_id="p1",
                title="How letters are counted",
                url="https://example.com/letters",
                quote="Count them.",
            ),
        )
        self.scopes: tuple[str, ...] = (PUBLIC,)
        """Of what the answers are made from."""
        self.refuse_with: int | None = None
        self.before: int | None = None
        """How many questions wait before each one, which the script then says."""
        self.between_pieces: Callable[[], None] = lambda: None
        self.gave_up = threading.Event()
        """Set when the reader went away before the end."""
        super().__init__(_handler(self))

    def answer(self, body: Json, pieces: list[str]) -> Answer:
        """The answer as the real gateway stores it."""
        about = body["lorekeeper"]
        made = Answer(
            id=uuid.uuid4().hex,
            question=body["messages"][-1]["content"],
            text="".join(pieces),
            citations=self.citations if self.level is not Level.UNKNOWN else (),
            level=self.level,
            model=self._called(body["model"]),
            note="" if self.level is Level.TUNED else "The adapter is not loaded.",
            scopes=self.scopes,
            asker=about["asker"],
            channel=about["channel"],
            thread_ts=about["thread_ts"],
            at=time.time(),
        )
        with self.engine.begin() as db:
            return answers.add(db, made)

    def pieces(self, body: Json) -> list[str]:
        said = self.say(body["messages"][-1]["content"])
        return [f"{body['model']}: ", *said] if body["model"] in self.models else said

    @property
    def models(self) -> list[str]:
        return [BASE_NAME, *self.adapters] if self.adapters else []

    def _called(self, asked: str) -> str:
        if asked in self.models:
            return asked
        return "v1" if self.level is Level.TUNED else BASE_NAME


def _handler(gateway: ScriptedGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(JsonHandler):
        def do_GET(self) -> None:
            if self.path == "/v1/models":
                listed = [{"id": name, "object": "model"} for name in gateway.models]
                self.send_json(200, {"object": "list", "data": listed})
                return
            self.send_json(
                200,
                {"status": "ok", "engine": "scripted", "model": "script", "index": {"passages": 1}},
            )

        def do_POST(self) -> None:
            body = self.read_json()
            gateway.requests.append(body)
            if gateway.refuse_with is not None:
                self.send_json(gateway.refuse_with, {"error": {"message": "refused by the script"}})
                return
            try:
                self._stream(body)
            except (BrokenPipeError, ConnectionResetError):
                gateway.gave_up.set()

        def _stream(self, body: Json) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            if gateway.before is not None:
                self._chunk("", {"status": "waiting", "before": gateway.before})
                gateway.between_pieces()
            self._chunk("", {"status": "searching"})
            pieces = gateway.pieces(body)
            for piece in pieces:
                knows = gateway.level is not Level.UNKNOWN
                self._chunk(piece, {"status": "writing", "scopes": gateway.scopes} if knows else {})
                gateway.between_pieces()
            self._chunk("", {"answer": plain(gateway.answer(body, pieces))})
            self._send(b"data: [DONE]\n\n")

        def _chunk(self, text: str, ours: Json) -> None:
            chunk = {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 0,
                "model": "script",
                "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
                "lorekeeper": ours,
            }
            self._send(f"data: {json.dumps(chunk)}\n\n".encode())

        def _send(self, data: bytes) -> None:
            self.wfile.write(data)
            self.wfile.flush()

    return Handler
