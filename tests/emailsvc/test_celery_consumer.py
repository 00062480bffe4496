"""The worker's connection to the broker: a lost acknowledgement means a lost connection, and it reconnects soon."""

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.asynchronous import Hub
from kombu.message import Message
from structlog import get_logger

from emailsvc.celery import app
from emailsvc.celery_consumer import RETRY_SECONDS, Consumer, LostLineError


class Channel:
    """A line to the broker, which may be dead."""

    no_ack_consumers: None = None

    def __init__(self, *, is_dead: bool) -> None:
        self.is_dead = is_dead

    def basic_ack(self, tag: str, multiple: bool = False) -> None:
        if self.is_dead:
            raise ConnectionError("gone")


@pytest.fixture
def consumer() -> Any:
    """One that is connected, as far as acknowledging needs it."""
    built: Any = Consumer.__new__(Consumer)
    built.hub = Hub()
    yield built
    built.hub.close()


def acknowledge(consumer: Any, channel: Channel) -> None:
    """As Celery does when a task has ended, and one round of its loop."""
    message = Message(channel=channel, delivery_tag="1")
    consumer.call_soon_ack(message.ack_log_error, get_logger(), (ConnectionError,))
    for ready in consumer.hub._pop_ready():
        ready()
    for tick in list(consumer.hub.on_tick):
        tick()


def test_a_failed_acknowledgement_ends_the_connection(consumer: Any) -> None:
    channel = Channel(is_dead=True)
    consumer.task_consumer = SimpleNamespace(channel=channel)
    with pytest.raises(LostLineError):
        acknowledge(consumer, channel)
    assert not consumer.hub.on_tick


def test_an_acknowledgement_that_is_heard_leaves_the_line_alone(consumer: Any) -> None:
    channel = Channel(is_dead=False)
    consumer.task_consumer = SimpleNamespace(channel=channel)
    acknowledge(consumer, channel)


def test_a_task_of_an_earlier_line_does_not_end_the_present_one(consumer: Any) -> None:
    consumer.task_consumer = SimpleNamespace(channel=Channel(is_dead=False))
    acknowledge(consumer, Channel(is_dead=True))


def test_celery_takes_a_lost_line_for_the_end_of_its_connection() -> None:
    assert issubclass(LostLineError, OSError)


def test_a_broker_that_is_away_is_tried_every_second(consumer: Any) -> None:
    asked: dict[str, Any] = {}

    class Connection:
        def ensure_connection(self, *_: Any, **options: Any) -> "Connection":
            asked.update(options)
            return self

    consumer.app = SimpleNamespace(
        conf=SimpleNamespace(
            broker_connection_retry_on_startup=True, broker_connection_retry=True, broker_connection_max_retries=None
        )
    )
    consumer.first_connection_attempt = True
    connection = Connection()
    assert consumer.ensure_connected(connection) is connection
    assert (asked["interval_start"], asked["interval_step"], asked["interval_max"]) == (RETRY_SECONDS, 0, RETRY_SECONDS)


def test_only_what_serves_queues_that_expire_is_left_out_of_the_timers(consumer: Any) -> None:
    consumer.app = app
    consumer.amqheartbeat = None
    consumer.first_connection_attempt = True
    connected = consumer.connect()
    cycle = connected.transport.cycle
    cancelled = {name for name, timer in vars(cycle).items() if name.endswith("_tref") and timer.canceled}
    assert cancelled == {"_binding_expiry_tref"}
    assert all(queue.expires is None for queue in app.amqp.queues.values())
    connected.close()
