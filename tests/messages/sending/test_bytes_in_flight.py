"""Large mail on its way is bounded by bytes: the rest waits, small mail passes, and one mail always goes."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta
from threading import Lock
from time import monotonic, sleep
from typing import Any, cast
from uuid import UUID

import pytest
from django.db import connection

from delivery.envelope import BeforeDot, Delivery, Outcome, Reply, Stage
from messages.attachments import File
from messages.models import Attempt, Message, Recipient
from messages.sending import worker_state
from messages.sending.picking import ByteLimit
from messages.sending.progress import Waiting, Work
from messages.sending.worker_state import SendQueueKey
from messages.states import Status
from providers.models import Provider
from providers.routing.selection import SIMULATOR
from tests.messages.storages import CountingStorage
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer

Send = Callable[..., Message]
Deliver = Callable[..., None]
LARGE = 100_000  # one file's bytes; as sent 137 KB


def attach(number: int = 0) -> list[File]:
    content = bytes([number]) * LARGE
    return [File(filename="a.bin", content_type="application/octet-stream", content=content)]


class Scale:
    """A transport that weighs what is on its way at once. `hold` is called before the first mail's reply."""

    def __init__(self, hold: Callable[[], None] = lambda: None) -> None:
        self._lock = Lock()
        self._hold: Callable[[], None] | None = hold
        self._now: dict[UUID, int] = {}
        self.peak_bytes = 0
        self.peak_count = 0
        self.contents: list[bytes] = []

    def transmit(self, deliveries: Sequence[Delivery], before_dot: BeforeDot) -> Iterator[tuple[UUID, Reply]]:
        for one in deliveries:
            with self._lock:
                self._now[one.recipient_id] = len(one.content)
                self.peak_bytes = max(self.peak_bytes, sum(self._now.values()))
                self.peak_count = max(self.peak_count, len(self._now))
                hold, self._hold = self._hold, None
                self.contents.append(one.content)
            if hold:
                hold()
            allowed = before_dot([one.recipient_id])
            with self._lock:
                del self._now[one.recipient_id]
            if one.recipient_id in allowed:
                yield one.recipient_id, Reply(outcome=Outcome.DELIVERED, stage=Stage.DOT, code=250, has_reached=True)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def use_scale(monkeypatch: pytest.MonkeyPatch) -> Callable[[Scale], Scale]:
    def use(scale: Scale) -> Scale:
        monkeypatch.setattr(worker_state, "build_transport", lambda _provider: scale)
        Provider.objects.create(name="scale", kind="smtp", settings=settings_of("smtp://127.0.0.1:9?tls=never"))
        return scale

    return use


def count_statuses() -> dict[str, int]:
    statuses = list(Recipient.objects.values_list("status", flat=True))
    return {status: statuses.count(status) for status in set(statuses)}


