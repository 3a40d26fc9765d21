"""Bodies that are too long, or never end, are refused in words before anything reads them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from serving import wire
from serving.intake import Intake
from serving.refusals import Refusal


def intake(longest: int = 100, patience: float = 5.0) -> Intake:
    app = FastAPI()

    @app.post("/")
    async def echo(request: Request) -> dict[str, Any]:
        return {"length": len(await request.body())}

    def refuse(refusal: Refusal) -> JSONResponse:
        status, told = wire.refused(refusal)
        return JSONResponse(told, status)

    return Intake(app, refuse=refuse, longest=longest, patience=patience)


def endless() -> Any:
    while True:
        yield b"x" * 10


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_body_within_the_bound_arrives_whole(length: int) -> None:
    client = TestClient(intake())
    assert client.post("/", content=b"x" * length).json() == {"length": length}


@pytest.mark.parametrize("content", [b"x" * 101, endless()])
def test_a_body_that_is_too_long_is_refused_announced_or_not(content: Any) -> None:
    told = asyncio.run(call(intake(), content))
    assert told["status"] == 413
    assert "more than 100 bytes" in told["body"]["error"]["message"]


@pytest.mark.parametrize("length", ["101", "9" * 5000])
def test_an_announced_length_is_refused_before_a_byte_is_read(length: str) -> None:
    told = asyncio.run(call(intake(), b"", headers=[(b"content-length", length.encode())]))
    assert told["status"] == 413


def test_a_body_that_does_not_end_is_refused_in_time() -> None:
    told = asyncio.run(call(intake(patience=0.05), None))
    assert told["status"] == 408
    assert "did not end" in told["body"]["error"]["message"]
    assert told["headers"][b"connection"] == b"close"


async def call(
    app: Intake, content: Any, headers: list[tuple[bytes, bytes]] | None = None
) -> dict[str, Any]:
    """One request, its body in pieces; None: a body of which nothing ever comes."""
    pieces = iter([content] if isinstance(content, bytes) else content or ())
    told: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        if content is None:
            await asyncio.Event().wait()
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.update(status=message["status"], headers=dict(message["headers"]))
        else:
            told["body"] = json.loads(message["body"])

    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers or []}
    await app(scope | {"query_string": b""}, receive, send)
    return told
