"""The header of each mail by which a report proves whose mail it returns. Its name is the setting MAIL_ID_HEADER."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings

from delivery.mail_id import MESSAGE, PURPOSES, RECIPIENT, MailId, make_mail_id, read_mail_id
from messages.feedback.token_keys import list_keys, present_key

# Namesakes of the header in returned mail; a mail has one.
MAX_VALUES = 5


def recipient_header(recipient_id: UUID) -> tuple[str, str]:
    """The header of one recipient's own copy."""
    return settings.MAIL_ID_HEADER, make_mail_id(RECIPIENT, recipient_id, present_key(PURPOSES[RECIPIENT]))


def message_header(message_id: UUID) -> tuple[str, str]:
    """The header of a mail that several recipients get with the same bytes."""
    return settings.MAIL_ID_HEADER, make_mail_id(MESSAGE, message_id, present_key(PURPOSES[MESSAGE]))


def read_header(headers: Mapping[str, Sequence[str]]) -> MailId | None:
    """The mail that returned headers (names in lower case) prove; None without our header or with a forged one.

    Headers of mail that was sent under an older secret count too.
    """
    values = headers.get(settings.MAIL_ID_HEADER.lower(), ())[:MAX_VALUES]
    keys = [list_keys(PURPOSES[kind]) for kind in (RECIPIENT, MESSAGE)]
    found = (read_mail_id(value, *keys) for value in values)
    return next((mail_id for mail_id in found if mail_id), None)
