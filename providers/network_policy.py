"""Network limits for providers that a project configured: without them an API key with `providers:write` could reach
the internal network (server-side request forgery).

The operator configures providers by PROVIDER_URL, by command and in the admin. They have no such limits.
"""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError

from django.conf import settings

from delivery.ssrf import Guard, RefusedError, parse_target
from providers.esp.model import API_URL
from providers.models import ProviderKind
from providers.provider_url import LOOPBACK, TOKEN_URL, ProviderAddress, ProviderUrlError

# The time limit of the DNS query, so that a dead name server does not block the request.
LOOK_UP_SECONDS = 3.0
_look_ups = ThreadPoolExecutor(max_workers=4, thread_name_prefix="provider-host")


def find_guard(*, is_operated: bool) -> Guard | None:
    """The guard of every connection to a provider; None for providers of the operator."""
    return None if is_operated else Guard(allowed=settings.PROVIDER_ALLOWED_NETWORKS)


def check_reach(address: ProviderAddress) -> None:
    """ProviderUrlError for settings that only the operator may use.

    A name that does not resolve yet is admitted, since each connection is checked again. Queries the DNS: call it
    outside transactions.
    """
    if address.ca_file:
        raise ProviderUrlError("only the operator of the service may use files", "ca")
    if address.kind is ProviderKind.INBOX and address.host not in LOOPBACK:
        raise ProviderUrlError("an inbox must be on this machine; use the kind smtp for a relay", "host")
    if address.kind in {ProviderKind.SMTP, ProviderKind.INBOX}:
        _check_host(address.host, address.port, "host")
        _check_url(address, TOKEN_URL)
    if address.kind is ProviderKind.ESP:
        _check_esp(address)


def _check_esp(address: ProviderAddress) -> None:
    if address.host == "ses" and not address.options.get("aws_access_key_id"):
        # Without an access key the machine's own credentials would be used, which are the operator's.
        raise ProviderUrlError("an access key is required", "aws_access_key_id")
    _check_url(address, API_URL)


def _check_url(address: ProviderAddress, setting: str) -> None:
    if url := address.options.get(setting):
        try:
            target = parse_target(url)
        except RefusedError as error:
            raise ProviderUrlError(f"{setting}: {error.message}", setting) from None
        _check_host(target.host, target.port, setting)


def _check_host(host: str, port: int, setting: str) -> None:
    guard = find_guard(is_operated=False)
    assert guard is not None
    looking = _look_ups.submit(guard.find_addresses, host, port)
    try:
        looking.result(LOOK_UP_SECONDS)
    except RefusedError as error:
        raise ProviderUrlError(error.message, setting, error.code) from None
    except (OSError, WaitedTooLongError):
        looking.cancel()
