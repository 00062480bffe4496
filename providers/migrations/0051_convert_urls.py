"""Convert the URLs of providers, as earlier releases stored them, into settings. The URLs stay for programs of such a
release that still run beside this one.

A URL that no key decrypts, or that does not pass the checks, leaves `settings` null: its provider is unreadable, which
is told to the project, and affects no other one.
"""

from django.db import migrations

import common.fields
from providers.configuration.checks import check_settings
from providers.configuration.model import ProviderSettingsError
from providers.configuration.stored import write_settings
from providers.provider_url import split_provider_url

BATCH = 500


def convert_urls(apps, _schema_editor):
    """In batches by id, each of which is one short statement for each row."""
    provider = apps.get_model("providers", "Provider")
    ids = list(provider.objects.filter(settings=None).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        for row in provider.objects.filter(pk__in=ids[start : start + BATCH]).only("kind", "url"):
            if (settings := convert_url(row.kind, row.url)) is not None:
                provider.objects.filter(pk=row.pk, settings=None).update(settings=settings)


def convert_url(kind, url):
    """The settings in a URL; None when they cannot be read."""
    if isinstance(url, common.fields.LostSecret):
        return None
    try:
        named, settings = split_provider_url(url or f"{kind}:")
        if "host" in settings and not settings["host"].isascii():
            settings["host"] = settings["host"].encode("idna").decode()
        return write_settings(check_settings(named, settings)) if named == kind else None
    except (ProviderSettingsError, UnicodeError):
        return None


class Migration(migrations.Migration):
    # Without one transaction around all, each row is locked for its own statement only. A repetition does the rest.
    atomic = False
    dependencies = [("providers", "0050_settings_as_data")]
    operations = [migrations.RunPython(convert_urls, migrations.RunPython.noop, elidable=True)]
