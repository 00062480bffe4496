"""Times on pages of Django's own."""

from datetime import UTC, datetime

from django.utils.formats import localize


def test_django_writes_times_as_our_own_pages_do():
    at = datetime(2026, 1, 31, 9, 5, 7, tzinfo=UTC)
    assert (localize(at), localize(at.date())) == ("2026-01-31 09:05:07", "2026-01-31")
