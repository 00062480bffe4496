"""The ways of mail: providers, which are really asked, domains' records, webhook endpoints, and certificates."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings

from delivery.tls import make_unchecked_context
from domains.dns.checks import check_records
from domains.dns.records import RecordPurpose
from domains.dns.resolver import default_resolver
from domains.dns.verdicts import RecordStatus
from domains.models import Domain
from domains.published_records import records_of
from emailsvc.doctor.finding import Finding, failure, fine, warn
from ledger.sql import fetch
from providers.connection_test import check_provider
from providers.models import Provider
from tracking.suppressions.wave_decisions import count_open
from webhooks.backlog import read_backlog

# Beyond so many the newest are looked at; `--all` takes the others too.
MOST_DOMAINS = 200
CERTIFICATE_DAYS, LATE_CERTIFICATE_DAYS = 14, 3
TIMEOUT_SECONDS = 5.0
DUE_SECONDS = 300.0
_FAILING = """
SELECT p.name, e.id, e.status = 'enabled', COALESCE(e.disabled_reason, ''), e.failing_since
FROM webhooks_endpoint e JOIN accounts_project p ON p.id = e.project_id
WHERE e.status <> 'enabled' OR e.failing_since < now() - interval '1 hour' ORDER BY p.name, e.id LIMIT 50
"""


def examine_providers() -> Iterator[Finding]:
    enabled = list(Provider.objects.filter(is_enabled=True).select_related("project").order_by("project_id", "name"))
    if not any(provider.project_id is None for provider in enabled):
        detail = "none is shared: projects without one of their own send nothing"
        yield warn("providers", detail, "Set PROVIDER_URL and run prepare, or use add_provider.")
    for provider in enabled:
        owner = f" of {provider.project.name}" if provider.project else ""
        name = f"provider {provider.name}{owner}"
        result = check_provider(provider)
        if result.ok and (provider.is_paused or provider.has_refused):
            yield warn(name, f"paused: {provider.pause_reason}, but now {result.detail}", "resume_provider")
        elif result.ok:
            yield fine(name, result.detail)
        else:
            # A project's own provider is nobody else's failure.
            tell = warn if provider.project_id else failure
            yield tell(name, result.detail, "Correct its settings, or ask its operator; its mail waits meanwhile.")


def examine_domains(most: int = MOST_DOMAINS) -> Iterator[Finding]:
    found = list(Domain.objects.select_related("project").prefetch_related("dkim_keys").order_by("-pk")[: most + 1])
    resolver = default_resolver()
    for domain in found[:most]:
        checks = check_records(records_of(domain), resolver)
        wrong = [each for each in checks if each.verdict.status is not RecordStatus.OK]
        name = f"domain {domain.name} of {domain.project.name}"
        detail = ", ".join(f"{each.record.purpose} {each.verdict.status}" for each in wrong)
        mend = " ".join(dict.fromkeys(each.verdict.advice for each in wrong if each.verdict.advice))
        if not wrong:
            yield fine(name, f"{domain.status}; {len(checks)} records are right")
        elif domain.status != "pending" and any(each.record.purpose is RecordPurpose.OWNERSHIP for each in wrong):
            yield failure(name, detail, mend or "Publish the records that domain_records shows.")
        else:
            yield warn(name, detail, mend or "Publish the records that domain_records shows.")
        if domain.tracking_fault:
            yield warn(f"{name}: tracking host", domain.tracking_fault, "See HTTPS for tracking hosts in Operations.")
    if len(found) > most:
        yield warn("domains", f"only the {most} newest were looked at", "verify_domain --all --project P")


def examine_endpoints() -> Iterator[Finding]:
    backlog = read_backlog()
    for project, pk, is_enabled, reason, since in fetch(_FAILING):
        detail = f"fails since {since:%Y-%m-%d %H:%M} UTC" if is_enabled else f"disabled: {reason}"
        yield warn(f"endpoint {pk} of {project}", detail, "Look at its deliveries; enable it when its receiver works.")
    if backlog.oldest_due_seconds > DUE_SECONDS:
        detail = f"{backlog.due} deliveries are due, the oldest for {backlog.oldest_due_seconds:.0f} s"
        yield warn("webhooks", detail, "Start worker-webhooks, or more of them.")
    else:
        yield fine("webhooks", f"{backlog.due} due, {backlog.later} wait for another attempt")
    if count := count_open():
        yield warn("suppressions", f"{count} waves are held back", "Decide with held_suppressions.")


def examine_certificates() -> Iterator[Finding]:
    """Those that the service shows by itself or through its proxy."""
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme == "https":
        yield _judge_certificate("certificate PUBLIC_URL", f"{public.hostname}:{public.port or 443}", starttls=False)
    else:
        yield fine("certificate PUBLIC_URL", "not used: PUBLIC_URL is http")
    if settings.SUBMISSION_ADDRESS:
        yield _judge_certificate("certificate submission", settings.SUBMISSION_ADDRESS, starttls=True)


def _judge_certificate(check: str, address: str, *, starttls: bool) -> Finding:
    try:
        days = (_read_end(address, starttls=starttls) - datetime.now(UTC)).days
    except (OSError, ValueError, smtplib.SMTPException) as error:
        return warn(check, f"{address} shows none ({type(error).__name__})", "Look at the server and its proxy.")
    detail = f"valid for {days} days" if days >= 0 else f"ended {-days} days ago"
    if days < LATE_CERTIFICATE_DAYS:
        return failure(check, detail, "Renew it now.")
    return warn(check, detail, "Renew it.") if days < CERTIFICATE_DAYS else fine(check, detail)


def _read_end(address: str, *, starttls: bool) -> datetime:
    """The end of the certificate's validity, whether or not it is trusted here."""
    host, _, port = address.rpartition(":")
    host, context = host.strip("[]"), make_unchecked_context()
    if starttls:
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT_SECONDS) as client:
            client.starttls(context=context)
            return _parse_end(client.sock)
    with (
        socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as line,
        context.wrap_socket(line, server_hostname=host) as secure,
    ):
        return _parse_end(secure)


def _parse_end(line: socket.socket | None) -> datetime:
    assert isinstance(line, ssl.SSLSocket)
    shown = line.getpeercert(binary_form=True)
    if shown is None:
        raise ValueError("no certificate")
    return x509.load_der_x509_certificate(shown).not_valid_after_utc
