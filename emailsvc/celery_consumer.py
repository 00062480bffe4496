"""A worker's line to the broker: that it is lost is noticed, and a new one is tried every second.

Celery only logs an acknowledgement that fails, and its message keeps a place in the prefetch count. A worker whose
places are all lost polls its line no more, so that it never sees that the line is dead either: deaf for good.
"""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

from ledger.doorbell import doorbell

# Celery's own waits grow to half a minute, and mail is to go out within five seconds of the broker's return.
RETRY_SECONDS = 1


class LostLineError(ConnectionError):
    """An acknowledgement did not reach the broker."""


class Consumer(CeleryConsumer):
    """Celery's consumer, which connects anew after a failed acknowledgement, and soon."""

    hub: Any
    task_consumer: Any

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once the broker is there. What rang in vain meanwhile may be rung for again."""
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=RETRY_SECONDS, interval_step=0, interval_max=RETRY_SECONDS
        )
        connected = super().ensure_connected(conn)
        doorbell.resume()
        return connected

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Run `p`, a message's acknowledgement or rejection, and look whether it was heard."""
        return super().call_soon_ack(partial(self._acknowledge, p), *args, **kwargs)  # type: ignore[misc]

    def _acknowledge(self, p: Any, *args: Any, **kwargs: Any) -> None:
        p(*args, **kwargs)
        message = p.__self__
        # A message of an earlier line cannot be acknowledged by this one, and has no place in its count.
        if not message.acknowledged and message.channel is self.task_consumer.channel:
            self.hub.on_tick.add(self._lose_line)

    def _lose_line(self) -> None:
        """Raise what Celery takes for the end of the line, between two rounds of its loop."""
        self.hub.on_tick.discard(self._lose_line)
        raise LostLineError("an acknowledgement did not reach the broker")
