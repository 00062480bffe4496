"""The events that conversations send to their owner, and the replies that replace missing ones."""

from collections.abc import Callable, Hashable, Sequence
from time import monotonic
from uuid import UUID

from delivery.envelope import Delivery, Outcome, Reply, Stage
from delivery.records import record


class SendPermit:
    """A conversation's request to send the final dot for `ids`. It waits until `Conversations.grant` resolves it."""

    __slots__ = ("_on_answer", "ids", "key")

    def __init__(self, key: Hashable, ids: tuple[UUID, ...], on_answer: Callable[[tuple[UUID, ...]], None]) -> None:
        self.key = key
        self.ids = ids
        self._on_answer: Callable[[tuple[UUID, ...]], None] | None = on_answer

    def answer(self, allowed: tuple[UUID, ...]) -> None:
        """Resolve the request, so that the conversation continues. Only the first call counts."""
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(allowed)


@record(frozen=True, slots=True)
class Finished:
    """A group whose conversation has ended: each id has a reply or was not granted."""

    key: Hashable
    ids: tuple[UUID, ...]


ConversationEvent = tuple[UUID, Reply] | SendPermit | Finished


class DeliveryGroup:
    """Deliveries that share a conversation, with the outcome of each in case the transport gives no reply.

    The conversations of one `owner` are bounded among those of its key; None is not bounded. Until `permit_until`
    (monotonic seconds) the dots are granted.
    """

    __slots__ = ("_pending", "_permit_until", "deliveries", "ids", "key", "owner")

    def __init__(
        self, key: Hashable, deliveries: Sequence[Delivery], owner: Hashable = None, permit_until: float = 0.0
    ) -> None:
        self.key = key
        self.owner = owner
        self._permit_until = permit_until
        self.deliveries = deliveries
        self.ids = tuple(delivery.recipient_id for delivery in deliveries)
        self._pending = dict.fromkeys(self.ids, Outcome.DEFERRED)

    def has_permit(self) -> bool:
        """Whether the dots are granted without a request."""
        return monotonic() < self._permit_until

    def note_permit(self, asked: Sequence[UUID], allowed: Sequence[UUID]) -> None:
        """Record that the dot may be sent for `allowed`; the other ids of `asked` need no reply any more."""
        for recipient_id in asked:
            self._pending.pop(recipient_id, None)
        self._pending.update(dict.fromkeys(allowed, Outcome.UNCERTAIN))

    def is_awaited(self, recipient_id: UUID) -> bool:
        """Whether a reply for `recipient_id` is still missing. True at most once per id."""
        return self._pending.pop(recipient_id, None) is not None

    def close(self, text: str) -> list[ConversationEvent]:
        """The final events: a reply with `text` for each id without one, and the end of the group."""
        events: list[ConversationEvent] = []
        for recipient_id, outcome in self._pending.items():
            is_sent = outcome is Outcome.UNCERTAIN
            stage = Stage.DOT if is_sent else Stage.CONNECT
            events.append((recipient_id, Reply(outcome=outcome, stage=stage, text=text, has_reached=is_sent)))
        return [*events, Finished(self.key, self.ids)]


def describe_fault(error: BaseException | None) -> str:
    """The text of a replacement reply. It holds only the type of the error, as the error's text may hold anything."""
    return "the transport gave no reply" if error is None else f"internal error: {type(error).__name__}"
