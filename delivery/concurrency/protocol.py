"""What conversations say to their owner, and what is said for them when they do not."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from uuid import UUID

from delivery.envelope import Delivery, Outcome, Reply, Stage


class SendPermit:
    """One conversation's question: may the final dot be sent for `ids`? It waits until `Conversations.grant`."""

    __slots__ = ("_on_answer", "ids", "key")

    def __init__(self, key: Hashable, ids: tuple[UUID, ...], on_answer: Callable[[tuple[UUID, ...]], None]) -> None:
        self.key = key
        self.ids = ids
        self._on_answer: Callable[[tuple[UUID, ...]], None] | None = on_answer

    def answer(self, allowed: tuple[UUID, ...]) -> None:
        """Let the conversation go on. Only the first answer counts."""
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(allowed)


@dataclass(frozen=True, slots=True)
class Finished:
    """A group whose conversation has ended: each id was answered, or is not ours to send any more."""

    key: Hashable
    ids: tuple[UUID, ...]


ConversationEvent = tuple[UUID, Reply] | SendPermit | Finished


class DeliveryGroup:
    """Deliveries that share a conversation, and what is to be said of each if the transport does not say it."""

    __slots__ = ("_pending", "deliveries", "ids", "key")

    def __init__(self, key: Hashable, deliveries: Sequence[Delivery]) -> None:
        self.key = key
        self.deliveries = deliveries
        self.ids = tuple(delivery.recipient_id for delivery in deliveries)
        self._pending = dict.fromkeys(self.ids, Outcome.DEFERRED)

    def note_permit(self, asked: Sequence[UUID], allowed: Sequence[UUID]) -> None:
        """The dot may be written now for `allowed`; the others of `asked` are not ours any more."""
        for recipient_id in asked:
            self._pending.pop(recipient_id, None)
        self._pending.update(dict.fromkeys(allowed, Outcome.UNCERTAIN))

    def is_awaited(self, recipient_id: UUID) -> bool:
        """Whether a reply for `recipient_id` is news. Says so once."""
        return self._pending.pop(recipient_id, None) is not None

    def close(self, text: str) -> list[ConversationEvent]:
        """The last words: for whoever is still pending, and that the group is finished."""
        events: list[ConversationEvent] = []
        for recipient_id, outcome in self._pending.items():
            is_sent = outcome is Outcome.UNCERTAIN
            stage = Stage.DOT if is_sent else Stage.CONNECT
            events.append((recipient_id, Reply(outcome=outcome, stage=stage, text=text, has_reached=is_sent)))
        return [*events, Finished(self.key, self.ids)]


def describe_fault(error: BaseException | None) -> str:
    """What a reply says when the transport did not: the type of its error only, for the text may hold anything."""
    return "the transport said nothing" if error is None else f"a fault of ours: {type(error).__name__}"
