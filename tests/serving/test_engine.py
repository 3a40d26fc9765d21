"""An engine that cannot start says why; one that crashes is started again."""

from __future__ import annotations

import os
import shutil
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
from lorekeeper.domain import Adapter, Evaluation, Outcome, Verdict
from lorekeeper.errors import AlreadyRunning, BadInput, MissingPart, NotFound, NotReachable
from lorekeeper.up import Supervisor
from serving import engine, memory
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
    monkeypatch.setattr(engine, "_embedded", lambda *_: dies)
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


def test_vllm_gets_room_for_the_adapters_that_serve(data: Path, tiny: Path) -> None:
    python = data / "python"
    python.touch()
    wanted = settings(data, tiny, vllm_python=python, max_lora_rank=16)
    needed = memory.needs(tiny, "float32", 256)

    def flags(*ranks: int, on_gpu: bool = False) -> str:
        room = engine.slots(wanted, [adapter(rank) for rank in ranks])
        return " ".join(engine._vllm(wanted, tiny, needed, room, on_gpu=on_gpu))

    assert "--max-lora-rank 16 --max-loras 2" in flags()
    assert "--max-lora-rank 64 --max-loras 4" in flags(8, 48, 16)
    assert "--enable-prefix-caching --enable-chunked-prefill" in flags()
    assert "--max-model-len 256" in flags()
    assert "--enable-sleep-mode" not in flags(on_gpu=True)
    wanted = settings(data, tiny, vllm_python=python, share_card="yes")
    assert "--enable-sleep-mode" in flags(on_gpu=True)
    assert "--enable-sleep-mode" not in flags(on_gpu=False)


def test_the_context_is_no_longer_than_the_model_was_made_for(tiny: Path) -> None:
    assert memory.needs(tiny, "float32", 100_000).context == 256
    assert memory.needs(tiny, "float32", 128).context == 128


@pytest.mark.parametrize(
    ("named", "template", "parser"),
    [
        (
            "auto",
            "{% if tools %}<tool_call>\n{{ call | tojson }}\n</tool_call>{% endif %}",
            "hermes",
        ),
        ("pythonic", "{{ messages }}", "pythonic"),
        ("auto", "{{ messages }}", ""),
        ("none", "<tool_call>", ""),
    ],
)
def test_vllm_reads_tool_calls_in_the_form_that_the_template_teaches(
    data: Path, tiny: Path, named: str, template: str, parser: str
) -> None:
    python, model = data / "python", data / "model"
    python.touch()
    shutil.copytree(tiny, model)
    (model / "chat_template.jinja").write_text(template)
    wanted = settings(data, model, vllm_python=python, tool_parser=named)
    room = engine.slots(wanted, [])
    command = engine._vllm(wanted, model, memory.needs(model, "float32", 256), room, on_gpu=False)
    flags = f"--enable-auto-tool-choice --tool-call-parser {parser}"
    assert (flags in " ".join(command)) is bool(parser)
    assert ("--enable-auto-tool-choice" in command) is bool(parser)


def test_why_no_tools_can_be_called_is_said(data: Path, tiny: Path) -> None:
    wanted = settings(data, tiny, engine="vllm")
    assert f"chat template of {tiny.name}" in engine._no_tools(wanted, "vllm", tiny)
    assert "embedded engine" in engine._no_tools(wanted, "embedded", tiny)
    off = settings(data, tiny, tool_parser="none")
    assert "TOOL_PARSER=none" in engine._no_tools(off, "vllm", tiny)


def adapter(rank: int) -> Adapter:
    scores = Evaluation(questions=(), references=(), conversations=(), arms=(), precision="float32")
    return Adapter(
        id=rank, name=f"v{rank}", run_id=1, dataset_id=1, base_model="tiny", hash="h", folder="f",
        rank=rank, evaluation=scores, verdict=Verdict(outcome=Outcome.KEEP, reasons=()),
        created_at=0.0,
    )  # fmt: skip


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
