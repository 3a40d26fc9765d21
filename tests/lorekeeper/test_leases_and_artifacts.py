"""One holder for a name; folders complete or absent."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from sqlalchemy import Engine

from lorekeeper import leases
from lorekeeper.artifacts import ArtifactStore
from lorekeeper.errors import AlreadyRunning, BadInput, NoSpace, NotFound


def test_a_second_lore_up_is_refused_and_disturbs_nothing(engine: Engine) -> None:
    with leases.hold(engine, "up") as holder:
        with pytest.raises(AlreadyRunning, match="already runs"), leases.hold(engine, "up"):
            pass
        with engine.begin() as db:
            assert leases.beat(db, "up", holder)
    with leases.hold(engine, "up"):
        pass  # it was given back


def test_a_dead_holder_is_followed(engine: Engine) -> None:
    with engine.begin() as db:
        leases.take(db, "up", "the dead")
        leases.take(db, "up", "the living", stale=-1.0)
        assert not leases.beat(db, "up", "the dead")


def test_the_same_content_is_the_same_folder(data: Path) -> None:
    store = ArtifactStore(data)
    made = []
    for _ in range(2):
        with store.write("things", {"by": "me"}) as draft:
            (draft.path / "a.txt").write_text("hello")
        made.append(draft.folder)
    assert made[0] == made[1]
    assert store.verify(made[0]) == []
    (data / made[0] / "a.txt").write_text("changed")
    assert store.verify(made[0]) == ["a.txt"]


def test_a_full_disk_leaves_nothing(data: Path) -> None:
    store = ArtifactStore(data)
    with pytest.raises(NoSpace, match="is full"), store.write("things"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list((data / "things").iterdir()) == []


def test_names_cannot_lead_out_of_the_store(data: Path) -> None:
    with pytest.raises(BadInput, match="not inside"):
        ArtifactStore(data).open("../../etc")
    with pytest.raises(NotFound, match="not complete"):
        ArtifactStore(data).open("things/none")
