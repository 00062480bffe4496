"""A thread that has answered makes its connection wait for the next request, whenever the loop sees that one."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config

from emailsvc.web.serving.budget import ByteBudget
from emailsvc.web.serving.connection import ClientConnection
from emailsvc.web.serving.connection_state import NOTHING, READ, State
from emailsvc.web.serving.exchange import Outcome
from emailsvc.web.serving.limits import ServerLimits
from emailsvc.web.serving.work_queue import WorkQueue

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Loop:
    """Keeps the job of a request, which the test runs. `before_watch` stands for what a thread does at that moment."""

    log: Any = None
    alive = True
    before_watch: Callable[[], object] | None = None

    def __init__(self) -> None:
        self.cfg = Config()
        self.cfg.set("keepalive", 30)
        self.limits = ServerLimits()
        self.budget = ByteBudget(self.limits.bytes_in_flight)
        self.work = WorkQueue(1)
        self.jobs: list[Callable[[], Outcome | None]] = []

    def watch(self, connection: ClientConnection, events: int) -> None:
        happens, self.before_watch = self.before_watch, None
        if happens:
            happens()
        connection.events = events

    def run_job(self, _connection: ClientConnection, job: Callable[[], Outcome | None]) -> None:
        self.jobs.append(job)

    def wsgi(self, _environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def count_request(self) -> None:
        pass

    def handle_error(self, *_: object) -> None:
        raise AssertionError("no request here is wrong")

    def wake_at(self, _when: float, _connection: ClientConnection) -> None:
        raise AssertionError("no answer here is a stream")

    def forget(self, _connection: ClientConnection) -> None:
        pass


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, client = socket.socketpair()
    with ours, client:
        ours.setblocking(False)
        client.settimeout(5)
        yield ours, client


@pytest.fixture
def asked(ends: tuple[socket.socket, socket.socket]) -> tuple[Loop, ClientConnection, socket.socket]:
    """A connection whose request waits for a thread."""
    loop = Loop()
    connection = ClientConnection(loop, ends[0], "peer", (("127.0.0.1", 1), ("127.0.0.1", 2)))
    loop.watch(connection, READ)
    ask(connection, ends[1])
    return loop, connection, ends[1]


def ask(connection: ClientConnection, client: socket.socket) -> None:
    client.sendall(REQUEST)
    connection.handle()
    assert connection.state is State.QUEUED


def answer(loop: Loop, client: socket.socket) -> None:
    assert loop.jobs.pop()() is Outcome.ANSWERED
    assert client.recv(4096).endswith(b"ok")


def check_next(loop: Loop, connection: ClientConnection, client: socket.socket) -> None:
    assert (connection.state, connection.events) == (State.HEAD, READ)
    ask(connection, client)
    answer(loop, client)


def test_the_loop_has_nothing_to_do_behind_a_plain_answer(
    asked: tuple[Loop, ClientConnection, socket.socket],
) -> None:
    loop, connection, client = asked
    answer(loop, client)
    assert connection.settle()
    check_next(loop, connection, client)


def test_bytes_that_came_before_the_answer_are_looked_for_by_the_loop(
    asked: tuple[Loop, ClientConnection, socket.socket],
) -> None:
    loop, connection, client = asked
    connection.handle()
    assert connection.events == NOTHING
    answer(loop, client)
    assert connection.settle()
    assert connection.events == NOTHING
    connection.take_back(Outcome.SETTLED)
    check_next(loop, connection, client)


def test_the_end_of_a_request_says_nothing_of_the_next_one(
    asked: tuple[Loop, ClientConnection, socket.socket],
) -> None:
    loop, connection, client = asked
    answer(loop, client)
    assert connection.settle()
    ask(connection, client)
    connection.take_back(Outcome.SETTLED)
    assert connection.state is State.QUEUED
    answer(loop, client)
    assert connection.settle()
    check_next(loop, connection, client)


def test_an_answer_at_the_moment_at_which_the_loop_looks_away_is_noticed(
    asked: tuple[Loop, ClientConnection, socket.socket],
) -> None:
    loop, connection, client = asked
    answer(loop, client)
    settled: list[bool] = []
    loop.before_watch = lambda: settled.append(connection.settle())
    connection.handle()
    assert settled == [True]
    check_next(loop, connection, client)


def test_a_request_that_has_been_heard_with_the_first_is_left_to_the_loop(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    loop = Loop()
    connection = ClientConnection(loop, ends[0], "peer", (("127.0.0.1", 1), ("127.0.0.1", 2)))
    ends[1].sendall(REQUEST * 2)
    connection.handle()
    answer(loop, ends[1])
    assert not connection.settle()
    connection.take_back(Outcome.ANSWERED)
    answer(loop, ends[1])
