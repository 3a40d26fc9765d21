"""A URL in, an engine whose schema is current out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from lorekeeper.errors import BadInput, NotReachable

SQLITE_WAIT = 30.0  # seconds that a writer waits for another one


def open_database(url: str) -> Engine:
    """Connect, and bring the schema up to date.

    Raises:
        BadInput: the URL is not one.
        NotReachable: the database does not answer.
    """
    engine = connect(url)
    try:
        _migrate(engine)
    except OperationalError as error:
        raise NotReachable(
            f"The database {engine.url.render_as_string(hide_password=True)} does not answer: {error.orig}.",
            fix="Check LORE_STORE__DATABASE, and that the server runs and its folder can be written.",
        ) from error
    return engine


def connect(url: str) -> Engine:
    """An engine for the URL, with the schema as it is."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadInput(
            "LORE_STORE__DATABASE is not a database URL.",
            fix="Use sqlite:///FILE or postgresql://user:password@host/name.",
        ) from error
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": SQLITE_WAIT}, max_overflow=64)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that only reads, and so waits for no writer. To write, `engine.begin()`."""
    with engine.connect().execution_options(lorekeeper_reads_only=True) as connection:
        yield connection


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Readers beside one writer, foreign keys held, durable enough to survive a killed process."""
    connection.isolation_level = None  # the driver opens no transaction of its own
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer queues at its first statement; a reader that turned writer would fail instead."""
    reads_only = connection.get_execution_options().get("lorekeeper_reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "lorekeeper:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
