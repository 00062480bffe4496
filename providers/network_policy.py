"""Network limits for providers that a project configured: without them an API key with `providers:write` could reach
the internal network (server-side request forgery).

The operator configures providers by PROVIDER_URL, by command and in the admin. They have no such limits.
"""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLongError

from django.conf import settings

from delivery.ssrf import Guard, RefusedError
from providers.configuration.model import TOKEN_URL, ProviderAddress, ProviderSettingsError, SettingProblem
from providers.esp.model import API_URL
from providers.models import ProviderKind

# The time limit of the DNS query, so that a dead name server does not block the request.
LOOK_UP_SECONDS = 3.0
_look_ups = ThreadPoolExecutor(max_workers=4, thread_name_prefix="provider-host")


def find_guard(*, is_operated: bool) -> Guard | None:
    """The guard of every connection to a provider; None for providers of the operator."""
    return None if is_operated else Guard(allowed=settings.PROVIDER_ALLOWED_NETWORKS)


def check_reach(address: ProviderAddress) -> None:
    """ProviderSettingsError when a provider of a project is not at a public address.

    A name that does not resolve yet is admitted, since each connection is checked again. Queries the DNS: call it
    outside transactions.
    """
    problems = []
    if address.kind in {ProviderKind.SMTP, ProviderKind.INBOX}:
        problems += _check_host(address.host, address.port, "host")
    if address.url:
        setting = API_URL if address.kind is ProviderKind.ESP else TOKEN_URL
        problems += _check_host(address.url.host, address.url.port, setting)
    if problems:
        raise ProviderSettingsError(problems)


def _check_host(host: str, port: int, setting: str) -> list[SettingProblem]:
    guard = find_guard(is_operated=False)
    assert guard is not None
    looking = _look_ups.submit(guard.find_addresses, host, port)
    try:
        looking.result(LOOK_UP_SECONDS)
    except RefusedError as error:
        return [SettingProblem(setting, error.message, error.code)]
    except (OSError, WaitedTooLongError):
        looking.cancel()
    return []
