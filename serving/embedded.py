"""A base model's folder in; a small server with vLLM's OpenAI-compatible surface, adapters included, out.

For a first try and for tests: transformers and peft in one process, which computes what waits together.
`python -m serving.embedded --model FOLDER --port N --dtype float32`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from lorekeeper.domain import BASE_NAME
from serving import sse
from serving.local import LocalModel, NoNumbers, Piece, Wanted


class Question(BaseModel):
    """The part of OpenAI's request that is understood; the rest is left alone."""

    model: str = BASE_NAME
    messages: list[dict[str, Any]]
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    stop: str | list[str] | None = None
    stream: bool = False
    logprobs: bool = False  # of a whole answer


class LoadAdapter(BaseModel):
    lora_name: str
    lora_path: Path


class UnloadAdapter(BaseModel):
    lora_name: str


def app(model: LocalModel) -> FastAPI:
    """The surface: health, models, chat completions, loading and unloading of adapters."""
    api = FastAPI(title="Lorekeeper's embedded engine", docs_url=None, redoc_url=None)

    @api.get("/health")
    def health() -> Response:
        return Response()

    @api.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [_card(name, model) for name in model.names()]}

    @api.post("/v1/chat/completions", response_model=None)
    async def complete(question: Question) -> Response:
        if question.model not in model.names():
            return refusal(404, f"The model `{question.model}` does not exist.", "NotFoundError")
        try:
            wanted = await asyncio.to_thread(_wanted, question, model)
        except ValueError as error:
            return refusal(400, str(error), "BadRequestError")
        if question.stream:
            return sse.respond(_chunks(model, wanted))
        try:
            return JSONResponse(await _whole(model, wanted, likelihoods=question.logprobs))
        except KeyError:
            return refusal(404, f"The model `{question.model}` does not exist.", "NotFoundError")
        except NoNumbers as error:
            return refusal(500, str(error), "InternalServerError")

    @api.post("/v1/load_lora_adapter", response_model=None)
    def load(wanted: LoadAdapter) -> Response:
        if wanted.lora_name in model.names():
            return refusal(400, f"{wanted.lora_name} is loaded already.", "InvalidUserInput")
        try:
            model.load(wanted.lora_name, wanted.lora_path)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            said = f"{wanted.lora_name} cannot be loaded: {error}"
            return refusal(400, said, "BadRequestError")
        return Response(f"Success: LoRA adapter '{wanted.lora_name}' added successfully.")

    @api.post("/v1/unload_lora_adapter", response_model=None)
    def unload(wanted: UnloadAdapter) -> Response:
        if wanted.lora_name == BASE_NAME or wanted.lora_name not in model.names():
            return refusal(404, f"No adapter {wanted.lora_name} is loaded.", "NotFoundError")
        model.unload(wanted.lora_name)
        return Response(f"Success: LoRA adapter '{wanted.lora_name}' removed successfully.")

    return api


def refusal(status: int, message: str, kind: str) -> JSONResponse:
    """An error as OpenAI's clients read it."""
    body = {"message": message, "type": kind, "param": None, "code": status}
    return JSONResponse({"error": body}, status_code=status)


def chunk(key: str, model: str, delta: Mapping[str, str], finish: str | None) -> dict[str, Any]:
    """One `chat.completion.chunk`."""
    return {
        "id": key,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish}],
    }


def _wanted(question: Question, model: LocalModel) -> Wanted:
    """Raises ValueError when the conversation leaves no room for an answer."""
    stops = [question.stop] if isinstance(question.stop, str) else question.stop or []
    return model.prepare(
        name=question.model,
        messages=question.messages,
        max_tokens=question.max_completion_tokens or question.max_tokens,
        temperature=question.temperature,
        stops=tuple(stop for stop in stops if stop),
    )


async def _chunks(model: LocalModel, wanted: Wanted) -> sse.Events:
    key = f"chatcmpl-{uuid.uuid4().hex}"
    yield chunk(key, wanted.name, {"role": "assistant", "content": ""}, None)
    async with aclosing(model.write(wanted)) as pieces:
        async for piece in pieces:
            delta = {"content": piece.text} if piece.text else {}
            yield chunk(key, wanted.name, delta, piece.finish)


async def _whole(model: LocalModel, wanted: Wanted, *, likelihoods: bool) -> dict[str, Any]:
    pieces: list[Piece] = [piece async for piece in model.write(wanted)]
    message = {"role": "assistant", "content": "".join(piece.text for piece in pieces)}
    written = pieces[-1].tokens
    choice: dict[str, Any] = {"message": message, "finish_reason": pieces[-1].finish}
    if likelihoods:
        told = [{"logprob": likelihood} for likelihood in pieces[-1].likelihoods]
        choice["logprobs"] = {"content": told}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": wanted.name,
        "choices": [{"index": 0, **choice}],
        "usage": {
            "prompt_tokens": wanted.length,
            "completion_tokens": written,
            "total_tokens": wanted.length + written,
        },
    }


def _card(name: str, model: LocalModel) -> dict[str, Any]:
    parent = None if name == BASE_NAME else BASE_NAME
    return {
        "id": name,
        "object": "model",
        "owned_by": "lorekeeper",
        "parent": parent,
        "root": str(model.folder(name)),
        "max_model_len": model.window,
    }


def main() -> None:
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m serving.embedded")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--max-model-len", type=int, default=2048)
    given = parser.parse_args()
    model = LocalModel(given.model, dtype=given.dtype, window=given.max_model_len)
    uvicorn.run(app(model), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
