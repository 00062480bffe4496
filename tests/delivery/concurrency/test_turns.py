"""The owners of conversations with one key take turns."""

from delivery.concurrency.turns import OwnerQueues


def fill(**owners: int) -> OwnerQueues[str]:
    queues: OwnerQueues[str] = OwnerQueues()
    for owner, count in owners.items():
        for number in range(count):
            queues.add(owner, f"{owner}{number}")
    return queues


def take_all(queues: OwnerQueues[str], limit: int) -> list[str]:
    taken = []
    while job := queues.take(limit):
        taken.append(job)
    return taken


def test_an_owner_has_no_more_conversations_than_its_limit() -> None:
    queues = fill(a=9)
    assert take_all(queues, 3) == ["a0", "a1", "a2"]
    queues.end("a")
    assert take_all(queues, 3) == ["a3"]


def test_the_owner_with_the_fewest_conversations_is_the_next() -> None:
    queues = fill(a=9, b=1)
    assert [queues.take(9), queues.take(9), queues.take(9)] == ["a0", "b0", "a1"]


def test_owners_with_as_many_conversations_take_turns() -> None:
    queues = fill(a=3, b=3, c=3)
    order = []
    for _ in range(6):
        job = queues.take(9)
        assert job is not None
        order.append(job[0])
        queues.end(job[0])
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_a_full_owner_does_not_hold_another() -> None:
    queues = fill(a=9)
    take_all(queues, 3)
    queues.add("b", "b0")
    assert take_all(queues, 3) == ["b0"]


def test_jobs_without_an_owner_are_a_plain_queue() -> None:
    queues: OwnerQueues[int] = OwnerQueues()
    for number in range(5):
        queues.add(None, number)
    assert [queues.take(1) for _ in range(6)] == [0, 1, 2, 3, 4, None]


def test_what_waits_can_be_withdrawn_and_what_runs_cannot() -> None:
    queues = fill(a=3, b=1)
    assert queues.take(2) == "a0"
    assert sorted(queues.withdraw()) == ["a1", "a2", "b0"]
    assert queues.take(2) is None
