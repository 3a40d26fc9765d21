"""A listener in; the same listener out, whose every failure is logged under an id and told to the person."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from slack_bolt import Ack, BoltResponse
from slack_sdk.errors import SlackApiError

from bot.desk import Desk, Json
from bot.tell import apology, place_of, respond, whisper, words_of
from lorekeeper.errors import LorekeeperError
from lorekeeper.telemetry import error_id

log = structlog.get_logger(__name__)

EXPIRED = {"expired_trigger_id", "exchanged_trigger_id", "trigger_expired", "trigger_exchanged"}
TOO_LATE = (
    ":hourglass: I was too slow for Slack to open that. Nothing was changed; please do it again."
)

Listener = Callable[[Desk, Json], Any]


def door(desk: Desk, listener: Listener) -> Callable[[Json], BoltResponse | None]:
    """What Bolt calls. An error that a person can fix is told in its own words; another with an id."""

    @wraps(listener, updated=())
    def guarded(body: Json) -> BoltResponse | None:
        try:
            listener(desk, body)
        except LorekeeperError as error:
            _tell(desk, body, words_of(error))
        except Exception as error:
            if _is_too_late(error):
                _tell(desk, body, TOO_LATE)
                return None
            failure = error_id()
            log.exception("listener failed", listener=listener.__name__, error_id=failure)
            _tell(desk, body, apology(failure))
            return BoltResponse(status=500, body=failure)
        return None

    del guarded.__wrapped__  # Bolt would read the wrong signature
    return guarded


def _is_too_late(error: Exception) -> bool:
    """Slack opens a modal within three seconds of the press, and once."""
    return isinstance(error, SlackApiError) and error.response["error"] in EXPIRED


def acknowledge(ack: Ack) -> None:
    """What Slack hears at once about a button, a modal, a shortcut or a command; the work follows."""
    ack()


def _tell(desk: Desk, body: Json, text: str) -> None:
    channel, user, thread = place_of(body)
    if not user or user == desk.me.user:
        return
    try:
        if body.get("response_url"):
            respond(body, text)
            return
        whisper(desk, channel=channel, user=user, thread_ts=thread, text=text)
    except (SlackApiError, LorekeeperError, OSError) as error:
        log.error("the person could not be told", user=user, refusal=str(error))
