"""Pauses of providers: by a person, and after rejected credentials."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Notice, Project
from providers.models import Provider
from providers.routing.selection import build_provider_ref
from providers.services import AUTH_PAUSE, count_resting, pause_provider, rest_provider, resume_provider
from tests.provider_rows import settings_of

HOUR = timedelta(hours=1)


@pytest.fixture
def provider(project: Project) -> Provider:
    return Provider.objects.create(
        project=project, name="relay", kind="smtp", settings=settings_of("smtp://relay.test")
    )


def left(provider: Provider) -> timedelta:
    provider.refresh_from_db()
    assert provider.paused_until is not None
    return provider.paused_until - timezone.now()


def test_a_refusal_lets_it_rest_for_a_while(provider: Provider) -> None:
    rest_provider(provider.pk, reason="535 no")
    assert timedelta(0) < left(provider) <= AUTH_PAUSE
    assert (provider.is_paused, provider.pause_reason) == (False, "535 no")


def test_a_refusal_neither_ends_nor_shortens_a_persons_pause(provider: Provider) -> None:
    pause_provider(provider.pk, reason="moving", pause=HOUR)
    rest_provider(provider.pk, reason="535 no")
    assert left(provider) > AUTH_PAUSE
    pause_provider(provider.pk, reason="moving", pause=None)
    rest_provider(provider.pk, reason="535 no")
    provider.refresh_from_db()
    assert (provider.is_paused, provider.paused_until, provider.pause_reason) == (True, None, "moving")


def test_only_a_refusal_counts_as_one_and_is_told(provider: Provider) -> None:
    pause_provider(provider.pk, reason="moving", pause=AUTH_PAUSE)
    assert count_resting() == (1, 0)
    rest_provider(provider.pk, reason="535 no")
    assert count_resting() == (1, 1)
    assert Notice.objects.filter(kind="provider_paused").count() == 1
    pause_provider(provider.pk, reason="moving", pause=HOUR)
    assert count_resting() == (1, 0)
    resume_provider(provider.pk)
    assert count_resting() == (0, 0)


def test_the_last_word_of_a_person_holds(provider: Provider) -> None:
    pause_provider(provider.pk, reason="moving", pause=None)
    pause_provider(provider.pk, reason="only for now", pause=HOUR)
    assert timedelta(0) < left(provider) <= HOUR
    assert not provider.is_paused
    resume_provider(provider.pk)
    provider.refresh_from_db()
    assert (provider.is_paused, provider.paused_until, provider.pause_reason) == (False, None, "")


def test_a_resume_makes_workers_try_the_credentials_again(provider: Provider) -> None:
    rest_provider(provider.pk, reason="535 no")
    provider.refresh_from_db()
    before = build_provider_ref(provider)
    resume_provider(provider.pk)
    provider.refresh_from_db()
    assert build_provider_ref(provider).version > before.version


def test_a_pause_after_a_refusal_is_told_once_for_an_hour(provider: Provider) -> None:
    for _ in range(3):
        rest_provider(provider.pk, reason="535 no")
    (notice,) = Notice.objects.all()
    assert (notice.project, notice.kind) == (provider.project, "provider_paused")
    assert "relay" in notice.text
    assert "535 no" in notice.text
    Provider.objects.update(paused_until=timezone.now() - 2 * HOUR)
    rest_provider(provider.pk, reason="535 no")
    assert Notice.objects.count() == 2


@pytest.mark.django_db
def test_a_pause_of_a_shared_provider_is_told_to_the_operator() -> None:
    shared = Provider.objects.create(name="default", kind="smtp", settings=settings_of("smtp://relay.test"))
    rest_provider(shared.pk, reason="535 no")
    assert Notice.objects.get().project is None
    resume_provider(shared.pk)
    pause_provider(shared.pk, reason="moving", pause=None)
    rest_provider(shared.pk, reason="535 no")
    assert Notice.objects.count() == 1
