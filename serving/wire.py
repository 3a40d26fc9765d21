"""OpenAI's requests and answers as they travel, with our own field beside theirs; nothing is decided here."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lorekeeper.domain import PUBLIC, Answer, PassageKind
from lorekeeper.prompt import Turn
from lorekeeper.store.rows import plain
from serving.assistant import Step
from serving.chat import Spent
from serving.refusals import Refusal

ASSISTANT = "lorekeeper"
SPOKEN = {"user", "assistant"}  # a caller's system prompt is not this assistant's


def whole_characters(text: str) -> str:
    """Half of a surrogate pair is no text: neither the database nor an engine takes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no character") from None
    return text


Text = Annotated[str, AfterValidator(whole_characters)]


class About(BaseModel):
    """Who asks, where, and what may be quoted."""

    scopes: list[Text] = [PUBLIC]
    exclude: list[Text] = []
    asker: Text = ""
    channel: Text = ""
    thread_ts: Text | None = None
    kinds: list[PassageKind] = list(PassageKind)
    style: Text = ""
    pace: float = Field(default=0.0, ge=0, le=10)  # seconds between pieces after the first one


class Part(BaseModel):
    """A part of a message; only text is read here."""

    model_config = ConfigDict(extra="allow")

    type: str
    text: Text = ""


class Said(BaseModel):
    """One message of the conversation. What else it holds, such as tool calls, is kept as it is."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.type == "text")

    def as_turn(self) -> Turn:
        return Turn(role=self.role, content=self.text)


class StreamOptions(BaseModel):
    include_usage: bool = False


class Completion(BaseModel):
    """OpenAI's chat completion request, with our own field beside it.

    How the model samples is the assistant's affair: `temperature` and its like are taken and not
    used, but where the caller brings `tools`.
    """

    model_config = ConfigDict(extra="allow")

    model: Text = ASSISTANT
    messages: list[Said] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] = []
    lorekeeper: About = About()

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def adapter(self) -> str | None:
        """The model that was named; None: the assistant with what is current."""
        return None if self.model == ASSISTANT else self.model


def chunk(step: Step, model: str) -> dict[str, Any]:
    """One `chat.completion.chunk`."""
    ours: dict[str, Any] = {"answer": plain(step.answer)} if step.answer else {}
    if step.status:
        ours = {"status": step.status, "scopes": step.scopes}
        ours |= {"before": step.before} if step.before is not None else {}
    delta: dict[str, Any] = {"content": step.text} if step.text else {}
    if step.answer is not None and step.answer.citations:
        delta["annotations"] = url_citations(step.answer)
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if step.answer else None}
    body = envelope("chat.completion.chunk", model, step.answer.id if step.answer else "", choice)
    return body | ({"lorekeeper": ours} if ours else {})


def whole(answer: Answer, model: str, spent: Spent) -> dict[str, Any]:
    """The `chat.completion`."""
    message = {
        "role": "assistant",
        "content": answer.text,
        "annotations": url_citations(answer),
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = envelope("chat.completion", model, answer.id, choice)
    return body | {"usage": usage(spent), "lorekeeper": {"answer": plain(answer)}}


def counted(model: str, answer_id: str, spent: Spent) -> dict[str, Any]:
    """The last chunk for those who asked for the usage."""
    return envelope("chat.completion.chunk", model, answer_id) | {"usage": usage(spent)}


def usage(spent: Spent) -> dict[str, int]:
    """What the engine read and wrote; zeros where it was not asked."""
    return {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.completion,
        "total_tokens": spent.prompt + spent.completion,
    }


def url_citations(answer: Answer) -> list[dict[str, Any]]:
    """OpenAI's `url_citation`, one for each place where a number stands in the text."""
    found = []
    for citation in answer.citations:
        mark = f"[{citation.number}]"
        for place in re.finditer(re.escape(mark), answer.text):
            about: dict[str, Any] = {"start_index": place.start(), "end_index": place.end()}
            about |= {"url": citation.url, "title": citation.title}
            found.append({"type": "url_citation", "url_citation": about})
    return found


def envelope(kind: str, model: str, answer_id: str, *choices: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{answer_id}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": list(choices),
    }


def refused(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """The status and the body of a refusal."""
    return refusal.status, error(f"{refusal.what} {refusal.fix}", kind=refusal.kind)


def error(text: str, *, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": text, "type": kind, "code": None}}