@pytest.mark.django_db
def test_no_more_bytes_are_on_their_way_than_the_limit_and_all_mail_arrives(
    use_scale: Callable[[Scale], Scale], send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.DELIVER_LIMIT_BYTES = 600_000
    scale = use_scale(Scale())
    for number in range(8):
        send(attachments=attach(number))
    deliver()
    assert count_statuses() == {Status.DELIVERED: 8}
    assert len(set(scale.contents)) == 8
    # Three quarters of the limit are for one provider's mail.
    assert scale.peak_count <= 3
    assert scale.peak_bytes <= 450_000
    assert Attempt.objects.count() == 8


@pytest.mark.django_db
def test_mail_above_the_limit_goes_alone(
    use_scale: Callable[[Scale], Scale], send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.DELIVER_LIMIT_BYTES = 1000
    scale = use_scale(Scale())
    for number in range(3):
        send(attachments=attach(number), to=[f"u{number}@rcpt.test", f"v{number}@rcpt.test"])
    deliver()
    assert count_statuses() == {Status.DELIVERED: 6}
    assert scale.peak_count == 1


@pytest.mark.django_db
def test_a_large_body_counts_as_a_file_does(
    use_scale: Callable[[Scale], Scale], send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.DELIVER_LIMIT_BYTES = 1000
    scale = use_scale(Scale())
    texts = [f"{number} line\n" * 12_000 for number in range(2)]
    for text in texts:
        send(text=text)
    deliver()
    assert scale.peak_count == 1
    assert all(any(text.replace("\n", "\r\n").encode() in content for content in scale.contents) for text in texts)


@pytest.mark.django_db(transaction=True)
def test_mail_that_a_slow_conversation_keeps_waiting_is_given_back_when_the_time_is_over(
    use_scale: Callable[[Scale], Scale], send: Send, deliver: Deliver, settings: Any
) -> None:
    settings.DELIVER_LIMIT_BYTES = 1000
    settings.DELIVER_TIME = timedelta(seconds=1)  # the child has to claim within it

    def wait_until_given_back() -> None:
        until = monotonic() + 60
        while Recipient.objects.filter(lease_token__isnull=False).count() != 1 and monotonic() < until:
            sleep(0.01)
        connection.close()

    use_scale(Scale(wait_until_given_back))
    for number in range(3):
        send(attachments=attach(number))
    deliver()
    assert count_statuses() == {Status.DELIVERED: 1, Status.QUEUED: 2}
    assert not Recipient.objects.filter(lease_token__isnull=False).exists()
    assert Attempt.objects.count() == 1
    deliver()
    assert count_statuses() == {Status.DELIVERED: 3}


def test_a_file_is_read_once_for_all_recipients_of_its_message(
    inbox: SmtpServer, send: Send, deliver: Deliver, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    settings.ATTACHMENT_STORAGE = "tests.messages.storages.CountingStorage"
    for number in range(2):
        send(attachments=attach(number), to=["one@rcpt.test", "two@rcpt.test", "three@rcpt.test"])
    CountingStorage.opened.clear()
    deliver()
    assert len(inbox.mails) == 6
    assert len(CountingStorage.opened) == len(set(CountingStorage.opened)) == 2


def test_a_file_that_cannot_be_read_defers_its_mail_alone(
    inbox: SmtpServer, send: Send, deliver: Deliver, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    settings.ATTACHMENT_STORAGE = "django.core.files.storage.FileSystemStorage"
    send(attachments=attach())
    send(to=["other@rcpt.test"])
    (stored,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    moved = stored.rename(tmp_path / "moved")
    deliver()
    assert [mail.addresses for mail in inbox.mails] == [["other@rcpt.test"]]
    attempt = Attempt.objects.get(outcome="deferred")
    assert (attempt.recipient.address, attempt.recipient.status) == ("one@rcpt.test", Status.QUEUED)
    moved.rename(stored)
    deliver(is_later=True)
    assert count_statuses() == {Status.DELIVERED: 2}


A, B, C = (SendQueueKey(SIMULATOR, domain) for domain in ("a.test", "b.test", "c.test"))
KIB = 1024


def wait(*sizes: int) -> list[list[Waiting]]:
    """Mails of these sizes in KiB, one in each conversation."""
    none = cast(Any, None)
    return [
        [Waiting(claim=none, queue_key=A, composer=none, size=size * KIB, has_own_content=True, decision={}, tried={})]
        for size in sizes
    ]


def limit_with(**held: Collection[int]) -> ByteLimit:
    """A limit of 1000 KiB, with mails of these sizes on their way by `a`, `b` or `c`."""
    keys = {"a": A, "b": B, "c": C}
    none = cast(Any, None)
    return ByteLimit(
        1000 * KIB,
        [
            Work(claim=none, queue_key=keys[name], tried={}, begun_at=0.0, size=size * KIB, is_large=True)
            for name, sizes in held.items()
            for size in sizes
        ],
    )


def choose(limit: ByteLimit, key: SendQueueKey, *sizes: int) -> list[int]:
    return [items[0].size // KIB for items in limit.choose(key, wait(*sizes))]


def test_large_mail_keeps_its_order_and_small_mail_does_not_wait_for_it() -> None:
    assert choose(limit_with(), A, 500, 400, 100, 10, 100) == [500, 10]
    assert choose(limit_with(), A, 500, 250, 100, 10) == [500, 250, 10]


def test_one_mail_goes_whatever_its_size() -> None:
    assert choose(limit_with(), A, 5000, 100) == [5000]
    assert choose(limit_with(a=[5000]), A, 5000, 100, 10) == [10]


def test_one_way_out_leaves_a_part_to_the_others() -> None:
    limit = limit_with(a=[400, 300])
    assert choose(limit, A, 100) == []
    assert choose(limit, B, 100, 100, 200) == [100, 100]


def test_no_later_mail_passes_one_that_waits_for_other_ways_out() -> None:
    limit = limit_with(a=[400])
    assert choose(limit, B, 700) == []
    assert choose(limit, C, 100, 10) == [10]


def test_what_starts_counts_for_those_that_come_later() -> None:
    limit = limit_with()
    limit.add(A, wait(700, 10))
    assert choose(limit, B, 300, 100) == [300]
