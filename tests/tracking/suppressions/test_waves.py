"""Suppressions that are held back: many refusals alike, with words that name no missing mailbox."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import Notice, Project
from tracking.models import HeldSuppression, RefusalCount, RefusedAddress, Suppression, SuppressionWave
from tracking.suppressions.identity_refusals import IdentityRefusals
from tracking.suppressions.service import Entry, find_suppressed, suppress
from tracking.suppressions.wave_decisions import decide, expire_waves, purge_counts
from tracking.suppressions.wave_models import WaveDecision
from tracking.suppressions.waves import Bounce, suppress_bounced

WORDS = "5.1.1 <{address}> rejected by rule R{number}"


@pytest.fixture(autouse=True)
def _small_wave(settings: Any) -> None:
    settings.SUPPRESSION_WAVE_ADDRESSES = 6
    settings.SUPPRESSION_WAVE_DOMAINS = 3


def bounce(project: Project, number: int, *, domains: int = 3, words: str = WORDS) -> Bounce:
    address = f"p{number}@d{number % domains}.test"
    return Bounce(
        project_id=project.pk, address=address, words=words.format(address=address, number=number), message_id=uuid4()
    )


def refuse(project: Project, count: int, *, first: int = 0, **values: Any) -> None:
    for number in range(first, first + count):
        suppress_bounced([bounce(project, number, **values)])


def age(seconds: float) -> None:
    """Let the counts and suppressions be older."""
    with connection.cursor() as cursor:
        for statement in (
            "UPDATE tracking_refusalcount SET slot_at = slot_at - %s",
            "UPDATE tracking_refusedaddress SET refused_at = refused_at - %s",
            "UPDATE tracking_suppression SET created_at = created_at - %s",
            "UPDATE tracking_suppressionwave SET opened_at = opened_at - %s",
        ):
            cursor.execute(statement, [timedelta(seconds=seconds)])


def test_a_few_are_suppressed_as_always(project: Project) -> None:
    refuse(project, 5)
    assert (Suppression.objects.count(), HeldSuppression.objects.count()) == (5, 0)
    assert Suppression.objects.first().note.startswith("5.1.1 <p")  # type: ignore[union-attr]


@pytest.mark.parametrize("is_together", [True, False])
def test_from_the_limit_on_all_are_held_also_those_made_before(project: Project, is_together: bool) -> None:
    if is_together:
        suppress_bounced([bounce(project, number) for number in range(8)])
    else:
        refuse(project, 8)
    assert Suppression.objects.count() == 0
    assert HeldSuppression.objects.count() == 8
    wave = SuppressionWave.objects.get()
    assert (wave.words, wave.closed_at) == ("rejected by rule", None)
    assert find_suppressed(project.pk, ["p1@d1.test"]) == {}
    assert RefusedAddress.objects.count() == RefusalCount.objects.count() == 0


@pytest.mark.parametrize(
    "values",
    [
        {"domains": 2},
        {"words": "5.1.1 <{address}> user unknown"},
        {"words": "5.1.1 <{address}> {number}"},
    ],
)
def test_few_domains_known_words_and_no_words_make_no_wave(project: Project, values: dict[str, Any]) -> None:
    refuse(project, 20, **values)
    assert (Suppression.objects.count(), SuppressionWave.objects.count()) == (20, 0)


def test_other_words_make_no_wave_together(project: Project) -> None:
    for number, word in enumerate(["alpha", "beta", "gamma", "delta"] * 3):
        suppress_bounced([bounce(project, number, words=word)])
    assert Suppression.objects.count() == 12


def test_refusals_beyond_the_window_do_not_count(project: Project) -> None:
    refuse(project, 5)
    age(601)
    refuse(project, 5, first=5)
    assert (Suppression.objects.count(), SuppressionWave.objects.count()) == (10, 0)
    refuse(project, 1, first=10)
    # What the wave has not made stays.
    assert (Suppression.objects.count(), HeldSuppression.objects.count()) == (5, 6)


def test_one_address_counts_once(project: Project) -> None:
    for _ in range(10):
        refuse(project, 3)
    assert (Suppression.objects.count(), SuppressionWave.objects.count()) == (3, 0)


def test_entries_of_people_and_older_ones_stay(project: Project) -> None:
    suppress(project.pk, Entry(address="p0@d0.test", reason="manual"))
    suppress(project.pk, Entry(address="p1@d1.test", reason="bounce"))
    age(700)
    refuse(project, 6)
    assert sorted(Suppression.objects.values_list("address", "reason")) == [
        ("p0@d0.test", "manual"),
        ("p1@d1.test", "bounce"),
    ]


def test_it_counts_for_all_projects_and_tells_each(project: Project, other_project: Project) -> None:
    refuse(project, 3)
    refuse(other_project, 3, first=3)
    refuse(other_project, 3, first=6)
    assert HeldSuppression.objects.count() == 9
    notices = list(Notice.objects.filter(kind="suppressions_held"))
    assert {notice.project for notice in notices} == {None, project, other_project}
    assert len(notices) == 3
    (own,) = [notice for notice in notices if notice.project is None]
    assert (own.data["addresses"], own.data["domains"]) == (6, 3)
    assert "rejected by rule" in own.text
    # A project sees nothing of another one's refusals.
    assert all("rejected" not in notice.text for notice in notices if notice.project)


def test_applied_they_are_suppressed_as_they_would_have_been(project: Project, other_project: Project) -> None:
    refuse(project, 5)
    refuse(other_project, 3, first=5)
    wave = SuppressionWave.objects.get()
    assert decide(wave, WaveDecision.APPLIED) == 8
    assert (Suppression.objects.count(), HeldSuppression.objects.count()) == (8, 0)
    row = Suppression.objects.get(address="p1@d1.test")
    assert (row.project, row.reason, row.note) == (project, "bounce", "5.1.1 <p1@d1.test> rejected by rule R1")
    assert row.message_id is not None
    wave.refresh_from_db()
    assert (wave.decision, wave.entry_count) == ("applied", 8)
    assert decide(wave, WaveDecision.DROPPED) is None


def test_dropped_they_are_forgotten_and_counted_anew(project: Project) -> None:
    refuse(project, 6)
    assert decide(SuppressionWave.objects.get(), WaveDecision.DROPPED) == 6
    assert (Suppression.objects.count(), HeldSuppression.objects.count()) == (0, 0)
    refuse(project, 5)
    assert Suppression.objects.count() == 5
    refuse(project, 1, first=5)
    assert SuppressionWave.objects.filter(closed_at=None).count() == 1


def test_after_seven_days_they_are_dropped(project: Project) -> None:
    refuse(project, 6)
    assert expire_waves() == 0
    age(7 * 86_400 + 1)
    assert expire_waves() == 1
    assert SuppressionWave.objects.get().decision == "expired"
    assert (Suppression.objects.count(), HeldSuppression.objects.count()) == (0, 0)


def test_counts_are_bounded_and_forgotten(project: Project) -> None:
    refuse(project, 40, domains=2)
    assert RefusalCount.objects.count() <= 4
    purge_counts()
    assert RefusedAddress.objects.count() == 40
    age(1_201)
    purge_counts()
    assert (RefusedAddress.objects.count(), RefusalCount.objects.count()) == (0, 0)


def test_a_check_is_cheap(project: Project, django_assert_max_num_queries: Any) -> None:
    known = [bounce(project, number, words="user unknown") for number in range(100)]
    with django_assert_max_num_queries(3):
        suppress_bounced(known)
    alike = [bounce(project, number, domains=2) for number in range(100, 200)]
    with django_assert_max_num_queries(8):
        suppress_bounced(alike)


@pytest.mark.django_db(transaction=True)
def test_workers_that_refuse_at_once_open_one_wave_and_suppress_nobody() -> None:
    project = Project.objects.create(name="Acme")

    def work(worker: int) -> None:
        try:
            for number in range(worker * 10, worker * 10 + 10):
                suppress_bounced([bounce(project, number)])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert SuppressionWave.objects.count() == 1
    assert (Suppression.objects.count(), HeldSuppression.objects.count()) == (0, 40)


# Refusals about our identity


@pytest.mark.django_db
def test_many_refusals_about_us_are_told_once() -> None:
    refusals = IdentityRefusals()
    for number in range(5):
        refusals.note({f"d{number % 3}.test": 1}, "listed at example")
    assert Notice.objects.count() == 0
    for _ in range(10):
        refusals.note({"d1.test": 2}, "listed at example")
        # Another worker.
        IdentityRefusals().note({"d2.test": 1}, "listed")
    (notice,) = Notice.objects.all()
    assert (notice.project, notice.kind) == (None, "identity_refused")
    assert "listed at example" in notice.text


@pytest.mark.django_db
def test_one_domain_that_refuses_us_is_no_news() -> None:
    refusals = IdentityRefusals()
    for _ in range(50):
        refusals.note({"d1.test": 3, "d2.test": 1}, "listed")
    assert Notice.objects.count() == 0
