"""OpenAI-compatible requests in; answers with citations out, to callers with a key or, in public, to anyone."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from lorekeeper.domain import BASE_NAME, PUBLIC, KeyScope
from lorekeeper.errors import LorekeeperError
from lorekeeper.store import feedback, reading
from lorekeeper.telemetry import error_id
from serving import chat, embeddings, sse, tools, wire
from serving.answering import Desk
from serving.assistant import Asked, Assistant
from serving.intake import Intake
from serving.keys import Caller, Keyring
from serving.queue import Queue
from serving.refusals import Refusal, Unavailable
from serving.wire import ASSISTANT, Completion

if TYPE_CHECKING:
    from retrieval.embed import Embedder

log = structlog.get_logger(__name__)

WENT_WRONG = "Something went wrong; the log has it as {}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What runs behind the gateway, for those who look."""

    health: Callable[[], dict[str, Any]] = dict
    missing: Callable[[], Mapping[str, str]] = dict
    """Each part that cannot work now, with the reason."""
    adapters: Callable[[], list[str]] = list
    """Names of the adapters that are loaded."""
    embedder: Embedder | None = None


def create(
    assistant: Assistant, database: Engine, *, key: str, behind: Behind | None = None
) -> ASGIApp:
    """The gateway's application. `key` is the bot's own, which opens everything."""
    serving, behind = assistant.serving, behind or Behind()
    queue = Queue(
        at_once=serving.at_once, longest=serving.queue, per_person=serving.queue_per_person
    )
    desk = Desk(assistant=assistant, database=database, queue=queue)
    keyring = Keyring(database, bot_key=key, keyless_per_minute=serving.keyless_per_minute)
    door = Door(keyring)
    app = FastAPI(title="Lorekeeper", docs_url=None, redoc_url=None, lifespan=_lifespan)
    _tell_errors(app, desk)
    _answer(app, desk, door)
    _embed(app, desk, door, behind)
    _serve_assistants(app, desk, door)
    _look(app, desk, behind)
    return Intake(app, refuse=lambda refusal: _refused(desk, refusal))


@dataclass(frozen=True, slots=True)
class Door:
    """Whoever calls, is known here."""

    keyring: Keyring

    async def open(self, request: Request) -> Caller:
        """Raises UnknownKey, or Busy when the caller's rate is used up."""
        if not self.keyring.is_fresh:
            await run_in_threadpool(self.keyring.look)
        address = request.client.host if request.client else "nowhere"
        caller = self.keyring.caller(request.headers.get("Authorization", ""), address)
        self.keyring.spend(caller)
        return caller


def _answer(app: FastAPI, desk: Desk, door: Door) -> None:
    @app.post("/v1/chat/completions", response_model=None)
    async def complete(body: Completion, request: Request) -> Response:
        caller = await door.open(request)
        asked = _asked(body, caller, request.state.request_id, is_open=door.keyring.is_open)
        lane, person = asked.channel or caller.name, asked.asker or caller.name
        desk.queue.check(lane, person)

        answer = tools.events if body.tools else _events
        events = answer(desk, asked, body, lane=lane, person=person)
        if body.stream:
            return sse.respond(_told(events, asked.request_id))
        return await sse.last(request, events)


def _asked(body: Completion, caller: Caller, request_id: str, *, is_open: bool) -> Asked:
    """The question as the assistant takes it.

    Raises:
        UnknownKey, MissingScope: the caller may not ask, or may not ask for somebody.
    """
    about = body.lorekeeper
    caller.need(KeyScope.ASK)
    is_named = bool(about.asker or about.channel or about.thread_ts or about.style)
    if set(about.scopes) - {PUBLIC} or (is_named and not is_open):
        caller.need(KeyScope.ASK_AS)
    *before, last = body.messages
    return Asked(
        question=last.text,
        turns=tuple(said.as_turn() for said in before if said.role in wire.SPOKEN),
        scopes=frozenset(about.scopes),
        exclude=frozenset(about.exclude),
        asker=about.asker,
        channel=about.channel,
        thread_ts=about.thread_ts,
        model=body.adapter,
        kinds=frozenset(about.kinds),
        style=about.style if KeyScope.ASK_AS in caller.scopes else "",
        request_id=request_id,
    )


async def _events(
    desk: Desk, asked: Asked, body: Completion, *, lane: str, person: str
) -> sse.Events:
    """OpenAI's chunks, or, for who does not stream, the whole answer alone."""
    pace = body.lorekeeper.pace
    async with aclosing(desk.answer(asked, lane=lane, person=person, pace=pace)) as steps:
        async for step in steps:
            if body.stream:
                yield wire.chunk(step, body.model)
            if step.answer is None:
                continue
            if not body.stream:
                yield wire.whole(step.answer, body.model, asked.spent)
            elif body.wants_usage:
                yield wire.counted(body.model, step.answer.id, asked.spent)


