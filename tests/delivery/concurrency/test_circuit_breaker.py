"""A provider that fails several times in a row is skipped, then probed with one mail."""

from datetime import timedelta

import pytest

from delivery.concurrency.circuit_breaker import BreakerPolicy, CircuitBreakers, OpenBreaker

TRIPPING = BreakerPolicy(failures=3, first_wait=timedelta(seconds=10), most_wait=timedelta(seconds=40))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuits(clock: Clock) -> CircuitBreakers:
    return CircuitBreakers(TRIPPING, clock)


def trip(circuits: CircuitBreakers, times: int = 3) -> None:
    for number in range(times):
        circuits.note_failure("a", f"refused {number}")


def test_failures_in_a_row_open_it(circuits: CircuitBreakers) -> None:
    trip(circuits, 2)
    assert circuits.may_try("a")
    trip(circuits, 1)
    assert not circuits.may_try("a")
    found = circuits.find_open("a")
    assert found is not None
    assert found.reason == "refused 0"
    assert circuits.may_try("b")


def test_a_success_between_failures_starts_the_count_anew(circuits: CircuitBreakers) -> None:
    trip(circuits, 2)
    circuits.note_success("a")
    trip(circuits, 2)
    assert circuits.may_try("a")


def test_after_its_time_one_probe_decides(circuits: CircuitBreakers, clock: Clock) -> None:
    trip(circuits)
    clock.now += 10
    assert circuits.find_open("a") is None
    assert circuits.may_try("a")
    assert not circuits.may_try("a")
    circuits.note_success("a")
    assert circuits.may_try("a")
    assert circuits.may_try("a")


def test_each_probe_that_fails_doubles_the_wait_up_to_the_most(circuits: CircuitBreakers, clock: Clock) -> None:
    trip(circuits)
    waits = []
    for _ in range(4):
        found = circuits.find_open("a")
        assert found is not None
        waits.append(found.until - clock.now)
        clock.now = found.until
        assert circuits.may_try("a")
        circuits.note_failure("a", "still")
    assert waits == [10, 20, 40, 40]


def test_those_that_were_under_way_when_it_opened_do_not_count_again(circuits: CircuitBreakers, clock: Clock) -> None:
    trip(circuits, 30)
    found = circuits.find_open("a")
    assert found is not None
    assert (found.until - clock.now, found.open_count) == (10, 1)


def test_a_probe_that_never_reports_is_followed_by_another(circuits: CircuitBreakers, clock: Clock) -> None:
    trip(circuits)
    clock.now += 10
    assert circuits.may_try("a")
    clock.now += 59
    assert not circuits.may_try("a")
    clock.now += 1
    assert circuits.may_try("a")


def test_a_clock_that_is_set_back_holds_nothing_up(circuits: CircuitBreakers, clock: Clock) -> None:
    trip(circuits)
    clock.now -= 7200
    assert circuits.may_try("a")


def test_processes_learn_of_each_others(clock: Clock) -> None:
    one, two = CircuitBreakers(TRIPPING, clock), CircuitBreakers(TRIPPING, clock)
    board: dict[str, OpenBreaker] = {}

    def exchange(circuits: CircuitBreakers) -> None:
        for key, state in circuits.exchange(dict(board)).items():
            board.pop(key, None)
            if state is not None:
                board[key] = state

    trip(one)
    exchange(one)
    exchange(two)
    assert not two.may_try("a")
    clock.now += 10
    assert two.may_try("a")
    exchange(two)
    exchange(one)
    assert not one.may_try("a")
    two.note_success("a")
    exchange(two)
    exchange(one)
    assert one.may_try("a")


def test_what_could_not_be_told_is_told_the_next_time(circuits: CircuitBreakers) -> None:
    trip(circuits)
    changes = circuits.exchange({})
    circuits.put_back(changes)
    assert set(circuits.exchange({})) == {"a"}
    assert circuits.exchange({}) == {}
