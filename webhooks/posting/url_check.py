"""Validate the URLs of endpoints."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError

from django.conf import settings

from common.errors import FieldError, InvalidFieldsError
from delivery.ssrf import Guard, RefusedError, UrlTarget, parse_target

# The time limit of the DNS query, so that a dead name server does not block the request.
LOOK_UP_SECONDS = 3.0
_look_ups = ThreadPoolExecutor(max_workers=4, thread_name_prefix="webhook-url")


def current_guard() -> Guard:
    """The guard, built from the current settings."""
    return Guard(allowed=settings.WEBHOOK_ALLOWED_NETWORKS)


def check_url(url: str) -> str:
    """The URL in canonical form. InvalidFieldsError when it is malformed or resolves to a forbidden address.

    A name that does not resolve yet is admitted: it may be published later, and each post is checked again. Queries the
    DNS: call it outside transactions.
    """
    try:
        target = parse_target(url)
        look_up(target)
    except RefusedError as error:
        raise InvalidFieldsError([FieldError("url", error.code, error.message)]) from None
    return target.url


def look_up(target: UrlTarget) -> None:
    looking = _look_ups.submit(current_guard().find_addresses, target.host, target.port)
    try:
        looking.result(LOOK_UP_SECONDS)
    except (OSError, WaitedTooLongError):
        looking.cancel()
