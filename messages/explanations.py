"""Why a message is in its state and what happens next, in words for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from messages.models import Message, Recipient
from messages.states import Reason, Status
from providers.choice import routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`why` it is as it is; what comes `next`, empty at the end; and when that is, where a time is known."""

    why: str
    next: str = ""
    next_at: datetime | None = None


# Why a recipient is in its state. A reason says more than the state alone.
BY_REASON: dict[Reason, str] = {
    Reason.NO_PROVIDER: "There is no way out: the project has no provider that is switched on.",
    Reason.SUPPRESSED: "The address is on the project's suppression list, so nothing was sent.",
    Reason.EXPIRED: "Its time ran out before anybody took it.",
    Reason.WORKER_CRASH: "Five workers in a row died while they sent it, so it was set aside.",
    Reason.REFUSED: "The recipient's side refused it for good.",
    Reason.PROVIDER_ERROR: "It could not be sent, for a reason on our side or the provider's.",
    Reason.UNCERTAIN: "The line broke after the message was sent and before the answer came: "
    "nobody knows whether it was taken.",
    Reason.DEFERRED: "The last try did not get through.",
    Reason.SETTLED: "A person decided what became of it.",
}
BY_STATUS: dict[Status, str] = {
    Status.SCHEDULED: "It waits for its time.",
    Status.QUEUED: "It waits for a worker.",
    Status.SENT: "The provider took it. Whether it arrived, the provider has not said.",
    Status.DELIVERING: "The provider is still trying to deliver it.",
    Status.DELIVERED: "The recipient's server took it.",
    Status.FAILED: "It was given up.",
    Status.BOUNCED: "It came back.",
    Status.SUPPRESSED: BY_REASON[Reason.SUPPRESSED],
    Status.CANCELLED: "It was cancelled before its time.",
}


def explain_recipient(message: Message, row: Recipient) -> Explanation:
    """What is going on with one recipient."""
    status, reason = Status(row.status), Reason(row.status_reason)
    why = BY_REASON.get(reason, BY_STATUS[status])
    if status is Status.SCHEDULED:
        return Explanation(why=why, next="It is queued.", next_at=message.scheduled_at)
    if row.lease_token is not None:
        return Explanation(why="A worker is sending it now.", next="The answer is recorded.")
    if row.next_attempt_at is not None:
        if not row.is_simulated and not routes.has_way(row.project_id):
            return Explanation(why=BY_REASON[Reason.NO_PROVIDER], next="It goes out as soon as there is a provider.")
        following = "It is tried again." if row.attempt_count else "It is sent."
        return Explanation(why=why, next=following, next_at=row.next_attempt_at)
    if status is Status.DELIVERING and reason is Reason.UNCERTAIN:
        return Explanation(
            why=why, next="It waits until feedback comes or a person settles it.", next_at=row.expires_at
        )
    return Explanation(why=why)


def explain_message(message: Message, recipients: Sequence[Recipient]) -> Explanation:
    """What is going on with the whole message: that of the recipients which its status stands for."""
    status = Status(message.status)
    leading = [row for row in recipients if row.status == status] or list(recipients)
    # What happens soonest is what people wait for.
    explained = [explain_recipient(message, row) for row in leading]
    soonest = min(explained, key=lambda each: (each.next_at is None, each.next_at.timestamp() if each.next_at else 0))
    counts = Counter(Status(row.status) for row in recipients)
    if len(counts) == 1:
        return soonest
    tally = ", ".join(f"{count} {each}" for each, count in counts.most_common())
    return Explanation(
        why=f"Of {len(recipients)} recipients: {tally}. {soonest.why}", next=soonest.next, next_at=soonest.next_at
    )
