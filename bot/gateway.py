"""A question and what may be quoted in; pieces of the answer from the gateway, as they are written, out."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from lorekeeper.domain import PUBLIC, Answer, PassageKind
from lorekeeper.errors import BadInput, NotReachable
from lorekeeper.prompt import Turn
from lorekeeper.settings import Serving
from lorekeeper.store.rows import revive

if TYPE_CHECKING:
    from openai import OpenAI

ASSISTANT = "lorekeeper"

PACE = 0.5  # seconds between pieces; Slack takes one a second
PATIENCE = 30.0  # seconds beyond the engine's own limit, after which the gateway counts as gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of an answer on its way: words, or what is being done, or at the end the whole of it."""

    text: str = ""
    status: str = ""
    before: int = 0  # with the status "waiting": how many questions are before this one
    scopes: tuple[str, ...] = ()  # with the status "writing": of what the answer is made from
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question as the gateway takes it."""

    turns: Sequence[Turn]  # the question is the last one
    scopes: frozenset[str]
    asker: str
    channel: str
    thread_ts: str | None = None
    exclude: frozenset[str] = frozenset()  # conversations that are not to be quoted
    model: str = ASSISTANT
    kinds: Sequence[PassageKind] = tuple(PassageKind)
    style: str = ""


def ask(settings: Serving, asking: Asking) -> Generator[Piece, None, None]:
    """Stream the answer. Closing the iterator stops the engine.

    Raises:
        NotReachable: the gateway does not answer, breaks off, or has too much to do.
        BadInput: the gateway refuses the key or the question.
    """
    import openai

    try:
        with _client(settings).chat.completions.create(
            model=asking.model,
            messages=_messages(asking.turns),
            stream=True,
            extra_body={"lorekeeper": _about(_allowed(settings, asking))},
        ) as stream:
            for chunk in stream:
                yield _piece(chunk)
    except (openai.APIConnectionError, openai.InternalServerError) as error:
        raise NotReachable(
            "I cannot answer right now: the answering service does not answer.",
            fix="Try again in a minute; whoever runs me can look at `lore serve`.",
        ) from error
    except openai.RateLimitError as error:
        raise NotReachable(
            f"I cannot answer right now. {_reason(error)}", fix="Nothing was asked yet."
        ) from error
    except openai.APIStatusError as error:
        raise BadInput(
            f"The answering service refuses the question: {_reason(error)}.",
            fix="Whoever runs me can compare LORE_SERVING__GATEWAY_KEY on both sides.",
        ) from error


def adapters(settings: Serving) -> list[str]:
    """Names of the models that can be asked now, the base among them.

    Raises:
        NotReachable: the gateway does not answer.
    """
    import openai

    try:
        return [model.id for model in _client(settings).models.list()]
    except openai.OpenAIError as error:
        raise NotReachable(
            "The answering service does not answer.",
            fix="Whoever runs me can look at `lore serve`.",
        ) from error


def _client(settings: Serving) -> OpenAI:
    key = settings.gateway_key.get_secret_value() or "none"
    return _connect(settings.gateway_url, key, settings.first_token_seconds + PATIENCE)


@cache
def _connect(url: str, key: str, timeout: float) -> OpenAI:
    from openai import OpenAI

    return OpenAI(base_url=f"{url}/v1", api_key=key, timeout=timeout, max_retries=1)


def _messages(turns: Sequence[Turn]) -> Any:
    """OpenAI's types have a class for each role; ours is one."""
    return [dict(turn) for turn in turns]


def _allowed(settings: Serving, asking: Asking) -> Asking:
    """Without the gateway's key, nobody may ask for more than what is public; nor does the bot."""
    if settings.gateway_key.get_secret_value():
        return asking
    return replace(asking, scopes=asking.scopes & {PUBLIC})


def _about(asking: Asking) -> dict[str, Any]:
    return {
        "scopes": sorted(asking.scopes),
        "exclude": sorted(asking.exclude),
        "asker": asking.asker,
        "channel": asking.channel,
        "thread_ts": asking.thread_ts,
        "kinds": list(asking.kinds),
        "style": asking.style,
        "pace": PACE,
    }


def _piece(chunk: Any) -> Piece:
    """Beside OpenAI's fields, a chunk may carry our own."""
    text = chunk.choices[0].delta.content if chunk.choices else ""
    ours = (chunk.model_extra or {}).get("lorekeeper") or {}
    answer = revive(Answer, ours["answer"]) if ours.get("answer") else None
    return Piece(
        text=text or "",
        status=ours.get("status", ""),
        before=ours.get("before", 0),
        scopes=tuple(ours.get("scopes", ())),
        answer=answer,
    )


def _reason(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or body.get("detail") or error.status_code)
