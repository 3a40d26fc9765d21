"""The command loads a part only when it is asked for, and ends errors in plain words."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from lorekeeper import cli, reference
from lorekeeper.settings import sections


def loaded_after(code: str) -> set[str]:
    """The modules in memory after running `code` in a fresh interpreter."""
    script = f"{code}\nimport sys; print(chr(10).join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_help_loads_no_part() -> None:
    heavy = {"torch", "fastapi", "sqlalchemy", "slack_bolt", "pydantic", "rich", "typer"}
    assert not heavy & loaded_after("from lorekeeper import cli; cli.main(['--help'])")


def test_the_bot_never_loads_torch() -> None:
    parts = "import bot.app, bot.cli, bot.demo.cli, bot.commands, builder.retrain"
    assert "torch" not in loaded_after(parts)


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_every_command_is_there(command: cli.Command) -> None:
    assert callable(getattr(import_module(command.module), command.function))


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["serv"])
    assert ended.value.code == 2
    assert "lore serve" in capsys.readouterr().err


def test_errors_are_two_sentences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORE_TRAIN__HELDOUT", "lots")
    with pytest.raises(SystemExit) as ended:
        cli.main(["settings"])
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert "train.heldout" in told
    assert "LORE_TRAIN__HELDOUT" in told


def test_the_reference_is_fresh_and_every_setting_is_explained() -> None:
    for name, text in reference.pages().items():
        assert (reference.ROOT / name).read_text(encoding="utf-8") == text, f"{name}: `make docs`"
    for kind in sections().values():
        assert all(info.description for info in kind.model_fields.values())
