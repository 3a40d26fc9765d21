"""A conversation with a caller's own tools in; the engine's chunks, its tool calls among them, out.

The request goes to the engine as it came, with what the team has said about the question in the system
prompt. What the model then wants to call is the caller's affair, so nothing of it is kept as an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from lorekeeper import prompt
from lorekeeper.domain import Citation, Passage
from lorekeeper.store.rows import plain
from serving import chat, sse, wire
from serving.answering import Desk
from serving.assistant import Asked, Step
from serving.chat import Chunk
from serving.citations import citation
from serving.guard import Guard
from serving.refusals import Unavailable
from serving.wire import Completion, Said

PASSED_ON = (
    "tools", "tool_choice", "parallel_tool_calls", "response_format", "temperature", "top_p", "seed",
    "stop", "max_completion_tokens",
)  # fmt: skip
CHUNK = "chat.completion.chunk"


async def events(
    desk: Desk, asked: Asked, body: Completion, *, lane: str, person: str
) -> sse.Events:
    """OpenAI's chunks, or, for who does not stream, the whole completion alone.

    Raises:
        QueueFull, Unavailable: nothing was asked.
        EngineFailed: the engine is down, or refuses the request.
    """
    _refuse_unread(desk, body)
    made = _Whole()
    with desk.queue.join(lane, person) as ticket:
        async with aclosing(ticket.wait()) as places:
            async for before in places:
                yield wire.chunk(Step(status="waiting", before=before), body.model)
        about = _about(asked, body.messages)
        passages = await asyncio.to_thread(desk.assistant.passages, about)
        given = desk.assistant.relay(_request(desk, asked, body, passages))
        guard = _guard(asked, body.messages, passages)
        async with aclosing(_guarded(given, guard)) as chunks:
            async for chunk in chunks:
                named = wire.envelope(CHUNK, body.model, asked.request_id, *chunk["choices"])
                if not body.stream:
                    made.add(named)
                yield named
    desk.count_tokens(asked.spent)
    sources = {"lorekeeper": {"sources": [plain(one) for one in _sources(passages)]}}
    if not body.stream:
        yield made.completion() | {"usage": wire.usage(asked.spent)} | sources
        return
    yield wire.envelope(CHUNK, body.model, asked.request_id) | sources
    if body.wants_usage:
        yield wire.counted(body.model, asked.request_id, asked.spent)


def _refuse_unread(desk: Desk, body: Completion) -> None:
    """A call that nobody reads would be shown as an answer."""
    choice = (body.model_extra or {}).get("tool_choice")
    if desk.assistant.no_tools and choice != "none":
        raise Unavailable(
            f"No tools can be called here. {desk.assistant.no_tools}",
            fix="Until then, leave `tools` out, or set `tool_choice` to `none`.",
        )


def _about(asked: Asked, messages: Sequence[Said]) -> Asked:
    """What is searched for is what a person said last; a tool's result is no question."""
    said = [message.text for message in messages if message.role == "user"]
    return replace(asked, question=said[-1] if said else "")


def _request(
    desk: Desk, asked: Asked, body: Completion, passages: Sequence[Passage]
) -> chat.Request:
    name, _ = desk.assistant.model(asked.model)
    extra = {"tools": body.tools, **(body.model_extra or {})}
    return chat.Request(
        url=desk.assistant.engine_url,
        model=name,
        messages=_messages(asked, body.messages, passages),
        max_tokens=extra.get("max_tokens"),
        patience=desk.assistant.serving.first_token_seconds,
        options={option: extra[option] for option in PASSED_ON if option in extra},
        spent=asked.spent,
        request_id=asked.request_id,
    )


def _messages(
    asked: Asked, messages: Sequence[Said], passages: Sequence[Passage]
) -> list[dict[str, Any]]:
    """The caller's own instructions, ours and the passages as one system prompt; then the rest as it came."""
    theirs = [said.text for said in messages if said.role in {"system", "developer"}]
    ours = prompt.instructions(asked.style, with_passages=bool(passages))
    system = "\n\n".join([*theirs, ours, *([prompt.sources(passages)] if passages else [])])
    rest = [_as_data(said) for said in messages if said.role not in {"system", "developer"}]
    return [{"role": "system", "content": prompt.as_text(system)}, *rest]


def _as_data(said: Said) -> dict[str, Any]:
    """As it came, but for marks by which it could speak as somebody else."""
    message = said.model_dump(exclude_unset=True)
    if isinstance(said.content, str):
        message["content"] = prompt.as_text(said.content)
    elif said.content is not None:
        message["content"] = [
            part | ({"text": prompt.as_text(part["text"])} if "text" in part else {})
            for part in message["content"]
        ]
    return message


def _guard(asked: Asked, messages: Sequence[Said], passages: Sequence[Passage]) -> Guard:
    known = [said.text for said in messages]
    known += [text for passage in passages for text in (passage.text, passage.url)]
    return Guard(known=tuple(known), instructions=prompt.instructions(asked.style))


async def _guarded(given: AsyncGenerator[Chunk, None], guard: Guard) -> AsyncGenerator[Chunk, None]:
    """The engine's chunks, their words cleaned. Tool calls follow the words: clients read them at the end."""
    held: list[Chunk] = []
    yield _piece({"role": "assistant"})  # once: clients put together what is said twice
    async with aclosing(given):
        async for chunk in given:
            choice = chunk["choices"][0]
            delta = choice.get("delta") or {}
            if words := guard.take(delta.get("content") or ""):
                yield _piece({"content": words})
            if delta.get("tool_calls") or choice.get("finish_reason"):
                rest = {name: delta[name] for name in delta.keys() - {"content", "role"}}
                held.append(chunk | {"choices": [choice | {"delta": rest}]})
    if words := guard.rest():
        yield _piece({"content": words})
    for chunk in held:
        yield chunk


def _piece(delta: dict[str, str]) -> Chunk:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


class _Whole:
    """Chunks in; the completion that they add up to, as OpenAI's own client reads them, out."""

    def __init__(self) -> None:
        from openai.lib.streaming.chat import ChatCompletionStreamState

        self._state: ChatCompletionStreamState[None] = ChatCompletionStreamState()

    def add(self, chunk: Chunk) -> None:
        from openai.types.chat import ChatCompletionChunk

        list(self._state.handle_chunk(ChatCompletionChunk.model_validate(chunk)))

    def completion(self) -> dict[str, Any]:
        made = self._state.current_completion_snapshot.model_dump(exclude_unset=True)
        return made | {"object": "chat.completion"}


def _sources(passages: Sequence[Passage]) -> list[Citation]:
    return [citation(number, passages) for number in range(1, len(passages) + 1)]
