"""Test whether a provider accepts mail: connect, greet, authenticate, and disconnect."""

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from time import monotonic

from common.errors import ApiError
from delivery.http_client import HttpClient, HttpSeconds
from delivery.mailboxes.model import MailboxError
from delivery.mx.resolver import NoAnswerError, NoNameError
from delivery.smtp.config import Timeouts
from delivery.smtp.transport import SmtpTransport
from ledger.shares import ProjectSlots
from providers.bounce_mailboxes import build_address, check_mailbox, find_mailbox
from providers.configuration.stored import read_settings
from providers.esp.catalog import ESPS
from providers.esp.credentials_check import probe_esp
from providers.models import Provider, ProviderKind
from providers.network_policy import find_guard
from providers.transports import find_resolver, smtp_config

# Any name will do: even NXDOMAIN shows that the DNS responds.
CHECKED_DOMAIN = "example.com"
# Short timeouts, since a person waits for the result.
PROBE_SECONDS = HttpSeconds(connect=5.0, write=5.0, answer=10.0)
SOON = timedelta(seconds=8)
# Tests at the same time in each process, of all projects and of one: each holds a thread of the web server for seconds.
CHECK_LIMIT = 6
PROJECT_CHECK_LIMIT = 2
TIMEOUTS = Timeouts(connect=SOON, tls=SOON, auth=SOON, greeting=SOON, ehlo=SOON)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCheck:
    """`ok` when the provider accepts mail; `detail` describes the result for people; `seconds` is the duration."""

    ok: bool
    detail: str
    seconds: float


class TooManyChecksError(ApiError):
    """Other tests of providers are running at the moment. Try again when they have ended."""

    code = "too_many_checks"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "10"})


slots = ProjectSlots(CHECK_LIMIT, PROJECT_CHECK_LIMIT)


def check_provider(provider: Provider) -> ConnectionCheck:
    """Test `provider`. Blocks on the network and sends no mail. Raises TooManyChecksError."""
    if not slots.acquire(provider.project_id):
        raise TooManyChecksError
    try:
        return _check(provider)
    finally:
        slots.release(provider.project_id)


def _check(provider: Provider) -> ConnectionCheck:
    begun_at = monotonic()
    try:
        is_ok, detail = CHECKS[ProviderKind(provider.kind)](provider)
        mailbox = find_mailbox(provider)
        if mailbox is not None:
            check_mailbox(build_address(mailbox), is_operated=mailbox.is_operated)
            detail += "; its bounce mailbox opens"
    except (ValueError, OSError) as error:
        is_ok, detail = False, str(error)
    except MailboxError as error:
        is_ok, detail = False, f"its bounce mailbox: {error}"
    return ConnectionCheck(ok=is_ok, detail=detail, seconds=round(monotonic() - begun_at, 3))


def _check_smtp(provider: Provider) -> tuple[bool, str]:
    config = smtp_config(read_settings(provider), is_operated=provider.is_operated, provider_id=provider.pk)
    with closing(SmtpTransport(replace(config, timeouts=TIMEOUTS))) as transport:
        refusal = transport.greet()
        method = transport.login_method
    if refusal is None:
        return True, "accepted EHLO" + (f" and the credentials, by AUTH {method}" if method else "")
    return False, f"{refusal.stage}: {refusal.code or ''} {refusal.text}".replace("  ", " ")


def _check_mx(_provider: Provider) -> tuple[bool, str]:
    try:
        find_resolver().find_mx(CHECKED_DOMAIN)
    except NoAnswerError as error:
        return False, str(error)
    except NoNameError:
        pass
    return True, "the DNS responds; the test does not cover outgoing connections to the port"


def _check_simulator(_provider: Provider) -> tuple[bool, str]:
    return True, "takes everything"


def _check_esp(provider: Provider) -> tuple[bool, str]:
    address = read_settings(provider)
    client = HttpClient(find_guard(is_operated=provider.is_operated), seconds=PROBE_SECONDS)
    return probe_esp(ESPS[address.host], address.options, client)


CHECKS = {
    ProviderKind.SMTP: _check_smtp,
    ProviderKind.MX: _check_mx,
    ProviderKind.ESP: _check_esp,
    ProviderKind.INBOX: _check_smtp,
    ProviderKind.SIMULATOR: _check_simulator,
}