async def _told(events: sse.Events, request_id: str) -> sse.Events:
    """What goes wrong when the stream has begun is said in it."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except LorekeeperError as error:
            yield wire.error(f"{error.what} {error.fix}", kind=_kind(error))
        except Exception as error:
            number = error_id()
            log.error("answer failed", id=number, request=request_id, exc_info=error)
            yield wire.error(WENT_WRONG.format(number), kind="server_error")


def _embed(app: FastAPI, desk: Desk, door: Door, behind: Behind) -> None:
    @app.post("/v1/embeddings", response_model=None)
    async def embed(body: embeddings.Wanted, request: Request) -> dict[str, Any]:
        (await door.open(request)).need(KeyScope.EMBED)
        made = await run_in_threadpool(embeddings.embed, body, behind.embedder)
        desk.metrics.tokens.labels("embedded").inc(made["usage"]["total_tokens"])
        return made


def _serve_assistants(app: FastAPI, desk: Desk, door: Door) -> None:
    """MCP, where its package is installed."""
    if find_spec("mcp") is None:
        app.add_route("/mcp", _no_mcp, methods=["GET", "POST", "DELETE"])
        return
    from serving import mcp

    server = mcp.server(desk)
    app.router.routes.append(Route(mcp.PATH, mcp.Guarded(mcp.endpoint(server), door.open)))
    app.state.mcp = server


def _no_mcp(_request: Request) -> Response:
    raise Unavailable(
        "This gateway speaks no MCP.", fix="Install it with: pip install 'lorekeeper[mcp]'"
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    if not hasattr(app.state, "mcp"):
        yield
        return
    async with app.state.mcp.session_manager.run():
        yield


def _look(app: FastAPI, desk: Desk, behind: Behind) -> None:
    """What operators and their machines look at; it tells no content, so it needs no key."""

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        return behind.health()

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        missing = dict(behind.missing()) | _database_missing(desk.database)
        if missing:
            return JSONResponse({"status": "not ready", "missing": missing}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics")
    def metrics_page() -> Response:
        with reading(desk.database) as db:
            up, down = feedback.counts(db)
        desk.metrics.thumbs.labels("up").set(up)
        desk.metrics.thumbs.labels("down").set(down)
        desk.metrics.waiting.set(desk.queue.waiting)
        desk.metrics.answering.set(desk.queue.answering)
        return Response(desk.metrics.page(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        names = dict.fromkeys((ASSISTANT, BASE_NAME, *behind.adapters()))
        listed = [{"id": name, "object": "model", "owned_by": ASSISTANT} for name in names]
        return {"object": "list", "data": listed}


def _database_missing(database: Engine) -> dict[str, str]:
    try:
        with reading(database) as db:
            db.execute(select(1))
    except SQLAlchemyError as error:
        return {"database": f"It does not answer: {type(error).__name__}."}
    return {}


def _tell_errors(app: FastAPI, desk: Desk) -> None:
    """Every error in OpenAI's shape, in words, with an id where only the log has the cause."""

    @app.exception_handler(LorekeeperError)
    def refused(_request: Request, error: LorekeeperError) -> JSONResponse:
        if isinstance(error, Refusal):
            return _refused(desk, error)
        told = wire.error(f"{error.what} {error.fix}", kind=_kind(error))
        return JSONResponse(told, _status(error))

    @app.exception_handler(RequestValidationError)
    def misread(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = f"The request cannot be read at {where}: {first['msg']}."
        return JSONResponse(wire.error(said), 400)

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> JSONResponse:
        said = f"{request.method} {request.url.path}: {error.detail}."
        return JSONResponse(wire.error(said), error.status_code)

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> JSONResponse:
        number = error_id()
        log.error("request failed", id=number, request=request.state.request_id, exc_info=error)
        return JSONResponse(wire.error(WENT_WRONG.format(number), kind="server_error"), 500)


def _refused(desk: Desk, refusal: Refusal) -> JSONResponse:
    desk.metrics.refusals.labels(refusal.reason).inc()
    status, told = wire.refused(refusal)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if refusal.retry_after:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return JSONResponse(told, status, headers=headers)


def _status(error: LorekeeperError) -> int:
    if isinstance(error, chat.UnknownModel):
        return 404
    return (
        502 if isinstance(error, chat.EngineFailed) and not isinstance(error, chat.TooLong) else 400
    )


def _kind(error: LorekeeperError) -> str:
    if isinstance(error, Refusal):
        return error.kind
    return "invalid_request_error" if _status(error) < 500 else "server_error"
