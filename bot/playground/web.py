"""HTTP and websocket requests in; the Web API, Socket Mode, the member API and the page out."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from bot.playground.acts import Acts
from bot.playground.api import WebApi
from bot.playground.files import File
from bot.playground.guard import Guard
from bot.playground.records import Json, Refused
from bot.playground.sockets import Connection, Sockets
from bot.playground.workspace import Notice, Workspace

PAGE = Path(__file__).parent / "page"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif"}
"""What the page shows in place; nothing that could hold a script, such as SVG."""


def build(workspace: Workspace, api: WebApi, sockets: Sockets, acts: Acts) -> FastAPI:
    """The whole site, for requests to this machine's loopback names only."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard)
    _web_api(app, workspace, api)
    _socket_mode(app, workspace, sockets)
    _responses(app, acts)
    _uploads(app, workspace, api)
    sessions: set[str] = set()
    _member_api(app, workspace, acts, sessions)
    _page(app, sessions)
    return app


def _web_api(app: FastAPI, workspace: Workspace, api: WebApi) -> None:
    @app.api_route("/api/{method}", methods=["GET", "POST"])
    async def call(method: str, request: Request) -> Response:
        body = await request.body()
        try:
            args = _arguments(request, body)
        except Refused as refused:
            return JSONResponse(refused.answer())
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        token = token or str(args.pop("token", ""))
        args.pop("token", None)
        status, headers, answer = await run_in_threadpool(api.answer, method, token, args)
        return JSONResponse(answer, status_code=status, headers=headers)


def _arguments(request: Request, body: bytes) -> Json:
    """Raises Refused(invalid_json | json_not_object | invalid_form_data)."""
    args: Json = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            sent = json.loads(body or b"{}")
        except ValueError:
            raise Refused("invalid_json") from None
        if not isinstance(sent, dict):
            raise Refused("json_not_object")
        return args | sent
    if kind.startswith("multipart/"):
        raise Refused("invalid_form_data")
    try:
        return args | dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        raise Refused("invalid_charset") from None


