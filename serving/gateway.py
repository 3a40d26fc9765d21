"""OpenAI-compatible requests in; answers with citations out, to callers with the key or, in public, to anyone."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from typing import Annotated, Any, Literal

import structlog
from fastapi import FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from lorekeeper.domain import BASE_NAME, PUBLIC, Answer
from lorekeeper.errors import LorekeeperError, NotAllowed
from lorekeeper.prompt import Turn
from lorekeeper.store import answers
from lorekeeper.store.rows import plain
from lorekeeper.telemetry import error_id
from serving import sse
from serving.assistant import Asked, Assistant, Step

log = structlog.get_logger(__name__)

ASSISTANT = "lorekeeper"


class About(BaseModel):
    """Who asks, where, and what may be quoted."""

    scopes: list[str] = [PUBLIC]
    exclude: list[str] = []
    asker: str = ""
    channel: str = ""
    thread_ts: str | None = None


class Said(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Completion(BaseModel):
    """OpenAI's chat completion request, with our own field beside it."""

    model: str = ASSISTANT
    messages: list[Said] = Field(min_length=1)
    stream: bool = False
    lorekeeper: About = About()


class Metrics:
    """What `/metrics` counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "lorekeeper_answers_total", "Answers by level", ["level"], registry=self.registry
        )
        self.first_text = Histogram(
            "lorekeeper_first_text_seconds",
            "Seconds from the question to the first piece of text",
            registry=self.registry,
            buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64),
        )


def create(
    assistant: Assistant, database: Engine, *, key: str, health: Callable[[], dict[str, Any]]
) -> FastAPI:
    """The gateway's application. `health` tells what runs behind it."""
    app = FastAPI(title="Lorekeeper", docs_url=None, redoc_url=None)
    metrics = Metrics()

    @app.exception_handler(LorekeeperError)
    def refused(_request: Request, error: LorekeeperError) -> JSONResponse:
        status = 401 if isinstance(error, NotAllowed) else 400
        return JSONResponse(_error(f"{error.what} {error.fix}"), status)

    @app.exception_handler(RequestValidationError)
    def misread(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse(_error(f"The request cannot be read at {where}: {first['msg']}."), 400)

    @app.exception_handler(Exception)
    def failed(_request: Request, error: Exception) -> JSONResponse:
        number = error_id()
        log.error("request failed", id=number, exc_info=error)
        return JSONResponse(_error(f"Something went wrong; the log has it as {number}."), 500)

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        return health()

    @app.get("/metrics")
    def metrics_page() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        names = (ASSISTANT, BASE_NAME)
        return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}

    @app.post("/v1/chat/completions", response_model=None)
    def complete(
        body: Completion, authorization: Annotated[str, Header()] = ""
    ) -> Response | dict[str, Any]:
        asked = _asked(body, authorization, key)

        def steps(gone: threading.Event) -> Generator[Step, None, None]:
            return _kept(assistant.answer(replace(asked, gone=gone)), database, metrics)

        if body.stream:
            return sse.respond(lambda gone: _events(steps(gone), body.model))
        made = [step.answer for step in steps(threading.Event()) if step.answer is not None]
        return _whole(made[-1], body.model)

    return app


def _asked(body: Completion, authorization: str, key: str) -> Asked:
    """The question as the assistant takes it.

    Raises:
        NotAllowed: a wrong key, or no key and scopes beyond the public one.
    """
    given = authorization.removeprefix("Bearer ").strip()
    has_key = bool(key) and hmac.compare_digest(given.encode(), key.encode())
    about = body.lorekeeper
    if not has_key and set(about.scopes) - {PUBLIC}:
        raise NotAllowed(
            "Only callers with the gateway's key may name scopes beyond the public one.",
            fix="Send LORE_SERVING__GATEWAY_KEY as a bearer token.",
        )
    return Asked(
        question=body.messages[-1].content,
        turns=tuple(Turn(role=said.role, content=said.content) for said in body.messages[:-1]),
        scopes=frozenset(about.scopes),
        exclude=frozenset(about.exclude),
        asker=about.asker,
        channel=about.channel,
        thread_ts=about.thread_ts,
        model=BASE_NAME if body.model == BASE_NAME else None,
    )


def _kept(
    steps: Generator[Step, None, None], database: Engine, metrics: Metrics
) -> Generator[Step, None, None]:
    """Store the answer before its last step is passed on; count it."""
    began = time.monotonic()
    waiting = True
    with closing(steps):
        for step in steps:
            if step.text and waiting:
                waiting = False
                metrics.first_text.observe(time.monotonic() - began)
            if step.answer is not None:
                with database.begin() as db:
                    answers.add(db, step.answer)
                metrics.answers.labels(step.answer.level.value).inc()
            yield step


def _events(
    steps: Generator[Step, None, None], model: str
) -> Generator[dict[str, Any], None, None]:
    """OpenAI's chunks; our own field beside theirs. What goes wrong is said in the stream, too."""
    with closing(steps):
        try:
            for step in steps:
                yield _event(step, model)
        except Exception as error:
            number = error_id()
            log.error("answer failed", id=number, exc_info=error)
            yield _error(f"Something went wrong; the log has it as {number}.")


def _event(step: Step, model: str) -> dict[str, Any]:
    ours: dict[str, Any] = {"answer": plain(step.answer)} if step.answer else {}
    if step.status:
        ours = {"status": step.status}
    choice = {
        "index": 0,
        "delta": {"content": step.text} if step.text else {},
        "finish_reason": "stop" if step.answer else None,
    }
    body = _envelope("chat.completion.chunk", model, choice, step.answer.id if step.answer else "")
    return body | ({"lorekeeper": ours} if ours else {})


def _whole(answer: Answer, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = _envelope("chat.completion", model, choice, answer.id)
    return body | {"lorekeeper": {"answer": plain(answer)}}


def _envelope(kind: str, model: str, choice: dict[str, Any], answer_id: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{answer_id}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
    }


def _error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "invalid_request_error", "code": None}}
