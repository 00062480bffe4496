"""The ports of `./run`: known and held from the first moment, even if other processes start meanwhile."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple, fields
from pathlib import Path

import pytest

from emailsvc.launcher.main import open_ports, read_ports
from emailsvc.launcher.ports import held_port, listen, listen_near
from emailsvc.launcher.processes import ProcessOptions, build_processes
from tests.port_guard import unguarded_ports


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        opened.enter_context(unguarded_ports())
        yield opened


def test_two_services_that_start_together_share_no_port(stack: ExitStack) -> None:
    first, second = (read_ports(open_ports(0, stack)) for _ in range(2))
    assert len({*astuple(first), *astuple(second)}) == 2 * len(fields(first))


def test_no_other_program_can_listen_before_the_server_is_up(stack: ExitStack) -> None:
    for listener in open_ports(0, stack).values():
        with pytest.raises(OSError, match="in use"):
            listen(listener.getsockname()[1])


def test_each_server_inherits_its_own_socket_and_no_other(tmp_path: Path) -> None:
    sockets = {"web": 70, "inbox": 71, "reports": 72, "submission": 73, "submission-tls": 74}
    process_options = ProcessOptions(data=tmp_path, environment={}, sockets=sockets)
    inherited = {program.name: set(program.inherited) for program in build_processes(process_options)}
    assert {name: numbers for name, numbers in inherited.items() if numbers} == {
        "web": {70},
        "inbox": {71},
        "reports": {72},
        "submission": {73, 74},
    }


def test_what_is_taken_is_passed_over(stack: ExitStack) -> None:
    with listen(0) as taken, listen_near(taken.getsockname()[1]) as near:
        assert near.getsockname()[1] != taken.getsockname()[1]


def test_any_port_is_taken_where_the_range_ends(stack: ExitStack) -> None:
    with listen_near(65_535, tries=2) as last, listen_near(65_535, tries=2) as other:
        assert last.getsockname()[1] != other.getsockname()[1]


def test_a_held_port_refuses_until_its_program_listens_and_is_not_reassigned() -> None:
    with held_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=20)
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        with listen(port), socket.create_connection(("127.0.0.1", port), timeout=20):
            pass


def test_the_port_of_the_metrics_is_a_second_one_of_the_web_server(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = stack.enter_context(held_port())
    monkeypatch.setenv("METRICS_PORT", str(number))
    listeners = open_ports(0, stack)
    assert listeners["metrics"].getsockname() == ("127.0.0.1", number)
    sockets = {name: 70 + place for place, name in enumerate(listeners)}
    programs = build_processes(ProcessOptions(data=tmp_path, environment={}, sockets=sockets))
    web = next(program for program in programs if program.name == "web")
    assert set(web.inherited) == {sockets["web"], sockets["metrics"]}
    assert web.arguments[-4:] == ("--bind", f"fd://{sockets['web']}", "--bind", f"fd://{sockets['metrics']}")


@pytest.mark.parametrize("given", ["", "0"])
def test_without_a_number_there_is_no_port_of_the_metrics(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("METRICS_PORT", given)
    assert "metrics" not in open_ports(0, stack)
