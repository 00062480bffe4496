"""An idempotency key in a header field of a mail."""

from rest_framework.request import Request

from accounts.idempotency import Ticket, fingerprint
from accounts.models import ApiKey
from accounts.viewsets import ProjectView
from gateways.mime.reading import ReadMail


def make_ticket(key: ApiKey, mail: ReadMail, method: str, path: str) -> Ticket | None:
    """The mail's idempotency key and fingerprint; None if it has no key.

    The fingerprint leaves out what a client writes anew with each try, such as Message-ID. `method` and `path` are in
    it, so that a key serves one way in.
    """
    if not mail.idempotency_key:
        return None
    return Ticket(
        project_id=key.owner_id,
        key=mail.idempotency_key,
        is_test=key.is_test,
        fingerprint=fingerprint(method, path, mail.payload),
    )


def use_mail_key(view: ProjectView, request: Request, mail: ReadMail) -> None:
    """Let the key in the mail count for its request, unless that has one of its own."""
    if view.ticket is None:
        view.ticket = make_ticket(view.key, mail, request.method or "", request.path)
