"""An engine that cannot start says why; one that crashes is started again."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from bot.demo.stage import free_port
from lorekeeper import hardware
from lorekeeper import settings as config
from lorekeeper.errors import AlreadyRunning, BadInput, MissingPart, NotFound, NotReachable
from lorekeeper.up import Supervisor
from serving import engine, plan
from serving.fake_engine import FakeEngine


def settings(data: Path, tiny: Path, **serving: object) -> config.Settings:
    asked = {"engine": "embedded", "engine_port": free_port(), "context_tokens": 256}
    return config.Settings(
        store=config.Store(data=data),
        models=config.Models(base=str(tiny)),
        serving=config.Serving.model_validate(asked | serving),
    )


def test_a_taken_port_is_told(data: Path, tiny: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AlreadyRunning, match=str(port)):
            engine.start(settings(data, tiny, engine_port=port), data)


def test_a_missing_vllm_is_told(data: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(data))
    wanted = settings(data, tiny, engine="vllm", vllm_python=data / "python")
    with pytest.raises(MissingPart, match="vLLM is not installed") as told:
        engine.start(wanted, data)
    assert "make vllm" in told.value.fix


def test_an_engine_elsewhere_that_is_down_is_told(data: Path, tiny: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NotReachable, match=url):
        engine.start(settings(data, tiny, engine_url=url), data)


def test_an_engine_that_dies_says_why(
    data: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = [sys.executable, "-c", "raise SystemExit('too little memory')"]
    monkeypatch.setattr(plan, "_embedded", lambda *_: dies)
    with pytest.raises(NotReachable, match="too little memory"):
        engine.start(settings(data, tiny), data)


def test_a_model_path_that_is_not_there_is_told(data: Path, tiny: Path) -> None:
    wanted = settings(data, tiny).model_copy(update={"models": config.Models(base="/no/model")})
    with pytest.raises(NotFound, match="/no/model"):
        engine.start(wanted, data)


def test_too_little_memory_is_told_before_anything_is_loaded(
    data: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "free_memory", lambda: 1000)
    with pytest.raises(BadInput, match=r"needs 0\.0 GiB with 256 tokens"):
        engine.start(settings(data, tiny), data)
    assert not (data / "logs").exists()


def test_an_engine_without_sleep_mode_is_stopped_and_started(data: Path, tiny: Path) -> None:
    running = engine.start(settings(data, tiny), data, asleep=True)
    assert running.supervisor is not None
    watch = threading.Thread(target=running.keep_up)
    watch.start()
    try:
        assert not running.is_up()
        running.wake()
        first = running.supervisor.pid("engine")
        assert running.is_up()
        running.sleep()
        assert not running.is_up()
        running.wake()
        assert running.is_up()
        assert running.supervisor.pid("engine") != first
    finally:
        running.stop()
        watch.join()


def test_vllm_sleeps_and_keeps_its_process(data: Path) -> None:
    with FakeEngine() as fake, Supervisor(data / "logs") as supervisor:
        supervisor.start(
            "engine", [sys.executable, "-c", "import threading; threading.Event().wait()"], {}
        )
        made = engine.RunningEngine(kind="vllm", url=fake.url, supervisor=supervisor, sleeps=True)
        made.sleep()
        assert fake.is_asleep
        made.wake()
        assert not fake.is_asleep


def test_an_engine_that_was_up_and_hangs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeEngine() as fake:
        is_hung = engine._Hung(engine.RunningEngine(kind="vllm", url=fake.url))
        assert not is_hung(1)
    monkeypatch.setattr(engine, "HANGS", -1.0)
    assert not is_hung(2)  # another process, which is only starting
    assert is_hung(1)


def test_a_crashed_engine_comes_back(data: Path, tiny: Path) -> None:
    running = engine.start(settings(data, tiny), data)
    watch = threading.Thread(target=running.keep_up)
    watch.start()
    try:
        assert running.supervisor is not None
        first = running.supervisor.pid("engine")
        os.killpg(first, signal.SIGKILL)
        for _ in range(1200):
            if running.supervisor.pid("engine") != first and running.is_up():
                break
            time.sleep(0.1)
        assert running.supervisor.pid("engine") != first
        assert running.is_up()
    finally:
        running.stop()
        watch.join()
