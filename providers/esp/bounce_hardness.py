"""Whether a bounce that an ESP tells of is hard: this mailbox will never work. Each ESP has its own words for it.

Blocks, policies and the ESP's own lists are not: the mailbox may be well.
"""

from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]


def read_hardness(event: Any, *names: str) -> Any:
    """`event[a][b]…`, None where there is none."""
    for name in names:
        event = event.get(name) if isinstance(event, Mapping) else None
    return event


HARD: Mapping[str, Callable[[Event], bool]] = {
    "brevo": lambda event: read_hardness(event, "event") in {"hard_bounce", "invalid_email"},
    "mailersend": lambda event: read_hardness(event, "data", "type") == "hard_bounced",
    "mailgun": lambda event: (
        read_hardness(event, "event-data", "severity") == "permanent"
        and read_hardness(event, "event-data", "reason") == "bounce"
    ),
    "mailjet": lambda event: (
        read_hardness(event, "hard_bounce") is True
        and read_hardness(event, "error") in {"user unknown", "mailbox inactive", "invalid domain", "no mail host"}
    ),
    "postmark": lambda event: read_hardness(event, "Type") in {"HardBounce", "BadEmailAddress"},
    "resend": lambda event: (
        read_hardness(event, "data", "bounce", "type") == "Permanent"
        and read_hardness(event, "data", "bounce", "subType") in {"General", "NoEmail"}
    ),
    "sendgrid": lambda event: read_hardness(event, "event") == "bounce" and read_hardness(event, "type") != "blocked",
    "ses": lambda event: (
        read_hardness(event, "bounce", "bounceType") == "Permanent"
        and read_hardness(event, "bounce", "bounceSubType") in {"General", "NoEmail"}
    ),
    # Invalid recipient; no such recipient (SparkPost's classes of bounces).
    "sparkpost": lambda event: any(
        str(read_hardness(each, "bounce_class")) in {"10", "30"}
        for each in (read_hardness(event, "msys") or {}).values()
    ),
}
