"""Return paths that identify their recipient (VERP), so that any bounce can be matched to its mail.

`b+<token>@host`: the token proves the recipient's id (`delivery.id_tokens`). Forging a bounce requires having seen the
mail, and a recipient knows only the token of its own copy.
"""

from collections.abc import Sequence
from uuid import UUID

from delivery.id_tokens import make_token, read_token

# With the token the local part has 44 octets; RFC 5321, 4.5.3.1.1 allows 64.
PREFIX = "b+"
PURPOSE = b"emailsvc verp"


def make_return_path(recipient_id: UUID, host: str, key: bytes) -> str:
    """The return path of the mail for one recipient."""
    return f"{PREFIX}{make_token(recipient_id, key)}@{host}"


def read_return_path(address: str, keys: Sequence[bytes]) -> UUID | None:
    """The recipient of one of our return paths; None for any other address and for a forged one."""
    local_part = address.rpartition("@")[0].lower()
    return read_token(local_part.removeprefix(PREFIX), keys) if local_part.startswith(PREFIX) else None
