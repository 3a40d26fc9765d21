"""A script in; a server with the engine's surface that speaks it token by token, out. For tests of what stands before an engine.

It knows no language: it says what it was told to say, at a fixed pace, and breaks off on demand.
Start it with `FakeEngine(Script(...))` as a context manager; `url` is where it answers, `heard` holds
the conversations it was sent, and `stopped` is set when a reader left before the end. Never a setting.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from lorekeeper.domain import BASE_NAME
from serving.embedded import chunk, refusal
from serving.sse import DONE, encode

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the engine says, and how it fares."""

    tokens: Sequence[str] = ("Hello", " there.")
    pace: float = 0.0  # seconds before each token
    silence: float = 0.0  # seconds before the first one
    dies_after: int | None = None  # tokens after which the connection breaks
    ends: str = "stop"  # the reason with which an answer is finished; vLLM's `abort`: it gave up
    errs_after: int | None = None  # tokens after which it tells of an error in the stream
    refuses: int | None = None  # an HTTP status with which every question is refused
    refuses_adapters: bool = False
    spoken_by: dict[str, Sequence[str]] = field(default_factory=dict)  # other words, by model name
    calls: Sequence[tuple[str, str]] = ()  # tools that it calls after its words: name, arguments


class Died(Exception):
    """Ends the connection in the middle, as a killed process does."""


class FakeEngine:
    """One engine on a free port of this machine."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.adapters: dict[str, str] = {}
        self.heard: list[dict[str, Any]] = []
        self.is_asleep = False
        self.request_ids: list[str] = []
        self.stopped = threading.Event()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app(), host=HOST, port=0, log_config=None, timeout_graceful_shutdown=1
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="fake engine")

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://{HOST}:{port}"

    def restart(self) -> None:
        """Forget every adapter, as an engine does that was started again."""
        self.adapters.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _app(self) -> FastAPI:
        api = FastAPI()
        api.add_api_route("/health", self._health, response_model=None)
        api.add_api_route("/v1/models", self._models)
        api.add_api_route(
            "/v1/chat/completions", self._complete, methods=["POST"], response_model=None
        )
        api.add_api_route(
            "/v1/load_lora_adapter", self._load, methods=["POST"], response_model=None
        )
        api.add_api_route(
            "/v1/unload_lora_adapter", self._unload, methods=["POST"], response_model=None
        )
        api.add_api_route("/sleep", self._sleep, methods=["POST"], response_model=None)
        api.add_api_route("/wake_up", self._wake, methods=["POST"], response_model=None)
        return api

    async def _sleep(self) -> Response:
        self.is_asleep = True
        return Response()

    async def _wake(self) -> Response:
        self.is_asleep = False
        return Response()

    async def _health(self) -> Response:
        return Response()

    async def _models(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": name} for name in (BASE_NAME, *self.adapters)]}

    async def _complete(self, request: Request) -> Response:
        asked = await request.json()
        self.heard.append(asked)
        self.request_ids.append(request.headers.get("X-Request-Id", ""))
        name = asked["model"]
        if name not in {BASE_NAME, *self.adapters}:
            return refusal(404, f"The model `{name}` does not exist.", "NotFoundError")
        if self.script.refuses is not None:
            return refusal(self.script.refuses, "Refused, as scripted.", "BadRequestError")
        tokens = self.script.spoken_by.get(name, self.script.tokens)
        if asked.get("stream"):
            return StreamingResponse(self._speak(asked, tokens), media_type="text/event-stream")
        choice = {"message": {"role": "assistant", "content": "".join(tokens)}}
        return JSONResponse({"model": name, "choices": [{"index": 0, **choice}]})

    async def _speak(self, asked: dict[str, Any], tokens: Sequence[str]) -> AsyncIterator[str]:
        finished, name = False, asked["model"]
        try:
            await asyncio.sleep(self.script.silence)
            for number, token in enumerate(tokens):
                if number == self.script.dies_after:
                    finished = True
                    raise Died
                if number == self.script.errs_after:
                    yield encode({"error": {"message": "EngineCore died", "code": 500}})
                    yield DONE
                    finished = True
                    return
                await asyncio.sleep(self.script.pace)
                yield encode(chunk("chatcmpl-fake", name, {"content": token}, None))
            for index, call in enumerate(self.script.calls):
                yield encode(_called(name, index, *call))
            ended = "tool_calls" if self.script.calls else self.script.ends
            yield encode(chunk("chatcmpl-fake", name, {}, ended))
            if (asked.get("stream_options") or {}).get("include_usage"):
                yield encode(_usage(asked, tokens))
            yield DONE
            finished = True
        finally:
            if not finished:
                self.stopped.set()

    async def _load(self, request: Request) -> Response:
        wanted = await request.json()
        if self.script.refuses_adapters:
            return refusal(400, "No such adapter, as scripted.", "BadRequestError")
        self.adapters[wanted["lora_name"]] = wanted["lora_path"]
        return Response("Success")

    async def _unload(self, request: Request) -> Response:
        wanted = await request.json()
        if self.adapters.pop(wanted["lora_name"], None) is None:
            return refusal(404, "No such adapter.", "NotFoundError")
        return Response("Success")


def _called(model: str, index: int, name: str, arguments: str) -> dict[str, Any]:
    made = chunk("chatcmpl-fake", model, {}, None)
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
    made["choices"][0]["delta"] = {"tool_calls": [call]}
    return made


def _usage(asked: dict[str, Any], tokens: Sequence[str]) -> dict[str, Any]:
    """Its tokens are words."""
    read = sum(len(str(message["content"]).split()) for message in asked["messages"])
    counted = {"prompt_tokens": read, "completion_tokens": len(tokens)}
    counted["total_tokens"] = read + len(tokens)
    return chunk("chatcmpl-fake", asked["model"], {}, None) | {"choices": [], "usage": counted}
