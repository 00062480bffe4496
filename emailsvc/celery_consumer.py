"""A worker's connection to the broker: detects a lost one and reconnects every second.

Celery only logs a failed acknowledgement, and the message keeps its place in the prefetch count. A worker that has
lost all its places stops polling its connection, so that it never sees that the connection is dead.
"""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

from ledger.doorbell import doorbell

# Celery's own delays grow to 30 s; mail must go out within 5 s of the broker's return.
RETRY_SECONDS = 1


class LostLineError(ConnectionError):
    """An acknowledgement did not reach the broker."""


class Consumer(CeleryConsumer):
    """Celery's consumer, which reconnects soon after a failed acknowledgement."""

    hub: Any
    task_consumer: Any

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once the broker answers. Wake-ups that failed meanwhile may then be sent again."""
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=RETRY_SECONDS, interval_step=0, interval_max=RETRY_SECONDS
        )
        connected = super().ensure_connected(conn)
        doorbell.resume()
        return connected

    def connect(self) -> Any:
        """A new connection, without its timer that wakes the worker each second to keep queues that expire: ours do
        not.
        """
        connected = super().connect()
        cycle = getattr(connected.transport, "cycle", None)
        if timer := getattr(cycle, "_binding_expiry_tref", None):
            timer.cancel()
        return connected

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Run `p`, a message's acknowledgement or rejection, and note whether it failed."""
        return super().call_soon_ack(partial(self._acknowledge, p), *args, **kwargs)  # type: ignore[misc]

    def _acknowledge(self, p: Any, *args: Any, **kwargs: Any) -> None:
        p(*args, **kwargs)
        message = p.__self__
        # A message of an earlier connection cannot be acknowledged on this one, and has no place in its prefetch count.
        if not message.acknowledged and message.channel is self.task_consumer.channel:
            self.hub.on_tick.add(self._lose_line)

    def _lose_line(self) -> None:
        """Raise the error that Celery takes for a lost connection, between two rounds of its loop."""
        self.hub.on_tick.discard(self._lose_line)
        raise LostLineError("an acknowledgement did not reach the broker")
