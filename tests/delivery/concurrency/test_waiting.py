import asyncio
import socket
import threading
import time
from contextlib import closing, suppress

import pytest

from delivery.concurrency.waiting import await_socket, find_deadlines, run_blocking

PATIENCE = 10.0


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.setblocking(False)
    far.settimeout(PATIENCE)
    with closing(near), closing(far):
        yield near, far


def wait_for(near, *, is_write, seconds):
    """How long it waits, in an event loop of its own."""
    started = time.monotonic()
    asyncio.run(await_socket(near.fileno(), is_write, started + seconds))
    return time.monotonic() - started


def wait_while(happening, near, *, is_write):
    """How long it waits for `happening`, which begins a little later in another thread."""
    other = threading.Timer(0.1, happening)
    other.start()
    waited = wait_for(near, is_write=is_write, seconds=PATIENCE)
    other.join()
    return waited


def test_a_socket_is_awaited_until_it_can_be_read(pair):
    near, far = pair
    assert wait_while(lambda: far.send(b"hello"), near, is_write=False) < PATIENCE
    assert near.recv(10) == b"hello"


def test_a_socket_is_awaited_until_it_can_be_written(pair):
    near, far = pair
    assert wait_for(near, is_write=True, seconds=PATIENCE) < PATIENCE
    with suppress(BlockingIOError):
        while True:
            near.send(bytes(65_536))
    assert wait_while(lambda: far.recv(10_000_000), near, is_write=True) < PATIENCE
    assert near.send(b"!") == 1


def test_the_end_of_the_line_ends_the_wait(pair):
    near, far = pair
    assert wait_while(lambda: far.shutdown(socket.SHUT_RDWR), near, is_write=False) < PATIENCE
    assert near.recv(10) == b""


def test_the_deadline_ends_the_wait_and_never_early(pair):
    near, _ = pair
    assert wait_for(near, is_write=False, seconds=0.1) >= 0.1
    assert wait_for(near, is_write=False, seconds=-1) < PATIENCE


def test_a_wait_that_is_given_up_leaves_nothing_behind(pair):
    near, far = pair

    async def give_up_and_wait_again():
        loop = asyncio.get_running_loop()
        first = asyncio.create_task(await_socket(near.fileno(), False, time.monotonic() + PATIENCE))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not loop.remove_reader(near.fileno())
        far.send(b"!")
        await await_socket(near.fileno(), False, time.monotonic() + PATIENCE)

    started = time.monotonic()
    asyncio.run(give_up_and_wait_again())
    assert time.monotonic() - started < PATIENCE


def test_a_call_gives_its_result_or_raises_its_error():
    def fail():
        raise LookupError("not there")

    assert asyncio.run(run_blocking(lambda: 42)) == 42
    with pytest.raises(LookupError, match="not there"):
        asyncio.run(run_blocking(fail))


def test_calls_wait_for_each_other_in_no_number():
    """More than the threads of an event loop's own executor, which would let the rest wait for ever."""
    count = 60
    together = threading.Barrier(count)

    async def call_all():
        return await asyncio.gather(*(run_blocking(lambda: together.wait(PATIENCE)) for _ in range(count)))

    assert sorted(asyncio.run(call_all())) == list(range(count))


def test_a_call_that_outlives_its_loop_does_no_harm(monkeypatch):
    faults = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    gate = threading.Event()
    entered = threading.Event()

    async def give_up():
        task = asyncio.create_task(run_blocking(lambda: (entered.set(), gate.wait(PATIENCE))))
        await run_blocking(lambda: entered.wait(PATIENCE))
        task.cancel()

    asyncio.run(give_up())
    caller = next(thread for thread in threading.enumerate() if thread.name == "conversation-call")
    gate.set()
    caller.join(PATIENCE)
    assert not caller.is_alive()
    assert faults == []


def test_each_wait_ends_at_its_own_deadline_whatever_their_order():
    async def wait():
        loop = asyncio.get_running_loop()
        deadlines = find_deadlines(loop)
        assert find_deadlines(loop) is deadlines
        far, removed, late, later = (loop.create_future() for _ in range(4))
        now = loop.time()
        for future, deadline in ((far, now + PATIENCE), (later, now + 0.02), (removed, now - 1), (late, now)):
            deadlines.add(future, deadline)
        deadlines.remove(removed)
        await late
        assert not (far.done())
        assert not (removed.done())
        await later
        assert loop.time() >= now + 0.02
        assert not (far.done())
        assert not (removed.done())
        return deadlines

    assert asyncio.run(wait()) is not asyncio.run(wait())
