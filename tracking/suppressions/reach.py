"""The reach of suppressions: which mail an entry stops.

An opt-out holds for mail that offers an opt-out: an unsubscribe stops mail with `enable_unsubscribe` that is not
critical. Every other reason stops all mail. An entry with a stream holds for that stream only.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tracking.models import SuppressionReason

# The reasons by strength: that of the person first, and those that stop all mail before the one that does not.
STRENGTH: Mapping[str, int] = {
    SuppressionReason.UNSUBSCRIBE: 0,
    SuppressionReason.BOUNCE: 1,
    SuppressionReason.MANUAL: 2,
    SuppressionReason.COMPLAINT: 3,
}


# The reasons whose entries may hold for one stream only.
MAY_NAME_STREAM = frozenset({SuppressionReason.UNSUBSCRIBE, SuppressionReason.MANUAL})


# The priority of mail that no opt-out stops: `messages.states.Lane`, which is in a higher package.
CRITICAL = "critical"


class Cause(NamedTuple):
    """The reason and the stream (None: all streams) of a suppression."""

    reason: str
    stream: str | None

    def event_data(self) -> dict[str, str | None]:
        """The data of the event of a recipient that this entry stopped."""
        return {"reason": self.reason, "stream": self.stream}

    @property
    def strength(self) -> tuple[bool, bool, int]:
        """The order of entries: that of their reach, then that of their reasons."""
        return self.reason != SuppressionReason.UNSUBSCRIBE, self.stream is None, STRENGTH[self.reason]


class MailKind(NamedTuple):
    """What decides whether an opt-out holds for a message: its stream, and whether it obeys opt-outs."""

    stream: str
    obeys_opt_outs: bool

    @classmethod
    def of(cls, stream: str, *, offers_opt_out: bool, priority: str) -> "MailKind":
        """The kind of a message with these properties."""
        return cls(stream, offers_opt_out and priority != CRITICAL)

    def is_stopped_by(self, cause: Cause) -> bool:
        if cause.stream is not None and cause.stream != self.stream:
            return False
        return self.obeys_opt_outs or cause.reason != SuppressionReason.UNSUBSCRIBE

    def find_stop(self, causes: Iterable[Cause]) -> Cause | None:
        """The strongest of `causes` that stops this mail; None if it goes out."""
        return max(filter(self.is_stopped_by, causes), key=lambda cause: cause.strength, default=None)


# The same rules in SQL, for a row `m` of the messages' table and an entry `s`.
STOPS = f"""
s.is_test = m.is_test AND (s.stream IS NULL OR s.stream = m.stream)
AND (s.reason <> '{SuppressionReason.UNSUBSCRIBE}' OR m.enable_unsubscribe AND m.priority <> '{CRITICAL}')
"""
