"""A request's headers come to their end in time, or the connection is closed with a word about it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import uvicorn
from fastapi.responses import PlainTextResponse

from serving.connection import Bounded

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"
PATIENCE = 60.0  # seconds that the test waits for the server


class Hasty(Bounded):
    patience = 0.3


@pytest.fixture
def port() -> Iterator[int]:
    """Where a server that answers at once listens."""
    app = PlainTextResponse("hello")
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Hasty, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def connect(port: int) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))


def rest_of(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize("sent", [b"", b"G", HEAD])
def test_headers_that_do_not_end_are_refused_in_time(port: int, sent: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(sent)
        told = rest_of(connection)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"headers did not end within 0.3 s" in told


def test_a_byte_now_and_then_does_not_keep_the_connection(port: int) -> None:
    with connect(port) as connection:
        connection.settimeout(0.02)
        told = b""
        for _ in range(int(PATIENCE / 0.02)):
            try:
                connection.sendall(b"x")
                told += connection.recv(4096)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if told:
                break
    assert told.startswith(b"HTTP/1.1 408 ")


def test_a_request_after_an_answer_has_its_own_time(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.sendall(HEAD)
        told = rest_of(connection)
    assert b"HTTP/1.1 408 " in told


def test_whole_headers_are_answered(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(HEAD)
        connection.sendall(b"Connection: close\r\n\r\n")
        told = rest_of(connection)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert told.endswith(b"hello")
