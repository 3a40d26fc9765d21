"""A key opens what it was made for, at its rate, until it is revoked; nobody can read it back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select
from typer.testing import CliRunner

from lorekeeper import redact
from lorekeeper.domain import KeyScope
from lorekeeper.errors import BadInput, NotFound, StaleDecision
from lorekeeper.store import keys
from lorekeeper.tables import keys as table
from lorekeeper.tables import metadata
from serving.cli import keys as command
from serving.keys import MINUTE, Keyring, issue
from serving.refusals import Busy, MissingScope, UnknownKey

BOT = "the bot's own"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(engine: Engine, clock: Clock) -> Keyring:
    return Keyring(engine, bot_key=BOT, keyless_per_minute=2, clock=clock)


def make(engine: Engine, *scopes: str, per_minute: int = 0, name: str = "ci") -> str:
    with engine.begin() as db:
        return issue(db, name, scopes=list(scopes), per_minute=per_minute, by="U1")


def test_a_key_opens_what_it_was_made_for_and_names_what_it_lacks(
    engine: Engine, ring: Keyring
) -> None:
    key = make(engine, "ask,search")
    ring.look()
    caller = ring.caller(f"Bearer {key}", "10.0.0.1")
    caller.need(KeyScope.SEARCH)
    with pytest.raises(MissingScope, match=r"ci lacks the scope propose.*--scopes propose"):
        caller.need(KeyScope.PROPOSE)


def test_the_key_itself_is_stored_nowhere(engine: Engine) -> None:
    key = make(engine, "ask")
    with engine.connect() as db:
        stored = str(db.execute(select(table)).mappings().one())
    assert key not in stored
    assert len(key) > 40


def test_a_key_that_slips_into_a_message_is_redacted(engine: Engine) -> None:
    key = make(engine, "ask")
    assert key not in redact.redact(f"use {key} for the gateway").text


def test_the_bots_own_key_opens_everything_at_any_rate(ring: Keyring) -> None:
    caller = ring.caller(f"Bearer {BOT}", "10.0.0.1")
    assert caller.scopes == frozenset(KeyScope)
    for _ in range(100):
        ring.spend(caller)


@pytest.mark.parametrize("given", ["", "Bearer none"])
def test_without_a_key_public_sources_may_be_asked(ring: Keyring, given: str) -> None:
    caller = ring.caller(given, "10.0.0.1")
    caller.need(KeyScope.ASK)
    with pytest.raises(UnknownKey, match="ask:as"):
        caller.need(KeyScope.ASK_AS)


def test_without_a_key_nothing_is_answered_where_that_was_chosen(engine: Engine) -> None:
    ring = Keyring(engine, bot_key=BOT, keyless_per_minute=0)
    with pytest.raises(UnknownKey, match="lore keys add"):
        ring.caller("", "10.0.0.1")


def test_a_revoked_key_opens_nothing_within_a_second(
    engine: Engine, ring: Keyring, clock: Clock
) -> None:
    key = make(engine, "ask")
    ring.look()
    with engine.begin() as db:
        keys.revoke(db, "ci")
    assert ring.is_fresh
    clock.now += 1
    assert not ring.is_fresh
    ring.look()
    with pytest.raises(UnknownKey, match="revoked"):
        ring.caller(f"Bearer {key}", "10.0.0.1")


def test_a_name_is_free_again_when_its_key_was_revoked(engine: Engine) -> None:
    make(engine, "ask")
    with pytest.raises(StaleDecision, match="lore keys revoke ci"):
        make(engine, "ask")
    with engine.begin() as db:
        keys.revoke(db, "ci")
    make(engine, "search")
    with engine.begin() as db, pytest.raises(NotFound, match="nobody"):
        keys.revoke(db, "nobody")


@pytest.mark.parametrize(
    ("name", "scopes"), [("ci", "read"), ("ci", ""), ("bot", "ask"), (" ", "ask")]
)
def test_what_makes_no_key_is_refused(engine: Engine, name: str, scopes: str) -> None:
    with pytest.raises(BadInput):
        make(engine, scopes, name=name)
    with engine.connect() as db:
        assert keys.live(db) == []


def test_a_rate_that_is_used_up_says_when_to_come_again(
    engine: Engine, ring: Keyring, clock: Clock
) -> None:
    key = make(engine, "ask", per_minute=3)
    ring.look()
    caller = ring.caller(f"Bearer {key}", "10.0.0.1")
    for _ in range(3):
        ring.spend(caller)
    with pytest.raises(Busy, match="3 requests a minute") as refused:
        ring.spend(caller)
    assert refused.value.retry_after == pytest.approx(20)
    clock.now += 20.001
    ring.spend(caller)


def test_addresses_without_a_key_do_not_use_up_each_others_rate(ring: Keyring) -> None:
    one, other = ring.caller("", "10.0.0.1"), ring.caller("", "10.0.0.2")
    for _ in range(2):
        ring.spend(one)
    with pytest.raises(Busy):
        ring.spend(one)
    ring.spend(other)


@given(
    per_minute=st.integers(1, 30),
    waits=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=80),
)
def test_nobody_gets_more_than_a_minutes_rate_and_what_time_brought(
    per_minute: int, waits: list[float]
) -> None:
    clock = Clock()
    database = create_engine("sqlite://")
    ring = Keyring(database, bot_key="", keyless_per_minute=per_minute, clock=clock)
    caller = ring.caller("", "10.0.0.1")
    taken = 0
    for wait in waits:
        clock.now += wait
        try:
            ring.spend(caller)
            taken += 1
        except Busy:
            continue
    assert taken <= per_minute + sum(waits) * per_minute / MINUTE + 1e-6


@given(st.text())
def test_no_text_but_a_key_opens_anything(text: str) -> None:
    database = create_engine("sqlite://")
    with database.begin() as db:
        metadata.create_all(db)
        issue(db, "ci", scopes=["ask"], per_minute=0, by="U1")
    ring = Keyring(database, bot_key=BOT, keyless_per_minute=1)
    ring.look()
    database.dispose()
    try:
        caller = ring.caller(text, "10.0.0.1")
    except UnknownKey:
        return
    assert not caller.has_key or text.removeprefix("Bearer ").strip() == BOT


def test_keys_are_made_listed_and_revoked_in_a_terminal(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORE_STORE__DATA", str(data))
    run = CliRunner()
    made = run.invoke(command, ["add", "ci", "--scopes", "ask,search", "--rate", "30"])
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    listed = run.invoke(command, ["list"]).output
    assert "ci" in listed
    assert "ask, search" in listed
    assert key not in listed
    assert run.invoke(command, ["revoke", "ci"]).exit_code == 0
    assert "search" not in run.invoke(command, ["list"]).output
