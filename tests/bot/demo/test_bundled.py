"""The bundled workspace is a well-formed export, and what it teaches is true."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

from bot.demo import bundled
from lorekeeper.slack_export import open_export

CONVERSATIONS = bundled.conversations()
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
EACH = pytest.mark.parametrize("told", CONVERSATIONS, ids=lambda told: str(told["id"]))


def test_there_are_enough_conversations_to_train_on_and_to_judge_with() -> None:
    assert len(CONVERSATIONS) >= 100
    assert len({told["id"] for told in CONVERSATIONS}) == len(CONVERSATIONS)


def test_it_reads_back_as_an_export(tmp_path: Path) -> None:
    export = open_export(bundled.write_export(tmp_path))
    public, private = export.channels
    assert (public.is_private, private.is_private) == (False, True)
    messages = list(export.messages(public))
    assert not export.problems
    assert len({message.ts for message in messages}) == len(messages)
    roots = {message.ts for message in messages}
    assert all(message.thread_ts in roots for message in messages if message.thread_ts)


def test_every_reaction_is_on_an_answer_by_someone_else(tmp_path: Path) -> None:
    export = open_export(bundled.write_export(tmp_path))
    said = {message.ts: message for message in export.messages(export.channels[0])}
    for reaction in bundled.script().reactions:
        assert said[reaction.ts].user != reaction.user


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    once, twice = (bundled.write_export(tmp_path / name) for name in ("a", "b"))
    files = sorted(path.relative_to(once) for path in once.rglob("*.json"))
    assert files
    assert all((once / name).read_bytes() == (twice / name).read_bytes() for name in files)


@EACH
def test_nobody_answers_their_own_question(told: dict[str, Any]) -> None:
    assert told["asker"] != told["by"]
    assert told["by"] not in told["kept_by"]


@EACH
def test_answers_are_short_enough_to_learn_on_a_cpu(told: dict[str, Any]) -> None:
    assert 15 <= len(told["answer"].split()) <= 110


@EACH
def test_what_the_answer_claims_is_true(told: dict[str, Any]) -> None:
    exec(told.get("check", ""), {"__name__": told["id"], "raises": _raises})
    for number, code in enumerate(CODE.findall(told["answer"])):
        if ">>> " not in code:
            compile(code, told["id"], "exec")
            continue
        example = doctest.DocTestParser().get_doctest(code, {}, f"{told['id']}-{number}", None, 0)
        report: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
            example, out=report.append
        )
        assert not report, "".join(report)


def _raises(kind: type[BaseException], code: str) -> None:
    """For the checks beside the answers: running `code` must end in `kind`."""
    with pytest.raises(kind):
        exec(code, {"__name__": "code"})
