"""Staff decide on held suppressions, and release suppressions by bounces."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Project
from tracking.models import HeldSuppression, Suppression, SuppressionWave
from tracking.suppressions.service import Entry, suppress
from tracking.suppressions.waves import Bounce, suppress_bounced

pytestmark = pytest.mark.django_db
WAVES = reverse("admin:tracking_suppressionwave_changelist")
RELEASE = reverse("admin:tracking_suppression_bounces")
LIST = reverse("admin:tracking_suppression_changelist")


@pytest.fixture
def wave(project: Project, settings: pytest.FixtureRequest) -> SuppressionWave:
    settings.SUPPRESSION_WAVE_ADDRESSES = 6
    bounces = [
        Bounce(project_id=project.pk, address=f"a{n}@d{n % 3}.test", words="5.1.1 <b>rule</b> hit") for n in range(6)
    ]
    suppress_bounced(bounces)
    return SuppressionWave.objects.get()


@pytest.mark.parametrize(("action", "count"), [("apply", 6), ("drop", 0)])
def test_held_suppressions_are_looked_at_and_decided_on(
    root: Client, wave: SuppressionWave, action: str, count: int
) -> None:
    assert "rule" in root.get(WAVES).content.decode()
    page = root.get(reverse("admin:tracking_suppressionwave_change", args=[wave.pk])).content.decode()
    assert "a1@d1.test" in page
    assert "<b>rule" not in page
    root.post(WAVES, {"action": action, "_selected_action": [str(wave.pk)]})
    assert (Suppression.objects.count(), HeldSuppression.objects.count()) == (count, 0)
    assert AuditEntry.objects.get().data["count"] == 6
    again = root.post(WAVES, {"action": action, "_selected_action": [str(wave.pk)]}, follow=True)
    assert "decided on before" in again.content.decode()


def test_support_looks_and_does_not_decide(sue: Client, wave: SuppressionWave) -> None:
    assert sue.get(WAVES).status_code == 200
    sue.post(WAVES, {"action": "apply", "_selected_action": [str(wave.pk)]})
    assert HeldSuppression.objects.count() == 6
    assert sue.get(RELEASE).status_code == 403
    assert RELEASE not in sue.get(LIST).content.decode()


def test_bounces_are_released_after_a_look(root: Client, project: Project) -> None:
    suppress(project.pk, Entry(address="a@x.test", reason="bounce", note="rule <7> hit"))
    suppress(project.pk, Entry(address="b@x.test", reason="bounce", note="user unknown"))
    assert RELEASE in root.get(LIST).content.decode()
    assert root.get(RELEASE).status_code == 200
    found = root.post(RELEASE, {"words": "RULE"}).content.decode()
    assert "1 suppression found" in found
    assert "rule &lt;7&gt; hit" in found
    assert Suppression.objects.count() == 2
    root.post(RELEASE, {"words": "RULE", "confirmed": "yes"})
    assert list(Suppression.objects.values_list("address", flat=True)) == ["b@x.test"]
    assert AuditEntry.objects.get().data == {"count": 1, "words": "RULE"}


@pytest.mark.parametrize("values", [{}, {"since": "yesterday"}, {"project": "x", "words": "a"}])
def test_without_clear_criteria_nothing_is_released(root: Client, project: Project, values: dict[str, str]) -> None:
    suppress(project.pk, Entry(address="a@x.test", reason="bounce"))
    assert root.post(RELEASE, {**values, "confirmed": "yes"}).status_code == 200
    assert Suppression.objects.count() == 1


def test_times_of_the_form_are_utc(root: Client, project: Project) -> None:
    suppress(project.pk, Entry(address="a@x.test", reason="bounce"))
    assert "0 suppressions found" in root.post(RELEASE, {"until": "2020-01-01 00:00"}).content.decode()
    assert "1 suppression found" in root.post(RELEASE, {"since": "2020-01-01 00:00"}).content.decode()
