"""Header fields that give orders to a mail service, or that some servers take recipients from.

A caller who may set them could switch on tracking, choose another pool or template, add recipients, or make events come
back under wrong ids. A project may allow single ones.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from accounts.models import Project
from common.errors import FieldError, InvalidFieldsError

CONTROL_HEADERS = (
    "apparently-to",  # Sendmail: a recipient
    "idempotency-key",  # Brevo
    "idempotencykey",
    "x-elastic*",  # Elastic Email
    "x-envelope-to",
    "x-mailersend-*",
    "x-mailgun-*",
    "x-mailin-*",  # Brevo
    "x-mailjet-*",
    "x-mandrill-*",
    "x-mc-*",  # Mandrill
    "x-mj-*",  # Mailjet
    "x-msys-*",  # SparkPost
    "x-pm-*",  # Postmark
    "x-postmark-*",
    "x-receiver",  # the pickup folder of IIS: a recipient
    "x-resend-*",
    "x-ses-*",  # Amazon SES
    "x-sg-*",  # SendGrid
    "x-sib-*",  # Brevo
    "x-smtpapi",  # SendGrid
    "x-sparkpost-*",
    "x-tm-*",  # Tipimail, MailPace and their like
)


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns, such as `X-MC-*`, stands for this header; case does not matter."""
    lower = name.lower()
    return any(fnmatchcase(lower, pattern.lower()) for pattern in patterns)


def check_control_headers(project: Project, headers: Iterable[tuple[str, str]]) -> None:
    """Raise InvalidFieldsError for control headers that the project does not allow."""
    refused = [
        FieldError(
            f"headers.{name}",
            "header_not_allowed",
            "Mail services take orders from this header. An operator may allow it for the project (set_project).",
        )
        for name, _ in headers
        if is_named(name, CONTROL_HEADERS) and not is_named(name, project.allowed_headers)
    ]
    if refused:
        raise InvalidFieldsError(refused)
