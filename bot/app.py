"""Settings in; the running bot out: its Bolt app, its inbox, its watcher, and its line to Slack."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.adapter.socket_mode import SocketModeHandler
from sqlalchemy import Engine

from bot import backfill, cards, comparison, files, history, listeners, reply
from bot.desk import Desk, Json, set_up
from bot.door import door
from bot.reply import Question
from bot.runs import Watcher
from lorekeeper.errors import BadInput
from lorekeeper.settings import Settings
from lorekeeper.store.events import Event

CLAIMED = "x-lorekeeper-claimed"
"""Header of a request that comes from the inbox, not from Slack. Slack's own cannot carry it: see
`keep_event`, which looks at it in Socket Mode requests only."""

SERVER_ERROR = 500


@contextmanager
def running(settings: Settings, engine: Engine) -> Iterator[Desk]:
    """The bot at work, connected to Slack, until the block ends."""
    desk = set_up(settings, engine)
    app = build(desk)
    watcher = Watcher(desk)
    desk.library.look()
    desk.inbox.start(worker(app, desk))
    with connected(app, desk):
        backfill.join_up(desk)
        watcher.start()
        try:
            yield desk
        finally:
            watcher.stop()
            desk.inbox.stop()


def build(desk: Desk) -> App:
    """The Bolt app with all its listeners."""
    app = App(
        client=desk.client,
        signing_secret=desk.settings.slack.signing_secret.get_secret_value() or None,
        token_verification_enabled=False,  # `set_up` asked already
        process_before_response=True,  # a stored event is done when its listener has returned
        listener_executor=ThreadPoolExecutor(
            max_workers=desk.settings.bot.threads, thread_name_prefix="listener"
        ),
    )
    app.use(keep_event(desk))
    listeners.register(app, desk)
    return app


def keep_event(desk: Desk) -> Callable[..., BoltResponse | None]:
    """A middleware: an event from Slack is stored, and only then acknowledged; its work comes later."""

    def keep(request: BoltRequest, next: Callable[[], BoltResponse]) -> BoltResponse | None:
        body = request.body
        if body.get("type") != "event_callback" or _is_claimed(request):
            return next()
        desk.inbox.put(body["event_id"], body, lane=lane_of(body["event"]))
        return BoltResponse(status=200, body="")

    return keep


def lane_of(event: Json) -> str | None:
    """What happens in one channel, or to one file, is worked on in the order in which it happened."""
    item = event.get("item") or {}
    channel = event.get("file_id") or event.get("channel") or item.get("channel")
    return channel.get("id") if isinstance(channel, dict) else channel


def worker(app: App, desk: Desk) -> Callable[[Event], str | None]:
    """What the inbox calls: Slack's events go to Bolt's listeners, our own to the part that asked."""
    ours = {
        "question": door(desk, _answer),
        "backfill": door(desk, _read_history),
        "import": door(desk, _import),
        "card": door(desk, _show_card),
        "file": door(desk, _look_at_file),
        "comparison": door(desk, _compare),
        "judgement": door(desk, _judge),
    }

    def work(event: Event) -> str | None:
        body = dict(event.payload)
        if not body:
            return None  # it was taken back, and its worker died before it saw that
        do = ours.get(body.get("type", ""))
        response = do(body) if do is not None else app.dispatch(_claimed_request(body))
        failed = response is not None and response.status >= SERVER_ERROR
        return f"error {response.body}" if response is not None and failed else None

    return work


@contextmanager
def connected(app: App, desk: Desk) -> Iterator[None]:
    """The line to Slack, by Socket Mode or by signed HTTP."""
    slack = desk.settings.slack
    if slack.mode == "http":
        from bot.http import serving

        with serving(app, host=slack.host, port=slack.port):
            yield
        return
    token = slack.app_token.get_secret_value()
    if not token:
        raise BadInput(
            "There is no app token for Socket Mode.",
            fix="Set LORE_SLACK__APP_TOKEN to the app's `xapp-…` token.",
        )
    # One at a time, or two events of a channel could be stored in the wrong order; storing is quick.
    handler = SocketModeHandler(app, token, concurrency=1)
    handler.client.connect()
    try:
        yield
    finally:
        # slack_sdk's threads notice within three seconds; what they still store, the next start does.
        threading.Thread(target=handler.client.close, name="slack-closing", daemon=True).start()


def _answer(desk: Desk, body: Json) -> None:
    asked = {name: value for name, value in body.items() if name != "type"}
    reply.answer(desk, Question(**asked))


def _read_history(desk: Desk, body: Json) -> None:
    backfill.read_on(desk, body["channel"])


def _import(desk: Desk, body: Json) -> None:
    history.step(desk, body["channel"])


def _show_card(desk: Desk, body: Json) -> None:
    cards.show(desk, body["pair"])


def _look_at_file(desk: Desk, body: Json) -> None:
    files.look(desk, body["file"])


def _compare(desk: Desk, body: Json) -> None:
    comparison.step(desk, body["comparison"])


def _judge(desk: Desk, body: Json) -> None:
    comparison.judge(desk, body["comparison"])


def _claimed_request(body: Json) -> BoltRequest:
    return BoltRequest(mode="socket_mode", body=body, headers={CLAIMED: "1"})


def _is_claimed(request: BoltRequest) -> bool:
    return request.mode == "socket_mode" and CLAIMED in request.headers
