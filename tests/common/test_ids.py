"""Ids that sort by time."""

from datetime import UTC, datetime, timedelta

from common.ids import TimedIds, greatest_id_at, least_id_at, new_id

AT = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


def id_at(time):
    return TimedIds().take(time, 1)[0]


def test_an_id_of_a_time_is_a_uuidv7_that_carries_it():
    made = id_at(AT)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(AT.timestamp() * 1000)


def test_ids_of_one_time_are_distinct_and_sort_by_the_order_they_were_made_in():
    ids = TimedIds()
    made = [*ids.take(AT, 500), *ids.take(AT, 1), *ids.take(AT, 2_000)]
    assert made == sorted(made)
    assert len({id_at(AT) for _ in range(1_000)}) == 1_000


def test_ids_sort_by_time_to_the_microsecond():
    ids = TimedIds()
    steps = [ids.take(AT + timedelta(microseconds=step), 3)[2] for step in range(2_000)]
    assert steps == sorted(steps)


def test_the_bounds_of_a_time_part_before_from_after():
    least, greatest = least_id_at(AT), greatest_id_at(AT)
    assert least.version == greatest.version == 7
    assert id_at(AT - timedelta(milliseconds=1)) < least < id_at(AT) < greatest
    assert greatest < id_at(AT + timedelta(milliseconds=1))
    assert least_id_at(datetime.now(UTC) - timedelta(seconds=1)) < new_id()


def test_times_that_no_id_can_carry_are_cut():
    assert least_id_at(datetime.min.replace(tzinfo=UTC)).int >> 80 == 0
    assert greatest_id_at(datetime.max.replace(tzinfo=UTC)) > id_at(AT)
