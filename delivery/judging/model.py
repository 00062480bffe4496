"""What is judged, and the judgement."""

from typing import NamedTuple

from delivery.envelope import Outcome, Stage
from delivery.judging.terms import About, Reason, Speaker
from delivery.records import record


class Category(NamedTuple):
    """A reporting party's own class of a bounce, as the reason that it names.

    `is_vague` tells that the class holds other causes too (`hard bounce`): clear words and codes count more.
    """

    reason: Reason
    is_vague: bool = False


# The class of ESPs that say no more than that a bounce is hard.
HARD_BOUNCE = Category(Reason.NO_SUCH_USER, is_vague=True)
NO_MAILBOX = Category(Reason.NO_SUCH_USER)


@record(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The evidence on one refusal.

    `stage` is None where nobody knows it, as in most reports. `enhanced_code` is the best one (RFC 3463). `words` is
    the text of the server that refused, `context` the text around it, which counts less. `category` is the
    reporting party's own class (an ESP's bounce class, PowerMTA's category). `is_delayed` marks a report of a delivery
    that is still tried.
    """

    speaker: Speaker
    stage: Stage | None = None
    code: int | None = None
    enhanced_code: str = ""
    words: str = ""
    context: str = ""
    category: Category | None = None
    is_delayed: bool = False


@record(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The meaning of one refusal.

    `is_for_good` tells that the cause stays until somebody changes something: a mailbox that does not exist, a login
    that is wrong. `should_slow` marks a host that throttles us.
    """

    outcome: Outcome
    speaker: Speaker
    reason: Reason = Reason.UNKNOWN
    about: About | None = None
    is_for_good: bool = False
    should_slow: bool = False
