"""Which URLs an endpoint may have."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError

from django.conf import settings

from common.errors import FieldError, InvalidFieldsError
from delivery.ssrf import Guard, RefusedError, UrlTarget, parse_target

# A name server that does not answer must not hold a request for long.
LOOK_UP_SECONDS = 3.0
_look_ups = ThreadPoolExecutor(max_workers=4, thread_name_prefix="webhook-url")


def current_guard() -> Guard:
    """The guard as the settings want it."""
    return Guard(allowed=settings.WEBHOOK_ALLOWED_NETWORKS)


def check_url(url: str) -> str:
    """The URL in its one spelling. InvalidFieldsError when it is odd or leads to an address that is not admitted.

    A name that cannot be resolved now is admitted: it may be published later, and each post is guarded anew. Talks to
    the DNS: never call it inside a transaction.
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
