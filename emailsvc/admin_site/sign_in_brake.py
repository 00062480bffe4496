"""The brake on sign-ins: failures count for the account and for the address, each by itself."""

from datetime import timedelta
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username, get_failure_limit
from axes.models import AccessAttempt, AccessLog
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

# An address from which the account signed in within this time is known.
KNOWN_TIME = timedelta(days=30)

Credentials = dict[str, Any] | None


class SignInBrake(AxesDatabaseHandler):  # type: ignore[misc]
    """The handler of django-axes, which stores each failure by account, address and browser.

    An address is locked by its failures with any account, an account by its failures from several addresses. The lock
    of an account leaves out addresses from which it signed in before, so that strangers cannot lock its owner out.
    """

    def get_failures(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """The larger one of the two numbers of failures in the time of the lock."""
        name, address = get_client_username(request, credentials), request.axes_ip_address  # type: ignore[attr-defined]
        recent = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))
        of_address: int = sum(count_by_address(recent.filter(ip_address=address)))
        if not name or is_known(name, address):
            return of_address
        # One address alone is locked itself, and never locks an account for others.
        most: int = get_failure_limit(request, credentials) - 1
        return max(of_address, sum(min(count, most) for count in count_by_address(recent.filter(username=name))))

    def reset_user_attempts(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """Forget the failures of this account at this address: not those of others there, nor its own elsewhere."""
        name, address = get_client_username(request, credentials), request.axes_ip_address  # type: ignore[attr-defined]
        count: int
        count, _ = AccessAttempt.objects.filter(username=name, ip_address=address).delete()
        return count


def count_by_address(attempts: QuerySet[Any]) -> list[int]:
    """The number of failures of each address among `attempts`."""
    grouped = attempts.order_by().values("ip_address").annotate(count=Sum("failures_since_start"))
    return list(grouped.values_list("count", flat=True))


def is_known(name: str, address: str | None) -> bool:
    """Whether the account signed in from this address before."""
    since = timezone.now() - KNOWN_TIME
    return bool(AccessLog.objects.filter(username=name, ip_address=address, attempt_time__gt=since).exists())
