import logging
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from delivery.concurrency.async_transport import AsyncTransport
from delivery.concurrency.conversations import Conversations, Gathered
from delivery.concurrency.waiting import run_blocking
from delivery.envelope import Outcome, Reply, Stage
from tests.smtp_mail import build_delivery, build_transport
from tests.smtp_server import SmtpServer

ROOT = Path(__file__).parents[3]
DELIVERED = Reply(outcome=Outcome.DELIVERED, stage=Stage.DOT, code=250)


class FakeTransport(AsyncTransport):
    """Asks for each delivery's dot and delivers it; `before` and `after` the question something may happen."""

    def __init__(self, before=lambda _delivery: None, after=lambda _delivery: None):
        self._before = before
        self._after = after
        self._lock = threading.Lock()
        self.talking = 0
        self.most_talking = 0

    async def converse(self, deliveries, before_dot):
        self._count(1)
        try:
            for delivery in deliveries:
                await run_blocking(partial(self._before, delivery))
                allowed = await before_dot((delivery.recipient_id,))
                if delivery.recipient_id in allowed:
                    await run_blocking(partial(self._after, delivery))
                    yield delivery.recipient_id, DELIVERED
        finally:
            self._count(-1)

    def _count(self, change):
        with self._lock:
            self.talking += change
            self.most_talking = max(self.most_talking, self.talking)

    def close(self):
        pass


class BlockingTransport:
    """The same, as a transport that can only block."""

    def __init__(self, **values):
        self._awaited = FakeTransport(**values)

    talking = property(lambda self: self._awaited.talking)
    most_talking = property(lambda self: self._awaited.most_talking)

    def transmit(self, deliveries, before_dot):
        return self._awaited.transmit(deliveries, before_dot)

    def close(self):
        pass


@pytest.fixture(params=[FakeTransport, BlockingTransport], ids=["awaited", "blocking"])
def build_fake(request):
    return request.param


@pytest.fixture
def conversations():
    made = Conversations(limit=3)
    yield made
    made.close(5)


def gather_until(conversations, is_enough, *, grant=True):
    """Everything that comes until `is_enough(all)`; questions are granted as they come."""
    everything = Gathered()
    deadline = time.monotonic() + 60
    while not is_enough(everything):
        assert time.monotonic() < deadline, everything
        some = conversations.wait(0.1)
        if grant:
            conversations.grant(some.asking, [i for ask in some.asking for i in ask.ids])
        everything.replies += some.replies
        everything.asking += some.asking
        everything.finished += some.finished
    return everything


def submit_many(conversations, transport, count, key="a"):
    deliveries = [build_delivery() for _ in range(count)]
    for delivery in deliveries:
        conversations.submit(key, transport, [delivery])
    return [delivery.recipient_id for delivery in deliveries]


def test_each_delivery_asks_is_answered_and_finishes(conversations, build_fake):
    ids = submit_many(conversations, build_fake(), 20)
    everything = gather_until(conversations, lambda all_: len(all_.finished) == 20)
    assert sorted(i for i, _ in everything.replies) == sorted(ids)
    assert {reply for _, reply in everything.replies} == {DELIVERED}
    assert sorted(i for ask in everything.asking for i in ask.ids) == sorted(ids)
    assert {finished.key for finished in everything.finished} == {"a"}
    assert conversations.total() == 0


def test_what_is_submitted_together_starts_together(conversations):
    """Where all conversations share a thread."""
    transport = FakeTransport()
    submit_many(conversations, transport, 1)
    gather_until(conversations, lambda all_: len(all_.finished) == 1)
    with conversations.together():
        submit_many(conversations, transport, 3)
        assert not conversations.wait(0.1)
        assert transport.talking == 0
    gather_until(conversations, lambda all_: len(all_.finished) == 3)


def test_a_long_wait_for_others_ends(conversations, monkeypatch):
    monkeypatch.setattr("delivery.concurrency.conversations.TOGETHER_SECONDS", 0.0)
    with conversations.together():
        submit_many(conversations, FakeTransport(), 2)
        gather_until(conversations, lambda all_: len(all_.finished) == 2)


def test_no_more_than_the_limit_talk_at_once_for_each_key(conversations, build_fake):
    gate = threading.Event()
    one, other = build_fake(before=lambda _: gate.wait(60)), build_fake(before=lambda _: gate.wait(60))
    submit_many(conversations, one, 10, "one")
    submit_many(conversations, other, 2, "other")
    deadline = time.monotonic() + 60
    while (one.talking, other.talking) != (3, 2) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (conversations.in_flight("one"), conversations.queued("one"), conversations.free("one")) == (3, 7, 0)
    assert (conversations.in_flight("other"), conversations.queued("other"), conversations.free("other")) == (2, 0, 1)
    assert (conversations.in_flight("third"), conversations.free("third"), conversations.total()) == (0, 3, 12)
    gate.set()
    gather_until(conversations, lambda all_: len(all_.finished) == 12)
    assert (one.most_talking, other.most_talking) == (3, 2)


