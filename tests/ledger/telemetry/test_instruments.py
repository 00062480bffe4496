"""What a process counts, and how it comes to the totals of all processes."""

import atexit
import os
import threading
from queue import Queue

import pytest

from ledger.redis_state import shared
from ledger.telemetry import totals
from ledger.telemetry.families import clean_label, label_provider
from ledger.telemetry.gathering import Gatherer
from ledger.telemetry.instruments import OTHER, SUM, Counter, Family, Histogram, take_amounts


@pytest.fixture(autouse=True)
def _own_families(monkeypatch):
    """Families of a test are not among those of the product, and its counts not among the totals."""
    monkeypatch.setattr(Family, "all", {})
    monkeypatch.setattr(totals, "HASH", f"test:metrics:{os.getpid()}")
    take_amounts()
    yield
    take_amounts()
    shared.ask(lambda client: client.delete(totals.HASH))


def test_counts_are_taken_once_by_their_labels():
    mails = Counter("mails_total", "Mails.", ("door",))
    mails.add("api")
    mails.add("api", amount=2)
    mails.add("smtp")
    assert take_amounts() == {("mails_total", "", "api"): 3, ("mails_total", "", "smtp"): 1}
    assert take_amounts() == {}


def test_a_duration_is_counted_in_the_bucket_whose_end_it_does_not_exceed():
    took = Histogram("took_seconds", "Time.", ("route",), bounds=(0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        took.observe(seconds, "/a")
    assert take_amounts() == {
        ("took_seconds", "0", "/a"): 2,
        ("took_seconds", "1", "/a"): 1,
        ("took_seconds", "2", "/a"): 1,
        ("took_seconds", SUM, "/a"): pytest.approx(7.65),
    }


def test_labels_beyond_the_most_of_a_family_count_together():
    mails = Counter("mails_total", "Mails.", ("project",), most=2)
    for project in ("a", "b", "c", "d", "a"):
        mails.add(project)
    assert {key[2]: count for key, count in take_amounts().items()} == {"a": 2, "b": 1, OTHER: 2}


def test_threads_lose_no_count():
    mails = Counter("mails_total", "Mails.")
    threads = [threading.Thread(target=lambda: [mails.add() for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert take_amounts() == {("mails_total", ""): 8000}


def test_a_forked_child_does_not_write_what_its_parent_has_counted():
    Counter("mails_total", "Mails.").add()
    child = os.fork()
    if child == 0:
        os._exit(len(take_amounts()))
    assert os.waitpid(child, 0)[1] == 0
    assert len(take_amounts()) == 1


def test_processes_add_up_in_redis():
    mails, took = Counter("mails_total", "Mails.", ("door",)), Histogram("took_seconds", "Time.", (), bounds=(1.0,))
    for _ in range(2):
        mails.add("api", amount=2)
        took.observe(0.25)
        assert totals.write_amounts() is False
    assert totals.write_amounts() is False
    assert totals.read_totals() == {
        ("mails_total", "", "api"): 4,
        ("took_seconds", "0"): 2,
        ("took_seconds", SUM): 0.5,
    }


def test_counts_wait_while_redis_is_away(monkeypatch):
    mails = Counter("mails_total", "Mails.")
    mails.add()
    with monkeypatch.context() as away:
        away.setattr(totals.shared, "ask", lambda _question: None)
        assert totals.write_amounts() is True
        assert totals.read_totals() is None
        mails.add()
    assert totals.write_amounts() is False
    assert totals.read_totals() == {("mails_total", ""): 2}


def test_a_part_that_fails_does_not_end_the_others():
    gatherer, done = Gatherer(), []

    def fail():
        raise ValueError

    gatherer.register(fail)
    gatherer.register(lambda: done.append(1) or False)
    assert gatherer.write() is False
    assert done == [1]


def test_what_is_left_is_tried_again_and_an_idle_process_sleeps(monkeypatch):
    monkeypatch.setattr("ledger.telemetry.gathering.INTERVAL_SECONDS", 0.0)
    gatherer, left, runs = Gatherer(), [True, False], Queue()
    gatherer.has_thread = True
    gatherer.register(lambda: runs.put(gatherer.is_awake) or left.pop(0))
    gatherer.wake()
    atexit.unregister(gatherer.write)
    assert [runs.get(timeout=10) for _ in range(2)] == [False, False]
    # A third run would find no answer, and each run comes from a wake.
    assert (left, runs.empty()) == ([], True)


@pytest.mark.parametrize(
    ("name", "label"), [("relay", "relay"), ("bob@x.test", "bob_x.test"), ("a\nb\x1fc", "abc"), ("x" * 100, "x" * 60)]
)
def test_a_name_becomes_a_label_without_addresses_and_separators(name, label):
    assert clean_label(name) == label


def test_providers_of_projects_are_one():
    assert (label_provider("relay", is_shared=True), label_provider("mine", is_shared=False)) == ("relay", "project")
