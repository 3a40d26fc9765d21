"""A workspace in; a running Slack on this machine's loopback, with tokens for the app and a page for people, out."""

from __future__ import annotations

import socket
import threading
from typing import Any, Protocol

import uvicorn

from bot.playground import manifest as manifests
from bot.playground.acts import Acts
from bot.playground.api import WebApi
from bot.playground.clocks import Alarms, Clock
from bot.playground.delivery import Delivery
from bot.playground.http_delivery import SignedHttp
from bot.playground.member import Member
from bot.playground.records import App, Json
from bot.playground.seats import InProcess
from bot.playground.sockets import Sockets
from bot.playground.tiers import Tiers
from bot.playground.web import build
from bot.playground.workspace import Workspace

HOST = "127.0.0.1"


class SocketApp(Protocol):
    """slack_bolt's SocketModeHandler."""

    client: Any

    def close(self) -> Any: ...


class Playground:
    """A Slack workspace in a box.

    >>> with Playground() as slack:  # doctest: +SKIP
    ...     client = WebClient(token=slack.bot_token, base_url=slack.api_url)
    """

    def __init__(self, workspace: Workspace | None = None, *, clock: Clock | None = None) -> None:
        self.workspace = workspace or Workspace(clock=clock)
        self.tiers = Tiers()
        self.sockets = Sockets()
        self._alarms = Alarms()
        self._http = SignedHttp(self.workspace.clock)
        self.delivery = Delivery(self.sockets, self._http, self._alarms)
        self.workspace.deliver = self.delivery.event
        self.acts = Acts(self.workspace, self.delivery)
        api = WebApi(workspace=self.workspace, tiers=self.tiers)
        self._site = build(self.workspace, api, self.sockets, self.acts)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    # The app's side

    def install(self, manifest: Json | None = None, *, name: str | None = None) -> App:
        """Install an app; with its manifest it has those scopes, events, commands and shortcuts."""
        return manifests.install(self.workspace, manifest, name=name)

    @property
    def app(self) -> App:
        """The first installed app; one without a manifest is installed if there is none."""
        if not self.workspace.apps:
            self.install()
        return next(iter(self.workspace.apps.values()))

    @property
    def bot_token(self) -> str:
        return self.app.bot_token

    @property
    def app_token(self) -> str:
        return self.app.app_token

    @property
    def signing_secret(self) -> str:
        return self.app.signing_secret

    @property
    def bot_user(self) -> str:
        return self.app.bot_user

    def send_by_http(self, url: str, *, verify: bool = True, app: App | None = None) -> None:
        """From now on events, interactions and commands are POSTed to `url`, signed.

        Raises Refused(url_verification_failed) unless the app answers Slack's challenge.
        """
        app = app or self.app
        if verify:
            self._http.verify_url(app, url)
        app.events_url = app.interactivity_url = url

    def hang_up(self, *handlers: SocketApp) -> None:
        """Close slack_bolt's Socket Mode handlers quickly.

        slack_sdk waits up to three seconds in a read when it is closed, unless the other side
        hangs up first; then its threads may both close the socket and one of them stumbles.
        """
        self.delivery.wait_until_quiet()
        for handler in handlers:
            handler.client.auto_reconnect_enabled = False
        self.sockets.close()
        for handler in handlers:
            try:
                handler.close()
            except AttributeError:
                handler.close()

    # The people's side

    def member(self, name: str) -> Member:
        """A person of the workspace, by name or id."""
        return Member(InProcess(acts=self.acts, me=self.workspace.user(name).id))

    # The server

    @property
    def port(self) -> int:
        return int(self.page_url.rsplit(":", 1)[1].strip("/"))

    @property
    def page_url(self) -> str:
        return self.workspace.base_url

    @property
    def api_url(self) -> str:
        """What slack_sdk takes as `base_url`."""
        return f"{self.workspace.base_url}api/"

    def start(self, port: int = 0) -> Playground:
        """Serve on 127.0.0.1 from a thread of its own; `port` 0 takes a free one."""
        listening = socket.create_server((HOST, port), backlog=128)
        port = listening.getsockname()[1]
        self.workspace.base_url = f"http://{HOST}:{port}/"
        config = uvicorn.Config(
            self._site,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="playground-server", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        self.workspace.show("stopped")
        self.sockets.close()
        self._alarms.close()
        self._http.close()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10)

    def __enter__(self) -> Playground:
        return self if self._thread is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
