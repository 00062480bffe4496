"""/api/v1/admin/pauses."""

import pytest

from accounts.models import AuditEntry
from messages.models import Pause

pytestmark = pytest.mark.django_db


def outcome(answer):
    return answer.status_code, answer.json()["code"]


def test_a_pause_is_made_shown_and_ended(admin_api, project, post, api):
    email = post(tags=["sale"])
    body = {"project_id": str(project.pk), "kind": "tag", "value": "sale", "reason": "Wrong prices"}
    made = admin_api.post("/admin/pauses", body).json()
    assert {name: made[name] for name in body} == body
    assert (made["made_by"], made["ended_at"]) == (admin_api.key.prefix, None)
    assert api.get(f"/emails/{email['id']}").json()["status_reason"] == "paused"
    assert "Wrong prices" in api.get(f"/emails/{email['id']}/explain").json()["why"]
    assert outcome(admin_api.post("/admin/pauses", body)) == (409, "pause_exists")
    path = f"/admin/pauses/{made['id']}"
    assert admin_api.delete(path).status_code == admin_api.delete(path).status_code == 204
    assert admin_api.get(path).json()["ended_by"] == admin_api.key.prefix
    assert api.get(f"/emails/{email['id']}").json()["status_reason"] == "no_provider"
    assert admin_api.get("/admin/pauses").json()["data"] == []
    assert [row["id"] for row in admin_api.get("/admin/pauses?ended=true").json()["data"]] == [made["id"]]
    assert sorted(AuditEntry.objects.values_list("action", "actor")) == [
        ("pause", admin_api.key.prefix),
        ("resume", admin_api.key.prefix),
    ]


def test_a_drop_ends_the_mail(admin_api, project, post, api):
    email = post()
    made = admin_api.post("/admin/pauses", {"project_id": str(project.pk), "kind": "project"}).json()
    assert admin_api.delete(f"/admin/pauses/{made['id']}?drop=perhaps").status_code == 422
    assert admin_api.delete(f"/admin/pauses/{made['id']}?drop=true").status_code == 204
    shown = api.get(f"/emails/{email['id']}").json()
    assert (shown["status"], shown["status_reason"]) == ("failed", "dropped")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"kind": "mailbox_provider", "value": "x.test"}, "kind", "invalid_choice"),
        ({"kind": "tag", "value": "sale"}, "project_id", "project_required"),
        ({"kind": "recipient_domain", "value": ""}, "value", "invalid_domain"),
        ({"kind": "provider", "value": "nothing"}, "value", "unknown_value"),
        ({"kind": "recipient_domain", "value": "x.test", "project_id": "01890a5d-ac96-774b-bcce-b302099a8057"},
         "project_id", "unknown_project"),
        ({"kind": "recipient_domain", "value": "x.test", "reason": "a\nb"}, "reason", "control_character"),
    ],
)  # fmt: skip
def test_a_wrong_pause_is_refused_by_its_field(admin_api, body, field, code):
    answer = admin_api.post("/admin/pauses", body)
    errors = [(error["field"], error["code"]) for error in answer.json()["errors"]]
    assert (answer.status_code, errors) == (422, [(field, code)])
    assert not Pause.objects.exists()
