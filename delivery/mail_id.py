"""The value of the header by which a returned mail proves whose it is: `r.<token>` names a recipient's own copy,
`m.<token>` a message whose recipients all have the same bytes.

Readers know the value of the mail that they got, and no other: a report that returns it is about that mail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from delivery.id_tokens import make_token, read_token

RECIPIENT, MESSAGE = "r.", "m."
# One key for each kind: the token of one is none of the other.
PURPOSES = {RECIPIENT: b"emailsvc mail id recipient", MESSAGE: b"emailsvc mail id message"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailId:
    """The content of a header whose MAC holds: one of the two ids is set."""

    recipient_id: UUID | None = None
    message_id: UUID | None = None


def make_mail_id(kind: str, id_: UUID, key: bytes) -> str:
    """The header's value; `key` is that of the kind."""
    return kind + make_token(id_, key)


def read_mail_id(value: str, recipient_keys: Sequence[bytes], message_keys: Sequence[bytes]) -> MailId | None:
    """The ids in a header's value; None for a value that is not ours."""
    kind, token = value.strip()[:2].lower(), value.strip()[2:]
    if kind == RECIPIENT and (found := read_token(token, recipient_keys)):
        return MailId(recipient_id=found)
    if kind == MESSAGE and (found := read_token(token, message_keys)):
        return MailId(message_id=found)
    return None
