"""A conversation with a caller's own tools in; the engine's chunks, its tool calls among them, out.

The request goes to the engine as it came, with what the team has said about the question in the system
prompt. What the model then wants to call is the caller's affair, so nothing of it is kept as an answer.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from lorekeeper import prompt
from lorekeeper.domain import Citation, Passage
from lorekeeper.store.rows import plain
from serving import chat, wire
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


def events(
    desk: Desk, asked: Asked, body: Completion, *, lane: str, person: str
) -> Generator[Chunk, None, None]:
    """OpenAI's chunks, or, for who does not stream, the whole completion alone.

    Raises:
        QueueFull, Unavailable: nothing was asked.
        EngineFailed: the engine is down, or refuses the request.
    """
    _refuse_unread(desk, body)
    with desk.queue.join(lane, person) as ticket:
        for before in ticket.wait(asked.gone):
            if body.stream:
                yield wire.chunk(Step(status="waiting", before=before), body.model)
        passages = desk.assistant.passages(_about(asked, body.messages))
        request = _request(desk, asked, body, passages)
        with closing(desk.assistant.relay(request)) as given:
            chunks = _named(_guarded(given, _guard(asked, body.messages, passages)), body, asked)
            made = yield from _shown(chunks, is_streamed=body.stream)
    desk.count_tokens(asked.spent)
    sources = {"lorekeeper": {"sources": [plain(one) for one in _sources(passages)]}}
    if not body.stream:
        yield made | {"usage": wire.usage(asked.spent)} | sources
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
        gone=asked.gone,
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


def _guarded(given: Iterator[Chunk], guard: Guard) -> Iterator[Chunk]:
    """The engine's chunks, their words cleaned. Tool calls follow the words: clients read them at the end."""
    held: list[Chunk] = []

    def words() -> Iterator[str]:
        for chunk in given:
            choice = chunk["choices"][0]
            delta = choice.get("delta") or {}
            yield delta.get("content") or ""
            if delta.get("tool_calls") or choice.get("finish_reason"):
                rest = {name: delta[name] for name in delta.keys() - {"content", "role"}}
                held.append(chunk | {"choices": [choice | {"delta": rest}]})

    yield _piece({"role": "assistant"})  # once: clients put together what is said twice
    for word in guard.clean(words()):
        yield _piece({"content": word})
    yield from held


def _piece(delta: dict[str, str]) -> Chunk:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def _named(chunks: Iterator[Chunk], body: Completion, asked: Asked) -> Iterator[Chunk]:
    for chunk in chunks:
        yield wire.envelope(CHUNK, body.model, asked.request_id, *chunk["choices"])


def _shown(chunks: Iterator[Chunk], *, is_streamed: bool) -> Generator[Chunk, None, dict[str, Any]]:
    """The chunks, or else, at the end, the completion that they add up to, as OpenAI's own client reads them."""
    from openai.lib.streaming.chat import ChatCompletionStreamState
    from openai.types.chat import ChatCompletionChunk

    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    made: dict[str, Any] = {}
    for chunk in chunks:
        if is_streamed:
            yield chunk
            continue
        list(state.handle_chunk(ChatCompletionChunk.model_validate(chunk)))
        made = state.current_completion_snapshot.model_dump(exclude_unset=True)
    return made | {"object": "chat.completion"}


def _sources(passages: Sequence[Passage]) -> list[Citation]:
    return [citation(number, passages) for number in range(1, len(passages) + 1)]
