"""This machine's disk, and the settings: what the documentation advises against."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import Tags

from common.suggestions import suggest
from emailsvc.doctor.finding import Finding, failure, fine, warn
from emailsvc.environment import Environment
from providers.configuration.stored import find_settings
from providers.models import Provider, ProviderKind

# By extra, the setting that needs it.
EXTRA_SETTINGS = {"otel": "OTEL_EXPORTER_OTLP_ENDPOINT", "sentry": "SENTRY_DSN", "s3": "ATTACHMENT_STORAGE"}
MIB = 1024 * 1024
FULL_BYTES, SHORT_BYTES, SHORT_SHARE = 200 * MIB, 1024 * MIB, 0.05
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# Names of variables that are likely meant for the service. OpenTelemetry reads many that are not in our table.
PREFIXES = tuple({f"{name.partition('_')[0]}_" for name in Environment.model_fields} - {"OTEL_"})


def examine_disk() -> Iterator[Finding]:
    """The folders that the programs write to. PostgreSQL may be on another machine, which no one here can look at."""
    places = {"disk.temporary": Path(tempfile.gettempdir()), "disk.program": Path(settings.BASE_DIR)}
    for check, folder in places.items():
        usage = shutil.disk_usage(folder)
        detail = f"{usage.free // MIB} MiB of {usage.total // MIB} are free at {folder}"
        if usage.free < FULL_BYTES:
            yield failure(check, detail, "Free some: large requests and logs find no room.")
        elif usage.free < min(SHORT_BYTES, SHORT_SHARE * usage.total):
            yield warn(check, detail, "Free some soon.")
        else:
            yield fine(check, detail)


def examine_settings() -> Iterator[Finding]:
    found = [*_examine_environment(), *_examine_values()]
    yield from found
    if not found:
        yield fine("settings", "as documented")


def _examine_environment() -> Iterator[Finding]:
    """Variables that nobody reads, but whose names are like ours."""
    known = set(Environment.model_fields)
    for name in sorted(set(os.environ) - known):
        hint = suggest(name, known) if name.startswith(PREFIXES) else ""
        if hint:
            yield warn("settings.unknown", f"{name} is no setting", hint)


def _examine_values() -> Iterator[Finding]:
    for extra in settings.MISSING_EXTRAS:
        yield failure(
            f"settings.{EXTRA_SETTINGS[extra]}", "set, but its libraries are missing", f"./run install {extra}"
        )
    if settings.DEBUG:
        yield failure("settings.DEBUG", "pages of errors show settings and mail", "Set DEBUG=false.")
    public = urlsplit(settings.PUBLIC_URL)
    is_local = (public.hostname or "") in LOOPBACK
    if not is_local:
        for message in checks.run_checks(tags=[Tags.security], include_deployment_checks=True):
            yield warn(
                f"settings.{message.id}", str(message.msg).split(". ")[0], str(message.hint or "See Operations.")
            )
        if public.scheme != "https":
            yield warn("settings.PUBLIC_URL", "links in mail are not https", "Put a proxy with TLS in front.")
        if public.scheme == "https" and not settings.TRUSTED_PROXIES:
            yield warn(
                "settings.TRUSTED_PROXIES",
                "empty: all clients count as the proxy, for limits and locks by address",
                "Set it to the network of the proxy.",
            )
    kinds = set(Provider.objects.filter(is_enabled=True).values_list("kind", flat=True))
    if not settings.REPORT_DOMAIN and not is_local and kinds & {ProviderKind.SMTP, ProviderKind.MX}:
        yield warn(
            "settings.REPORT_DOMAIN",
            "empty: bounces of domains without a return path of their own come to nobody",
            "Set it, and route its mail to run_report_listener.",
        )
    unreadable = [
        provider.name for provider in Provider.objects.filter(is_enabled=True) if find_settings(provider) is None
    ]
    if unreadable:
        yield failure(
            "settings.ENCRYPTION_KEYS",
            f"no key decrypts the settings of {', '.join(unreadable[:5])}",
            "Put the key back that they were stored with, or enter the settings again.",
        )
