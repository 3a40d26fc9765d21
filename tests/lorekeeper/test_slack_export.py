"""Exports are read as Slack writes them, and refused clearly when they are not exports."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lorekeeper.errors import BadInput
from lorekeeper.slack_export import open_export

CHANNEL = {"id": "C1", "name": "help", "members": ["U1"]}
USERS = [{"id": "U1", "name": "ann", "profile": {"real_name": "Ann"}}]


def write(path: Path, files: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            target.writestr(name, text)
    return path


def export(path: Path, **days: Any) -> Path:
    files: dict[str, Any] = {"channels.json": [CHANNEL], "users.json": USERS}
    for day, messages in days.items():
        files[f"help/2026-01-{day[1:]}.json"] = messages
    return write(path, files)


def message(ts: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "user": "U1", "text": "x", "ts": ts, **more}


def test_days_come_in_order_and_threads_span_them(tmp_path: Path) -> None:
    opened = open_export(
        export(
            tmp_path / "e.zip",
            d02=[message("2.0", thread_ts="1.0")],
            d01=[message("1.0", thread_ts="1.0")],
        )
    )
    read = list(opened.messages(opened.channels[0]))
    assert [m.ts for m in read] == ["1.0", "2.0"]
    assert {m.thread_ts for m in read} == {"1.0"}
    assert opened.users[0].real_name == "Ann"


def test_what_slack_itself_says_is_left_out_and_counted(tmp_path: Path) -> None:
    opened = open_export(
        export(
            tmp_path / "e.zip",
            d01=[
                message("1.0", subtype="channel_join"),
                message("2.0", subtype="tombstone"),
                message("3.0", bot_id="B1"),
                {"type": "message", "text": "nobody", "ts": "4.0"},
            ],
        )
    )
    read = list(opened.messages(opened.channels[0]))
    assert [(m.ts, m.is_bot, m.user) for m in read] == [("3.0", True, "U1"), ("4.0", False, "")]
    assert dict(opened.skipped) == {"channel_join": 1, "tombstone": 1}


def test_a_broken_day_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    opened = open_export(export(tmp_path / "e.zip", d01="{", d02=[message("2.0"), "odd"]))
    assert [m.ts for m in opened.messages(opened.channels[0])] == ["2.0"]
    assert len(opened.problems) == 2
    assert "help/2026-01-01.json" in opened.problems[0]


def test_private_channels_and_direct_messages_are_marked(tmp_path: Path) -> None:
    files = {
        "channels.json": [CHANNEL],
        "groups.json": [{"id": "G1", "name": "core"}],
        "dms.json": [{"id": "D1", "members": ["U1", "U2"]}],
    }
    opened = open_export(write(tmp_path / "e.zip", files))
    assert [(c.id, c.is_private, c.is_direct) for c in opened.channels] == [
        ("C1", False, False),
        ("G1", True, False),
        ("D1", True, True),
    ]


def test_a_folder_is_read_as_well(tmp_path: Path) -> None:
    with zipfile.ZipFile(export(tmp_path / "e.zip", d01=[message("1.0")])) as packed:
        packed.extractall(tmp_path / "unpacked")
    opened = open_export(tmp_path / "unpacked")
    assert len(list(opened.messages(opened.channels[0]))) == 1


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    whole = export(tmp_path / "whole.zip", d01=[message("1.0")]).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "empty.zip", {})
    write(tmp_path / "other.zip", {"a.txt": "x"})
    write(tmp_path / "none.zip", {"channels.json": []})
    write(tmp_path / "odd.zip", {"channels.json": "{"})
    for name, said in {
        "text.zip": "cannot be opened as a zip",
        "cut.zip": "cannot be opened as a zip",
        "empty.zip": "not a Slack export",
        "other.zip": "not a Slack export",
        "none.zip": "names no channel",
        "odd.zip": "not valid JSON",
        "absent.zip": "no file",
    }.items():
        with pytest.raises(BadInput, match=said):
            open_export(tmp_path / name)


def test_dangerous_zips_are_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    bomb = {"channels.json": [CHANNEL], "help/2026-01-01.json": "0" * 50_000_000}
    with pytest.raises(BadInput, match="would unpack"):
        open_export(write(tmp_path / "bomb.zip", bomb))
    with pytest.raises(BadInput, match="leads out of it"):
        open_export(write(tmp_path / "path.zip", {"../../etc/x": "y", "channels.json": [CHANNEL]}))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    data = bytearray(export(tmp_path / "e.zip").read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1  # the flag that says "encrypted"
    (tmp_path / "locked.zip").write_bytes(bytes(data))
    assert zipfile.is_zipfile(io.BytesIO(bytes(data)))
    with pytest.raises(BadInput, match="encrypted"):
        open_export(tmp_path / "locked.zip")