def _socket_mode(app: FastAPI, workspace: Workspace, sockets: Sockets) -> None:
    @app.websocket("/link/")
    async def link(websocket: WebSocket) -> None:
        app_id = workspace.tickets.pop(websocket.query_params.get("ticket", ""), None)
        if app_id is None:
            await websocket.close(code=4403)
            return
        await websocket.accept()
        connection = Connection(app_id=app_id, loop=asyncio.get_running_loop())
        if not sockets.opened(connection):
            await websocket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await websocket.close()
            return
        writer = asyncio.create_task(_write(websocket, connection))
        try:
            while True:
                sockets.received(await websocket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            # RuntimeError: starlette says so when the writer closed it first.
            pass
        finally:
            sockets.closed(connection)
            connection.put(None)
            await writer


async def _write(websocket: WebSocket, connection: Connection) -> None:
    try:
        while (message := await connection.outgoing.get()) is not None:
            await websocket.send_text(json.dumps(message))
        await websocket.close()
    except (WebSocketDisconnect, RuntimeError):
        return


def _responses(app: FastAPI, acts: Acts) -> None:
    @app.post("/response/{key}")
    async def respond(key: str, request: Request) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                raise Refused("invalid_payload", status=400)
            await run_in_threadpool(acts.interactions.responses.use, key, body)
        except ValueError:
            return PlainTextResponse("invalid_payload", status_code=400)
        except Refused as refused:
            status = refused.status if refused.status != 200 else 400
            return JSONResponse(refused.answer(), status_code=status)
        return PlainTextResponse("ok")


def _uploads(app: FastAPI, workspace: Workspace, api: WebApi) -> None:
    @app.post("/upload/{file_id}/{key}")
    async def upload(file_id: str, key: str, request: Request) -> Response:
        content = await request.body()
        try:
            workspace.files.receive(file_id, key, content)
        except Refused as refused:
            return PlainTextResponse(refused.code, status_code=404)
        return PlainTextResponse(f"OK - {len(content)}")

    @app.get("/files-pri/{place}/{rest:path}")
    def private(place: str, rest: str, request: Request) -> Response:
        """The bytes, for a token that may read the file; anybody else is sent to sign in, as Slack does."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        try:
            app = api.app_of(token)
            if not app.may("files:read"):
                raise Refused("missing_scope")
            file = workspace.files.seen_by(place.rpartition("-")[2], app)
        except Refused:
            return RedirectResponse(f"/?redir={request.url.path}", status_code=302)
        return _file(file)

    @app.get("/files/{user}/{file_id}/{key}")
    def download(user: str, file_id: str, key: str) -> Response:
        try:
            file = workspace.files.get(file_id)
        except Refused as refused:
            return PlainTextResponse(refused.code, status_code=404)
        if not secrets.compare_digest(file.key, key):
            return PlainTextResponse("file_not_found", status_code=404)
        return _file(file)


def _file(file: File) -> Response:
    suffix = Path(file.name).suffix.lower()
    kind = "text/html" if file.is_canvas else _PICTURES.get(suffix, "application/octet-stream")
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(file.content, media_type=kind, headers=headers)


def _member_api(app: FastAPI, workspace: Workspace, acts: Acts, sessions: set[str]) -> None:
    def known(token: str) -> bool:
        return token in sessions

    @app.post("/member/act")
    async def act(request: Request) -> Response:
        if not known(request.headers.get("x-playground-session", "")):
            return JSONResponse({"ok": False, "error": "no_session"}, status_code=403)
        try:
            body = json.loads(await request.body())
            me, name, args = str(body["me"]), str(body["act"]), dict(body.get("args") or {})
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"ok": False, "error": "invalid_json"}, status_code=400)
        try:
            result = await run_in_threadpool(acts.do, me, name, args)
        except Refused as refused:
            return JSONResponse(refused.answer())
        return JSONResponse({"ok": True, "result": result})

    @app.get("/member/changes")
    async def changes(request: Request, after: int = 0, timeout: float = 20.0) -> Response:
        if not known(request.headers.get("x-playground-session", "")):
            return JSONResponse({"ok": False, "error": "no_session"}, status_code=403)
        wait = min(timeout, 20.0)
        version = await run_in_threadpool(workspace.wait_for_change, after, wait)
        return JSONResponse({"ok": True, "version": version})

    @app.get("/member/live")
    async def live(me: str, session: str) -> Response:
        if not known(session):
            return JSONResponse({"ok": False, "error": "no_session"}, status_code=403)
        stream = _notices(workspace, me)
        return StreamingResponse(stream, media_type="text/event-stream")


async def _notices(workspace: Workspace, me: str) -> AsyncIterator[str]:
    """Server-sent events: what changed, without its content; the page asks for that."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Notice] = asyncio.Queue()

    def watcher(notice: Notice) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, notice)

    workspace.watchers.append(watcher)
    try:
        yield "event: hello\ndata: {}\n\n"
        while True:
            notice = await queue.get()
            if notice.what == "stopped":
                return
            if _concerns(workspace, notice, me):
                data = {"what": notice.what, "channel": notice.channel, "ts": notice.ts}
                yield f"data: {json.dumps(data)}\n\n"
    finally:
        workspace.watchers.remove(watcher)


def _concerns(workspace: Workspace, notice: Notice, me: str) -> bool:
    if notice.user not in (None, me):
        return False
    room = workspace.channels.get(notice.channel or "")
    return room is None or room.kind == "public" or me in room.members


def _page(app: FastAPI, sessions: set[str]) -> None:
    def index() -> Response:
        token = secrets.token_urlsafe(24)
        sessions.add(token)
        html = (PAGE / "index.html").read_text(encoding="utf-8").replace("{{session}}", token)
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return HTMLResponse(html, headers=headers | {"Cache-Control": "no-store"})

    @app.get("/")
    def home() -> Response:
        return index()

    @app.get("/archives/{place:path}")
    def permalink(place: str) -> Response:
        return index()

    @app.get("/page/{name}")
    def asset(name: str) -> Response:
        names = {path.name for path in PAGE.iterdir()}
        kind = _TYPES.get(Path(name).suffix)
        if name not in names or kind is None:
            return PlainTextResponse("not found", status_code=404)
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        return Response((PAGE / name).read_bytes(), media_type=kind, headers=headers)
