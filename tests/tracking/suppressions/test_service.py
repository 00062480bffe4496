"""The suppression list as accept, send and feedback use it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Project
from tracking.models import Suppression
from tracking.suppressions.reach import Cause
from tracking.suppressions.service import (
    EVERYTHING,
    Counts,
    Entry,
    Selection,
    find_suppressed,
    release_suppressions,
    suppress,
    suppress_many,
)


def test_many_addresses_are_looked_up_by_one_query(project: Project, django_assert_num_queries: object) -> None:
    suppress_many(project.pk, [Entry(address=f"a{number}@x.test", reason="bounce") for number in range(0, 5_000, 2)])
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = find_suppressed(project.pk, [f"A{number}@x.test" for number in range(50)])
    assert found == {f"a{number}@x.test": [Cause("bounce", None)] for number in range(0, 50, 2)}
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert len(find_suppressed(project.pk, [f"a{number}@x.test" for number in range(5_000)])) == 2_500
    assert find_suppressed(project.pk, []) == {}


def test_a_list_belongs_to_one_project(project: Project, other_project: Project) -> None:
    suppress(project.pk, Entry(address="a@x.test", reason="manual"))
    assert find_suppressed(other_project.pk, ["a@x.test"]) == {}
    assert release_suppressions(other_project.pk, "a@x.test") == []


REASONS = ("bounce", "manual", "unsubscribe", "complaint")


@pytest.mark.parametrize("first", REASONS)
@pytest.mark.parametrize("second", REASONS)
def test_entries_of_an_address_stand_side_by_side(project: Project, first: str, second: str) -> None:
    earlier, later = uuid4(), uuid4()
    row, is_new = suppress(project.pk, Entry(address="A@x.test", reason=first, note="first", message_id=earlier))
    assert is_new
    again, is_new = suppress(project.pk, Entry(address="a@X.test", reason=second, note="second", message_id=later))
    assert is_new == (first != second)
    expected = (second, "second", later if first != second else earlier)
    assert (again.reason, again.note, again.message_id) == expected
    assert (again.pk == row.pk) == (first == second)
    assert Suppression.objects.count() == 1 + is_new


def test_a_repetition_keeps_the_first_proof(project: Project) -> None:
    first = Entry(address="a@x.test", reason="unsubscribe", stream="news", way="one_click", ip="192.0.2.1")
    row, _ = suppress(project.pk, first)
    suppress(project.pk, replace(first, way="page", ip="2001:db8::1", note=""))
    again = Suppression.objects.get()
    assert (again.way, again.ip, again.created_at) == ("one_click", "192.0.2.1", row.created_at)


def test_an_address_twice_in_one_call_counts_once_for_each_reason_and_stream(project: Project) -> None:
    entries = [
        Entry(address=address, reason=reason, stream=stream)
        for address, reason, stream in (
            ("a@x.test", "unsubscribe", None),
            ("A@x.test", "unsubscribe", "news"),
            ("a@X.test", "unsubscribe", "news"),
            ("a@x.test", "complaint", None),
        )
    ]
    assert suppress_many(project.pk, entries) == Counts(added=3, known=0)
    assert suppress_many(project.pk, entries) == Counts(added=0, known=3)
    assert suppress_many(project.pk, []) == Counts()


@pytest.mark.parametrize("reason", ["bounce", "complaint"])
def test_what_concerns_the_address_has_no_stream(project: Project, reason: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        suppress(project.pk, Entry(address="a@x.test", reason=reason, stream="news"))


def test_a_release_takes_what_it_selects_and_reports_it_the_strongest_first(project: Project) -> None:
    entries = [
        Entry(address="a@x.test", reason=reason, stream=stream)
        for reason, stream in (
            ("unsubscribe", "news"),
            ("manual", "news"),
            ("bounce", None),
            ("unsubscribe", None),
            ("manual", None),
            ("complaint", None),
        )
    ]
    suppress_many(project.pk, [*entries, Entry(address="b@x.test", reason="manual")])

    def release(selection: Selection = EVERYTHING) -> list[tuple[str, str | None]]:
        return [(row.reason, row.stream) for row in release_suppressions(project.pk, "A@x.test", selection)]

    assert release(Selection(reason="bounce", stream="news")) == []
    assert release(Selection(reason="manual", stream="news")) == [("manual", "news")]
    assert release(Selection(reason="unsubscribe", is_for_all=True)) == [("unsubscribe", None)]
    assert release() == [("complaint", None), ("manual", None), ("bounce", None), ("unsubscribe", "news")]
    assert release() == []
    assert Suppression.objects.get().address == "b@x.test"


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
