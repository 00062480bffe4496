"""The migration of providers' URLs, as earlier releases stored them, into settings."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from accounts.models import Project
from providers.configuration.stored import find_settings
from providers.models import Provider
from providers.provider_url import parse_provider_url

convert_urls = import_module("providers.migrations.0051_convert_urls").convert_urls


def add_old(project: Project, kind: str, url: str, *, is_operated: bool = True) -> Provider:
    return Provider.objects.create(project=project, name=url[:40], kind=kind, url=url, is_operated=is_operated)


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("smtp", "smtp://me:p%40ss@relay.test:2587?tls=starttls"),
        ("esp", "esp://postmark?server_token=t&api_url=https%3A%2F%2Fapi.test%2Fv1"),
        ("inbox", "inbox://127.0.0.1:2525"),
        ("mx", "mx:"),
    ],
)
def test_a_stored_url_becomes_settings_and_stays_for_older_programs(project: Project, kind: str, url: str) -> None:
    provider = add_old(project, kind, url)
    convert_urls(apps, None)
    provider.refresh_from_db()
    assert find_settings(provider) == parse_provider_url(url)
    assert provider.url == url


def test_a_name_outside_ascii_becomes_labels_of_ascii(project: Project) -> None:
    provider = add_old(project, "smtp", "smtp://b\u00fccher.test")
    convert_urls(apps, None)
    provider.refresh_from_db()
    assert provider.settings == {"host": "xn--bcher-kva.test"}


@pytest.mark.parametrize("url", ["smtp://", "http://x", "smtp://0x7f.1", "smtp://a.test?ca=/etc/passwd", "mx:"])
def test_a_url_that_cannot_be_read_stops_neither_the_migration_nor_others(project: Project, url: str) -> None:
    bad = add_old(project, "smtp", url, is_operated=False)
    lost = add_old(project, "smtp", "smtp://lost.test")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE providers_provider SET url = 'x' WHERE id = %s", [lost.pk])
    good = add_old(project, "smtp", "smtp://relay.test")
    convert_urls(apps, None)
    assert [find_settings(Provider.objects.get(pk=each.pk)) is None for each in (bad, lost, good)] == [
        True,
        True,
        False,
    ]


def test_a_repetition_changes_nothing(project: Project) -> None:
    provider = add_old(project, "smtp", "smtp://old.test")
    Provider.objects.filter(pk=provider.pk).update(settings={"host": "new.test"})
    convert_urls(apps, None)
    provider.refresh_from_db()
    assert provider.settings == {"host": "new.test"}
