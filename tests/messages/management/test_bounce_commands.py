"""manage.py release_suppressions and held_suppressions."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Project
from messages.models import Attempt, Message
from messages.states import Phase
from tests.commands.running import run
from tracking.models import Suppression, SuppressionWave
from tracking.suppressions.service import Entry, suppress
from tracking.suppressions.waves import Bounce, suppress_bounced

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


@pytest.fixture
def rows(project: Project) -> list[Suppression]:
    """Bounces of one, two and three hours ago, and one entry by a person."""
    made = [
        suppress(
            project.pk,
            Entry(address=f"a{hours}@x.test", reason="bounce", note=text, created_at=NOW - timedelta(hours=hours)),
        )[0]
        for hours, text in ((1, "5.1.1 Rule 100% hit"), (2, "5.1.1 user unknown"), (3, "5.1.1 RULE 100 hit"))
    ]
    suppress(project.pk, Entry(address="m@x.test", reason="bounce", note="rule 100% hit", way="api"))
    suppress(project.pk, Entry(address="n@x.test", reason="manual", note="rule 100% hit"))
    return made


def left() -> list[str]:
    return sorted(Suppression.objects.values_list("address", flat=True))


@pytest.mark.parametrize(
    ("arguments", "released"),
    [
        (["--like", "rule 100"], ["a1", "a3"]),
        (["--like", "100% HIT"], ["a1"]),
        (["--since", f"{NOW - timedelta(minutes=150):%Y-%m-%dT%H:%M:%SZ}"], ["a1", "a2"]),
        (["--until", f"{NOW - timedelta(minutes=150):%Y-%m-%dT%H:%M:%SZ}"], ["a3"]),
        (["--like", "nothing of that"], []),
        (["--provider", "relay"], []),
    ],
)
def test_bounces_are_released_by_time_and_words(
    rows: list[Suppression], arguments: list[str], released: list[str]
) -> None:
    before = left()
    status, items, told = run("release_suppressions", *arguments, "--dry-run", "--json")
    assert (status, left()) == (0, before)
    assert f"{len(released)} suppressions would be released" in told
    assert sorted(item["address"] for item in items) == [f"{name}@x.test" for name in released]
    assert not AuditEntry.objects.exists()
    status, items, told = run("release_suppressions", *arguments, "--json")
    assert [item["released"] for item in items] == [True] * len(released)
    assert set(before) - set(left()) == {f"{name}@x.test" for name in released}
    assert AuditEntry.objects.count() == bool(released)


def test_bounces_are_released_by_the_provider_of_their_mail(project: Project, send: Callable[..., Message]) -> None:
    provider_id = uuid4()
    for name in ("relay", "other"):
        message = send(to=[f"{name}@rcpt.test"])
        Attempt.objects.create(
            recipient=message.recipients.get(),
            number=1,
            lease_token=uuid4(),
            phase=Phase.DONE,
            claimed_at=NOW,
            provider_name=name,
            provider_id=provider_id if name == "relay" else uuid4(),
        )
        suppress(project.pk, Entry(address=f"{name}@rcpt.test", reason="bounce", message_id=message.pk))
    run("release_suppressions", "--provider", str(provider_id))
    assert left() == ["other@rcpt.test"]
    run("release_suppressions", "--provider", "other")
    assert left() == []


def test_only_the_projects_own_are_released(rows: list[Suppression], other_project: Project) -> None:
    suppress(other_project.pk, Entry(address="b@x.test", reason="bounce", note="rule 1"))
    assert run("release_suppressions", "--like", "rule")[0] == 1
    run("release_suppressions", "--like", "rule", "--project", other_project.name)
    assert left() == ["a1@x.test", "a2@x.test", "a3@x.test", "m@x.test", "n@x.test"]
    run("release_suppressions", "--like", "rule", "--all-projects")
    assert left() == ["a2@x.test", "m@x.test", "n@x.test"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "at least one of"),
        (["--since", "yesterday"], "--since"),
        (["--like", "x", "--project", "Acme", "--all-projects"], "not both"),
    ],
)
def test_unclear_criteria_release_nothing(rows: list[Suppression], arguments: list[str], told: str) -> None:
    status, _, error = run("release_suppressions", *arguments)
    assert status == 1
    assert told in error
    assert len(left()) == 5


@pytest.mark.parametrize(("option", "count"), [("--apply", 6), ("--drop", 0)])
def test_held_suppressions_are_listed_and_decided_on(
    project: Project, settings: pytest.FixtureRequest, option: str, count: int
) -> None:
    settings.SUPPRESSION_WAVE_ADDRESSES = 6
    suppress_bounced(
        [Bounce(project_id=project.pk, address=f"a{n}@d{n % 3}.test", words="5.1.1 rule hit") for n in range(6)]
    )
    status, (item,), _ = run("held_suppressions", "--json")
    wave = SuppressionWave.objects.get()
    assert (status, item["id"], item["words"], item["addresses"]) == (0, str(wave.pk), "rule hit", 6)
    assert run("held_suppressions", option, "nonsense")[0] == 1
    status, (decided,), _ = run("held_suppressions", option, item["id"], "--json")
    assert (status, decided["addresses"], Suppression.objects.count()) == (0, 6, count)
    assert AuditEntry.objects.get().action == decided["decision"]
    assert "before" in run("held_suppressions", option, item["id"])[2]
