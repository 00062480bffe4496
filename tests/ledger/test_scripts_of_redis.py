"""Lua scripts on a connection that each thread keeps."""

import gc
from collections.abc import Sequence
from threading import Thread
from uuid import uuid4

from ledger.redis_line import write_command
from ledger.redis_state import Script, shared

THREADS = 150
SCRIPT = f"return {{redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}} -- {uuid4()}"


def run(script: Script, keys: Sequence[str], values: Sequence[object]) -> object:
    return shared.ask(lambda client: script.run(client, keys, values))


def test_a_script_that_redis_does_not_know_is_sent_to_it() -> None:
    script, key = Script(SCRIPT), f"test:{uuid4()}"
    assert run(script, [key], [2, "grüße"]) == [2, "grüße"]
    assert run(script, [key], [3, ""]) == [5, ""]


def test_a_kept_connection_that_redis_has_closed_is_replaced() -> None:
    script, key = Script(SCRIPT), f"test:{uuid4()}"
    assert run(script, [key], [1, ""]) == [1, ""]
    # Only this one: other tests use the same server.
    number = Script._kept.line.ask(write_command(["CLIENT", "ID"]))
    assert shared.ask(lambda client: client.client_kill_filter(_id=number)) == 1
    assert run(script, [key], [1, ""]) == [2, ""]
    assert run(script, [key], [1, ""]) == [3, ""]


def test_an_error_of_a_script_leaves_the_connection_usable() -> None:
    script, key = Script(SCRIPT), f"test:{uuid4()}"
    assert run(script, [key], [1, ""]) == [1, ""]
    shared.ask(lambda client: client.set(key, "no number"))
    assert run(script, [key], [1, ""]) is None
    # After an error `shared` does not ask for a while.
    shared._quiet_until = 0.0
    shared.ask(lambda client: client.set(key, 7))
    assert run(script, [key], [1, ""]) == [8, ""]


def test_a_connection_ends_with_its_thread_however_many_there_were() -> None:
    """More than the pool of a client may have: a thread that has ended counts no more."""
    script, key = Script(SCRIPT), f"test:{uuid4()}"
    numbers: list[int] = []

    def work() -> None:
        assert run(script, [key], [1, ""]) is not None
        numbers.append(Script._kept.line.ask(write_command(["CLIENT", "ID"])))

    for _ in range(THREADS):
        thread = Thread(target=work)
        thread.start()
        thread.join()
    assert len(set(numbers)) == THREADS
    gc.collect()
    assert shared.ask(lambda client: client.client_list(client_id=numbers)) == []
    assert run(script, [key], [1, ""]) == [THREADS + 1, ""]
