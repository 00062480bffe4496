"""The reach of suppressions is the same in Python, at the claim in SQL, and in the list of suppressed mail."""

from collections.abc import Callable

import pytest

from accounts.models import Project, StreamType
from accounts.streams import create_stream
from messages.models import Message, Recipient
from messages.states import Lane
from messages.suppressed_mail import reaches
from tracking.models import Suppression
from tracking.suppressions.reach import Cause, MailKind
from tracking.suppressions.service import ClaimedMail, find_stopped

STREAMS = (None, "digest", "default")
CAUSES = [
    *(Cause(reason, stream) for reason in ("unsubscribe", "manual") for stream in STREAMS),
    Cause("bounce", None),
    Cause("complaint", None),
]


@pytest.fixture
def mail(project: Project, send: Callable[..., Message], settings: object) -> list[Recipient]:
    """One recipient of each kind of mail in the stream `digest`, and one of a receipt in the default stream."""
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]  # type: ignore[attr-defined]
    create_stream(project, name="digest", type_=StreamType.TRANSACTIONAL)
    kinds = [
        {"stream": "digest", "enable_unsubscribe": True},
        {"stream": "digest", "enable_unsubscribe": True, "priority": Lane.CRITICAL},
        {"stream": "digest"},
        {},
    ]
    return [send("Jo@rcpt.test", **values).recipients.select_related("message").get() for values in kinds]


# What each cause stops of the four kinds.
STOPPED = {
    ("unsubscribe", None): [True, False, False, False],
    ("unsubscribe", "digest"): [True, False, False, False],
    ("unsubscribe", "default"): [False, False, False, False],
    ("manual", None): [True, True, True, True],
    ("manual", "digest"): [True, True, True, False],
    ("manual", "default"): [False, False, False, True],
    ("bounce", None): [True, True, True, True],
    ("complaint", None): [True, True, True, True],
}


def test_every_cause_stops_the_same_mail_everywhere(project: Project, mail: list[Recipient]) -> None:
    claimed = [
        ClaimedMail(recipient_id=row.pk, message_id=row.message_id, project_id=row.project_id, address=row.address)
        for row in mail
    ]
    for cause in CAUSES:
        kinds = [
            MailKind.of(
                row.message.stream, offers_opt_out=row.message.enable_unsubscribe, priority=row.message.priority
            )
            for row in mail
        ]
        assert [kind.is_stopped_by(cause) for kind in kinds] == STOPPED[cause], cause
        entry = Suppression.objects.create(
            project=project, address="jo@rcpt.test", reason=cause.reason, stream=cause.stream
        )
        stopped = find_stopped(claimed)
        assert [row.pk in stopped for row in mail] == STOPPED[cause], cause
        assert set(stopped.values()) <= {cause}
        reached = set(Recipient.objects.filter(reaches(entry)).values_list("pk", flat=True))
        assert [row.pk in reached for row in mail] == STOPPED[cause], cause
        entry.delete()


def test_the_strongest_entry_is_named(project: Project, mail: list[Recipient]) -> None:
    row = mail[0]
    claimed = ClaimedMail(
        recipient_id=row.pk, message_id=row.message_id, project_id=row.project_id, address=row.address
    )
    strongest_last = [
        Cause("unsubscribe", "digest"),
        Cause("unsubscribe", None),
        Cause("manual", "digest"),
        Cause("bounce", None),
        Cause("manual", None),
        Cause("complaint", None),
    ]
    for cause in strongest_last:
        Suppression.objects.create(project=project, address="jo@rcpt.test", reason=cause.reason, stream=cause.stream)
        assert find_stopped([claimed]) == {row.pk: cause}


def test_another_projects_list_stops_nothing(other_project: Project, mail: list[Recipient]) -> None:
    Suppression.objects.create(project=other_project, address="jo@rcpt.test", reason="complaint")
    row = mail[0]
    claimed = ClaimedMail(
        recipient_id=row.pk, message_id=row.message_id, project_id=row.project_id, address=row.address
    )
    assert find_stopped([claimed]) == {}