def test_a_slow_provider_does_not_hold_another(conversations, build_fake):
    gate = threading.Event()
    submit_many(conversations, build_fake(before=lambda _: gate.wait(60)), 10, "slow")
    ids = submit_many(conversations, build_fake(), 10, "fast")
    everything = gather_until(conversations, lambda all_: len(all_.finished) == 10)
    assert sorted(i for i, _ in everything.replies) == sorted(ids)
    gate.set()
    gather_until(conversations, lambda all_: len(all_.finished) == 10)


def test_nothing_passes_the_dot_before_the_grant_and_only_what_is_granted(conversations, build_fake):
    passed = []
    transport = build_fake(after=lambda delivery: passed.append(delivery.recipient_id))
    submit_many(conversations, transport, 3)
    asked = gather_until(conversations, lambda all_: len(all_.asking) == 3, grant=False).asking
    time.sleep(0.05)
    assert passed == []
    allowed = asked[1].ids
    conversations.grant(asked, allowed)
    everything = gather_until(conversations, lambda all_: len(all_.finished) == 3)
    assert passed == list(allowed)
    assert [i for i, _ in everything.replies] == list(allowed)


def test_a_grant_for_others_does_not_leak(conversations, build_fake):
    submit_many(conversations, build_fake(), 1)
    asked = gather_until(conversations, lambda all_: all_.asking, grant=False).asking
    conversations.grant(asked, [uuid4()])
    assert gather_until(conversations, lambda all_: all_.finished).replies == []


def test_a_group_asks_for_each_and_is_finished_once(conversations, build_fake):
    group = [build_delivery() for _ in range(4)]
    conversations.submit("a", build_fake(), group)
    everything = gather_until(conversations, lambda all_: all_.finished)
    assert [i for i, _ in everything.replies] == [delivery.recipient_id for delivery in group]
    assert everything.finished[0].ids == tuple(delivery.recipient_id for delivery in group)


def test_an_answer_is_handed_over_no_later_than_the_next_question(build_fake):
    conversations = Conversations(limit=1)
    submit_many(conversations, build_fake(), 50)
    in_window = set()
    done = 0
    while done < 50:
        gathered = conversations.wait(5)
        in_window -= {i for i, _ in gathered.replies}
        done += len(gathered.finished)
        for ask in gathered.asking:
            in_window |= set(ask.ids)
        assert len(in_window) <= 1
        conversations.grant(gathered.asking, in_window)
    conversations.close(5)


def test_wait_comes_back_when_nothing_comes(conversations):
    started = time.monotonic()
    assert not conversations.wait(0.1)
    assert time.monotonic() - started >= 0.09
    assert not conversations.wait(0)


# Transports that break


class BrokenError(Exception):
    pass


def break_down(_delivery):
    raise BrokenError("with a secret in it")


def test_a_transport_that_breaks_before_the_dot_defers_and_logs(conversations, caplog, build_fake):
    [first] = submit_many(conversations, build_fake(before=break_down), 1)
    with caplog.at_level(logging.ERROR):
        everything = gather_until(conversations, lambda all_: all_.finished)
    [(recipient_id, reply)] = everything.replies
    assert (recipient_id, reply.outcome, reply.has_reached) == (first, Outcome.DEFERRED, False)
    assert "BrokenError" in reply.text
    assert "secret" not in reply.text
    assert "BrokenError" in caplog.text


def test_a_transport_that_breaks_after_the_dot_is_uncertain(conversations, caplog, build_fake):
    submit_many(conversations, build_fake(after=break_down), 1)
    [(_, reply)] = gather_until(conversations, lambda all_: all_.finished).replies
    assert (reply.outcome, reply.stage, reply.has_reached) == (Outcome.UNCERTAIN, Stage.DOT, True)


def test_a_transport_that_breaks_inside_a_group_loses_no_recipient(conversations, caplog, build_fake):
    group = [build_delivery() for _ in range(4)]

    def break_at_third(delivery):
        if delivery is group[2]:
            raise BrokenError

    conversations.submit("a", build_fake(after=break_at_third), group)
    replies = dict(gather_until(conversations, lambda all_: all_.finished).replies)
    assert [replies[delivery.recipient_id].outcome for delivery in group] == [
        Outcome.DELIVERED,
        Outcome.DELIVERED,
        Outcome.UNCERTAIN,
        Outcome.DEFERRED,
    ]


