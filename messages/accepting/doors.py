"""The way in which an email came, for the metrics: an API, a page of the admin, SMTP, a command, the service itself."""

from common.client_ip import request_meta
from ledger.limits import WorkKind, find_kind

API, ADMIN, SMTP, COMMAND, SERVICE = "api", "admin", "smtp", "command", "service"
# By the first part of the path; the second one names another service's API.
FIRST_PARTS = {"api": API, "admin": ADMIN}
COMPAT = "compat"
# Outside of requests: submission serves people who wait, as the web server does.
KINDS = {WorkKind.WEB: SMTP, WorkKind.COMMAND: COMMAND}


def find_door() -> str:
    """The door of the mail that is being accepted."""
    meta = request_meta.get()
    if meta is None:
        return KINDS.get(find_kind(), SERVICE)
    first, _, rest = meta.get("PATH_INFO", "").lstrip("/").partition("/")
    return rest.partition("/")[0] if first == COMPAT else FIRST_PARTS.get(first, SERVICE)
