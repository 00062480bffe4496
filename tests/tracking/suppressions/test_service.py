"""The suppression list as accept, send and feedback use it."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import Project
from tracking.models import Suppression
from tracking.suppressions.service import Counts, Entry, find_suppressed, release_suppression, suppress, suppress_many


def test_many_addresses_are_looked_up_by_one_query(project: Project, django_assert_num_queries: object) -> None:
    suppress_many(project.pk, [Entry(address=f"a{number}@x.test", reason="bounce") for number in range(0, 5_000, 2)])
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = find_suppressed(project.pk, [f"A{number}@x.test" for number in range(50)])
    assert found == {f"a{number}@x.test": "bounce" for number in range(0, 50, 2)}
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len(find_suppressed(project.pk, [f"a{number}@x.test" for number in range(5_000)])) == 2_500
    assert find_suppressed(project.pk, []) == {}


def test_a_list_belongs_to_one_project(project: Project, other_project: Project) -> None:
    suppress(project.pk, Entry(address="a@x.test", reason="manual"))
    assert find_suppressed(other_project.pk, ["a@x.test"]) == {}
    assert release_suppression(other_project.pk, "a@x.test") is None


REASONS = ("bounce", "manual", "unsubscribe", "complaint")


@pytest.mark.parametrize("first", REASONS)
@pytest.mark.parametrize("second", REASONS)
def test_a_reason_never_gives_way_to_a_weaker_one(project: Project, first: str, second: str) -> None:
    earlier, later = uuid4(), uuid4()
    row, is_new = suppress(project.pk, Entry(address="A@x.test", reason=first, note="first", message_id=earlier))
    assert is_new
    again, is_new = suppress(project.pk, Entry(address="a@X.test", reason=second, note="second", message_id=later))
    assert not is_new
    is_taken = REASONS.index(second) >= REASONS.index(first)
    expected = (second, "second", later) if is_taken else (first, "first", earlier)
    assert (again.reason, again.note, again.message_id) == expected
    assert (again.pk, again.created_at) == (row.pk, row.created_at)


def test_an_address_twice_in_one_call_counts_once_with_its_strongest_reason(project: Project) -> None:
    entries = [
        Entry(address=address, reason=reason)
        for address, reason in (("a@x.test", "bounce"), ("A@x.test", "complaint"), ("a@X.test", "manual"))
    ]
    assert suppress_many(project.pk, entries) == Counts(added=1, known=0)
    assert suppress_many(project.pk, entries) == Counts(added=0, known=1)
    assert suppress_many(project.pk, []) == Counts()
    assert Suppression.objects.get().reason == "complaint"


def test_release_reports_the_removed_suppression(project: Project) -> None:
    row, _ = suppress(project.pk, Entry(address="a@x.test", reason="manual"))
    released = release_suppression(project.pk, "A@x.test")
    assert released is not None
    assert (released.pk, released.created_at) == (row.pk, row.created_at)
    assert release_suppression(project.pk, "a@x.test") is None


@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_one_row_and_never_wait_for_each_other() -> None:
    project = Project.objects.create(name="Acme")
    addresses = [f"a{number}@x.test" for number in range(200)]

    def put(turn: int) -> int:
        try:
            order = addresses if turn % 2 else addresses[::-1]
            return suppress_many(project.pk, [Entry(address=address, reason="bounce") for address in order]).added
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(put, range(12))) == 200
    assert Suppression.objects.count() == 200