def test_the_thread_survives_a_transport_that_breaks(caplog, build_fake):
    conversations = Conversations(limit=1)
    submit_many(conversations, build_fake(before=break_down), 1)
    submit_many(conversations, build_fake(), 1)
    everything = gather_until(conversations, lambda all_: len(all_.finished) == 2)
    assert [reply.outcome for _, reply in everything.replies] == [Outcome.DEFERRED, Outcome.DELIVERED]
    conversations.close(5)


class UnableTransport(FakeTransport):
    def converse(self, deliveries, before_dot):
        raise BrokenError

    def tidy(self):
        raise BrokenError


def test_a_transport_that_cannot_start_affects_no_other_recipient(conversations, monkeypatch, caplog):
    monkeypatch.setattr("delivery.concurrency.loop_runner.TIDY_SECONDS", 0.01)
    submit_many(conversations, UnableTransport(), 3, "unable")
    submit_many(conversations, FakeTransport(), 3, "able")
    everything = gather_until(conversations, lambda all_: len(all_.finished) == 6)
    time.sleep(0.05)
    submit_many(conversations, FakeTransport(), 1, "able")
    everything.replies += gather_until(conversations, lambda all_: all_.finished).replies
    assert sorted(reply.outcome for _, reply in everything.replies) == ["deferred"] * 3 + ["delivered"] * 4


def test_a_limit_that_cannot_be_shared_ends_no_open_conversation(caplog):
    faults = []

    def limit(key):
        if key == "unknown":
            faults.append(key)
            raise BrokenError
        return 2

    conversations = Conversations(limit)
    submit_many(conversations, FakeTransport(), 2, "known")
    asked = gather_until(conversations, lambda all_: len(all_.asking) == 2, grant=False).asking
    conversations.submit("unknown", FakeTransport(), [build_delivery()])
    # In one burst with what fails.
    conversations.grant(asked, [i for ask in asked for i in ask.ids])
    everything = gather_until(conversations, lambda all_: len(all_.finished) == 2)
    assert [reply.outcome for _, reply in everything.replies] == [Outcome.DELIVERED] * 2
    assert faults
    assert "BrokenError" in caplog.text
    conversations.close(5)


class SilentTransport:
    def transmit(self, deliveries, before_dot):
        before_dot(tuple(delivery.recipient_id for delivery in deliveries[:1]))
        return iter(())


def test_a_silent_transport_loses_no_recipient(conversations):
    group = [build_delivery(), build_delivery()]
    conversations.submit("a", SilentTransport(), group)
    replies = dict(gather_until(conversations, lambda all_: all_.finished).replies)
    assert [replies[delivery.recipient_id].outcome for delivery in group] == [Outcome.UNCERTAIN, Outcome.DEFERRED]


class ChattyTransport:
    def transmit(self, deliveries, before_dot):
        yield deliveries[0].recipient_id, DELIVERED
        yield deliveries[0].recipient_id, DELIVERED
        yield uuid4(), DELIVERED


def test_a_second_answer_and_one_for_a_stranger_are_dropped(conversations):
    [first] = submit_many(conversations, ChattyTransport(), 1)
    everything = gather_until(conversations, lambda all_: all_.finished)
    assert everything.replies == [(first, DELIVERED)]


# The end


def test_withdraw_takes_back_what_nobody_has_begun(conversations, build_fake):
    gate = threading.Event()
    transport = build_fake(before=lambda _: gate.wait(60))
    ids = submit_many(conversations, transport, 8)
    deadline = time.monotonic() + 60
    while transport.talking < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert conversations.withdraw() == ids[3:]
    assert conversations.total() == 3
    gate.set()
    assert len(gather_until(conversations, lambda all_: len(all_.finished) == 3).replies) == 3


def test_close_grants_nothing_more_and_ends_the_threads(build_fake):
    passed = []
    conversations = Conversations(limit=2)
    transport = build_fake(after=lambda delivery: passed.append(delivery))
    submit_many(conversations, transport, 6)
    asked = gather_until(conversations, lambda all_: len(all_.asking) == 2, grant=False).asking
    conversations.close(5)
    conversations.grant(asked, [i for ask in asked for i in ask.ids])
    assert passed == []
    assert not conversations.wait(0).replies
    assert conversations.total() == 0
    assert not {"conversation-a", "conversations"} & {thread.name for thread in threading.enumerate()}
    with pytest.raises(RuntimeError, match="closed"):
        submit_many(conversations, transport, 1)


