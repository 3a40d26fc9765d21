"""Whatever ends a question to the engine is told to who asked it, and what came together is one piece."""

from __future__ import annotations

import json

import pytest

from bench.rig.pulled import pulled
from serving import chat

ASKED = chat.Request(
    url="http://127.0.0.1:9", model="base", messages=[], max_tokens=9, patience=5.0
)


def test_what_nobody_expected_is_no_silent_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_request: chat.Request) -> None:
        raise RuntimeError("bound to a different event loop")

    monkeypatch.setattr(chat, "_asked", broken)
    with pytest.raises(RuntimeError, match="different event loop"):
        list(pulled(chat.stream(ASKED)))


def test_an_engine_that_is_not_there_is_told() -> None:
    with pytest.raises(chat.EngineFailed, match="does not answer"):
        list(pulled(chat.stream(ASKED)))


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


def test_events_are_read_wherever_the_connection_cuts_them() -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}\n\n'
    sent = event("dü") + event(" da", "stop") + usage + b"data: [DONE]\n\n"
    for cut in range(len(sent)):
        spent = chat.Spent()
        told = chat._Told(spent)
        chunks = told.read(sent[:cut]) + told.read(sent[cut:])
        assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "dü da"
        assert told.is_finished
        assert (spent.prompt, spent.completion) == (7, 2)


def test_an_error_in_the_stream_is_no_end_of_an_answer() -> None:
    told = chat._Told(chat.Spent())
    assert len(told.read(event("half") + b'data: {"error": {"message": "out of memory"}}\n\n')) == 1
    assert not told.is_finished
