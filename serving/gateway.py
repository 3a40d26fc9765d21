"""OpenAI-compatible requests in; answers with citations out, to callers with the key or, in public, to anyone."""

from __future__ import annotations

import hmac
import re
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
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from lorekeeper.domain import BASE_NAME, PUBLIC, Answer, PassageKind
from lorekeeper.errors import LorekeeperError, NotAllowed
from lorekeeper.prompt import Turn
from lorekeeper.store import answers, feedback, reading
from lorekeeper.store.rows import plain
from lorekeeper.telemetry import error_id
from serving import sse
from serving.assistant import Asked, Assistant, Step

log = structlog.get_logger(__name__)

ASSISTANT = "lorekeeper"
SPOKEN = {"user", "assistant"}  # a caller's system prompt is not this assistant's
# Clients want the field; the engine's own count would tell nothing about what a caller sent.
_USAGE = {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}


class About(BaseModel):
    """Who asks, where, and what may be quoted."""

    scopes: list[str] = [PUBLIC]
    exclude: list[str] = []
    asker: str = ""
    channel: str = ""
    thread_ts: str | None = None
    kinds: list[PassageKind] = list(PassageKind)
    style: str = ""
    pace: float = Field(default=0.0, ge=0, le=10)  # seconds between pieces after the first one


class Part(BaseModel):
    """A part of a message; only text is read."""

    type: str
    text: str = ""


class Said(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.type == "text")


class StreamOptions(BaseModel):
    include_usage: bool = False


class Completion(BaseModel):
    """OpenAI's chat completion request, with our own field beside it.

    How the model samples is the assistant's affair: `temperature` and its like are taken and not used.
    """

    model: str = ASSISTANT
    messages: list[Said] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    lorekeeper: About = About()


class Metrics:
    """What `/metrics` counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "lorekeeper_answers_total", "Answers by level", ["level"], registry=self.registry
        )
        self.thumbs = Gauge(
            "lorekeeper_feedback", "Thumbs on answers", ["thumb"], registry=self.registry
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
        with reading(database) as db:
            up, down = feedback.counts(db)
        metrics.thumbs.labels("up").set(up)
        metrics.thumbs.labels("down").set(down)
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
            counted = body.stream_options is not None and body.stream_options.include_usage
            return sse.respond(
                lambda gone: _events(
                    _paced(steps(gone), body.lorekeeper.pace), body.model, counted=counted
                )
            )
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
    *before, last = body.messages
    return Asked(
        question=last.text,
        turns=tuple(
            Turn(role=said.role, content=said.text) for said in before if said.role in SPOKEN
        ),
        scopes=frozenset(about.scopes),
        exclude=frozenset(about.exclude),
        asker=about.asker,
        channel=about.channel,
        thread_ts=about.thread_ts,
        model=None if body.model == ASSISTANT else body.model,
        kinds=frozenset(about.kinds),
        style=about.style if has_key else "",
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
    steps: Generator[Step, None, None], model: str, *, counted: bool
) -> Generator[dict[str, Any], None, None]:
    """OpenAI's chunks; our own field beside theirs. What goes wrong is said in the stream, too."""
    with closing(steps):
        try:
            for step in steps:
                yield _event(step, model)
                if counted and step.answer is not None:
                    yield _envelope("chat.completion.chunk", model, None, step.answer.id) | _USAGE
        except Exception as error:
            number = error_id()
            log.error("answer failed", id=number, exc_info=error)
            yield _error(f"Something went wrong; the log has it as {number}.")


def _paced(steps: Generator[Step, None, None], pace: float) -> Generator[Step, None, None]:
    """The first words at once, the next ones together: who shows them once a second needs no single words."""
    told_at, held = float("-inf"), ""
    with closing(steps):
        for step in steps:
            if step.text and not step.status and step.answer is None:
                held += step.text
                if time.monotonic() - told_at < pace:
                    continue
                step, held, told_at = Step(text=held), "", time.monotonic()
            elif held:
                yield Step(text=held)
                held = ""
            yield step
    if held:
        yield Step(text=held)


def _event(step: Step, model: str) -> dict[str, Any]:
    ours: dict[str, Any] = {"answer": plain(step.answer)} if step.answer else {}
    if step.status:
        ours = {"status": step.status, "scopes": step.scopes}
    delta: dict[str, Any] = {"content": step.text} if step.text else {}
    if step.answer is not None and step.answer.citations:
        delta["annotations"] = _annotations(step.answer)
    choice = {
        "index": 0,
        "delta": delta,
        "finish_reason": "stop" if step.answer else None,
    }
    body = _envelope("chat.completion.chunk", model, choice, step.answer.id if step.answer else "")
    return body | ({"lorekeeper": ours} if ours else {})


def _whole(answer: Answer, model: str) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": answer.text,
        "annotations": _annotations(answer),
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = _envelope("chat.completion", model, choice, answer.id)
    return body | _USAGE | {"lorekeeper": {"answer": plain(answer)}}


def _annotations(answer: Answer) -> list[dict[str, Any]]:
    """OpenAI's `url_citation`, one for each place where a number stands in the text."""
    found = []
    for citation in answer.citations:
        mark = f"[{citation.number}]"
        for place in re.finditer(re.escape(mark), answer.text):
            about: dict[str, Any] = {"start_index": place.start(), "end_index": place.end()}
            about |= {"url": citation.url, "title": citation.title}
            found.append({"type": "url_citation", "url_citation": about})
    return found


def _envelope(
    kind: str, model: str, choice: dict[str, Any] | None, answer_id: str
) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{answer_id}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": [choice] if choice is not None else [],
    }


def _error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "invalid_request_error", "code": None}}