def test_close_does_not_wait_for_a_conversation_that_hangs(build_fake):
    gate, ended = threading.Event(), threading.Event()

    def hang(_delivery):
        gate.wait(60)
        ended.set()

    conversations = Conversations(limit=1)
    [first] = submit_many(conversations, build_fake(after=hang), 1)
    gather_until(conversations, lambda all_: all_.asking)
    conversations.close(0.1)
    assert not ended.is_set()
    gate.set()
    assert gather_until(conversations, lambda all_: all_.finished).replies == [(first, DELIVERED)]


def test_threads_are_daemons_made_on_demand(conversations):
    gate = threading.Event()
    submit_many(conversations, BlockingTransport(before=lambda _: gate.wait(60)), 2, "demand")
    threads = [thread for thread in threading.enumerate() if thread.name == "conversation-demand"]
    assert [thread.daemon for thread in threads] == [True, True]
    gate.set()
    gather_until(conversations, lambda all_: len(all_.finished) == 2)
    submit_many(conversations, BlockingTransport(), 1, "demand")
    gather_until(conversations, lambda all_: all_.finished)
    assert len([thread for thread in threading.enumerate() if thread.name == "conversation-demand"]) <= 3


def test_idle_threads_end_and_new_work_finds_new_ones(monkeypatch):
    monkeypatch.setattr("delivery.concurrency.thread_runner.IDLE_SECONDS", 0.02)
    conversations = Conversations(limit=2)
    for _ in range(5):
        submit_many(conversations, BlockingTransport(), 5, "idle")
        gather_until(conversations, lambda all_: len(all_.finished) == 5)
        time.sleep(0.02)
    deadline = time.monotonic() + 60
    while [thread for thread in threading.enumerate() if thread.name == "conversation-idle"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    conversations.close(1)


# With the real way out


def test_it_carries_mail_over_smtp():
    with SmtpServer() as server:
        transport = build_transport(server)
        conversations = Conversations(limit=4)
        ids = submit_many(conversations, transport, 100)
        everything = gather_until(conversations, lambda all_: len(all_.finished) == 100)
        assert sorted(i for i, _ in everything.replies) == sorted(ids)
        assert {reply.outcome for _, reply in everything.replies} == {Outcome.ACCEPTED}
        assert server.connection_count <= 5
        conversations.close(5)
        transport.close()
    assert len(server.mails) == 100


ABANDON = """
import time
from delivery.concurrency.async_transport import AsyncTransport
from delivery.concurrency.conversations import Conversations
from delivery.concurrency.waiting import run_blocking
from tests.smtp_mail import build_delivery

class BlockingTransport:
    def transmit(self, deliveries, before_dot):
        before_dot([deliveries[0].recipient_id])
        yield

class AwaitedTransport(AsyncTransport):
    async def converse(self, deliveries, before_dot):
        await before_dot([deliveries[0].recipient_id])
        yield

    def close(self):
        pass

class CallingTransport(AwaitedTransport):
    async def converse(self, deliveries, before_dot):
        await run_blocking(lambda: time.sleep(60))
        yield

conversations = Conversations(limit=1)
conversations.submit("a", {transport}(), [build_delivery()])
time.sleep(0.2)
"""


@pytest.mark.parametrize("transport", ["BlockingTransport", "AwaitedTransport", "CallingTransport"])
def test_an_owner_who_leaves_is_not_kept_alive_by_its_conversations(transport):
    code = ABANDON.replace("{transport}", transport)
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_permit_given_with_the_start_needs_no_request(conversations, build_fake):
    delivery = build_delivery()
    conversations.submit("way", build_fake(), [delivery], permit_until=time.monotonic() + 60)
    gathered = conversations.wait(10)
    while not gathered.finished:
        later = conversations.wait(10)
        gathered.replies += later.replies
        gathered.asking += later.asking
        gathered.finished += later.finished
    assert (gathered.asking, gathered.replies) == ([], [(delivery.recipient_id, DELIVERED)])


def test_a_permit_that_has_grown_old_is_asked_for_again(conversations, build_fake):
    delivery = build_delivery()
    conversations.submit("way", build_fake(), [delivery], permit_until=time.monotonic() - 1)
    gathered = conversations.wait(10)
    assert [ask.ids for ask in gathered.asking] == [(delivery.recipient_id,)]
    conversations.grant(gathered.asking, ())


def test_a_fault_after_a_permit_given_with_the_start_is_uncertain(conversations, build_fake):
    def fail(_delivery):
        raise RuntimeError

    delivery = build_delivery()
    conversations.submit("way", build_fake(after=fail), [delivery], permit_until=time.monotonic() + 60)
    (reply,) = conversations.wait(10).replies
    assert reply[1].outcome is Outcome.UNCERTAIN
