"""Lua scripts on a connection that each thread keeps."""

from collections.abc import Sequence
from uuid import uuid4

from ledger.redis_state import Script, shared

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
    line = Script._kept.line
    line.send_command("CLIENT", "ID")
    number = line.read_response()
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
