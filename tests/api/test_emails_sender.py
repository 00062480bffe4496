"""POST /api/v1/emails: permitted senders and recipients."""

import uuid

import pytest

from domains.domain_status import DomainStatus
from domains.models import Domain
from messages.models import Message
from providers.models import Provider
from providers.routing.selection import routes
from tests.api.conftest import EMAIL
from tests.provider_rows import settings_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def relay(db, settings):
    """Mail can leave: the project's senders count now."""
    settings.TRUSTED_SENDER_DOMAINS = []
    provider = Provider.objects.create(name="relay", kind="smtp", settings=settings_of("smtp://192.0.2.1"))
    routes.forget()
    return provider


def add_domain(project, name="good.test", status=DomainStatus.VERIFIED, default_from=""):
    since = "2020-01-01T00:00Z"
    return Domain.objects.create(
        project=project,
        name=name,
        status=status,
        default_from=default_from,
        verified_at=None if status is DomainStatus.PENDING else since,
        failing_since=since if status in {DomainStatus.WARNING, DomainStatus.SUSPENDED} else None,
        next_check_at="2999-01-01T00:00Z",
    )


def send(api, sender, **values):
    return api.post("/emails", {**EMAIL, "from_": sender, **values})


def test_a_verified_domain_may_send_and_is_named(api, project, relay):
    domain = add_domain(project)
    answer = send(api, "Shop <shop@good.test>")
    assert (answer.status_code, answer.json()["domain_id"]) == (202, str(domain.pk))
    assert send(api, "shop@good.test", domain_id=str(domain.pk)).json()["domain_id"] == str(domain.pk)


@pytest.mark.parametrize(
    "address",
    [
        *("a@evilgood.test", "a@good.test.evil.test", "a@sub.good.test", "a@test", "a@g\u043e\u043ed.test"),
        *("a@other.test", "a@xn--good.test"),
    ],
)
def test_any_other_domain_is_refused_and_nothing_is_stored(api, project, relay, address):
    add_domain(project)
    answer = send(api, address)
    assert answer.status_code in {403, 422}
    if answer.status_code == 403:
        assert answer.json()["code"] == "sender_not_verified"
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        *("a@evilgood.test", "a@good.test.evil.test", "a@sub.good.test", "a@good.tes", "a@EVILGOOD.test"),
        # Cyrillic, Greek and IPA look-alikes, an accent, and an A-label that only looks related.
        *("a@gооd.test", "a@goοd.test", "a@ɡood.test", "a@góod.test", "a@good.tést", "a@xn--good-1na.test"),
        *('"a@good.test" <a@evil.test>', "=?utf-8?q?a=40good.test?= <a@evil.test>"),
    ],
)
def test_a_lookalike_domain_is_a_different_domain(api, project, relay, address):
    add_domain(project)
    answer = send(api, address)
    assert (answer.status_code, answer.json()["code"]) in {(403, "sender_not_verified"), (422, "invalid_fields")}
    if "xn--" not in address:
        assert answer.status_code == 403
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        *(
            "a@good.test.",
            "a@ｇｏｏｄ.test",
            "A <a@ⓖood.test>",
            "a@good。test",
            "a@go\u00adod.test",
            "a@good.test\u200b",
        ),
        *("a@evil.test@good.test", '"a@evil.test"@good.test', "a@good.test <a@evil.test>", "a@good.test,a@evil.test"),
        *(
            "a@evil.test(@good.test)",
            "a@good.test%evil.test",
            "a@good.test\x00.evil.test",
            "a@evil.test\n<a@good.test>",
        ),
    ],
)
def test_no_trick_of_spelling_passes_for_the_domain(api, project, relay, address):
    add_domain(project)
    answer = send(api, address)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"from_"}
    assert not Message.objects.exists()


@pytest.mark.parametrize("address", ["a@GOOD.test", "A <a@Good.TEST>"])
def test_the_domains_case_does_not_matter(api, project, relay, address):
    add_domain(project)
    assert send(api, address).status_code == 202


def test_a_domain_in_another_script_is_the_same_as_its_a_label(api, project, relay):
    add_domain(project, name="xn--bcher-kva.test")
    for written in ("a@bücher.test", "B <a@BÜCHER.test>", "a@xn--bcher-kva.test"):
        assert send(api, written).status_code == 202
    assert send(api, "a@bucher.test").status_code == 403


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (DomainStatus.PENDING, 403),
        (DomainStatus.SUSPENDED, 403),
        (DomainStatus.VERIFIED, 202),
        (DomainStatus.WARNING, 202),
    ],
)
def test_only_a_domain_in_good_standing_may_send(api, project, relay, status, code):
    add_domain(project, status=status)
    assert send(api, "a@good.test").status_code == code


def test_the_domain_of_another_project_does_not_count(api, other_project, relay):
    add_domain(other_project)
    answer = send(api, "a@good.test")
    assert (answer.status_code, answer.json()["code"]) == (403, "sender_not_verified")


def test_domain_id_has_to_be_the_senders_domain(api, project, relay):
    add_domain(project)
    other = add_domain(project, name="other.test")
    answer = send(api, "a@good.test", domain_id=str(other.pk))
    assert (answer.status_code, answer.json()["code"]) == (403, "sender_not_verified")
    assert "other.test" in answer.json()["detail"]


def test_a_domain_id_of_another_project_answers_as_an_unknown_one(api, other_project, relay):
    theirs = add_domain(other_project)
    for pk in (theirs.pk, uuid.uuid4()):
        answer = send(api, "a@good.test", domain_id=str(pk))
        assert answer.status_code == 422
        assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("domain_id", "not_found")]


def test_trusted_domains_and_a_star_need_no_verification(api, relay, settings):
    settings.TRUSTED_SENDER_DOMAINS = ["trusted.test"]
    assert send(api, "a@trusted.test").status_code == 202
    assert send(api, "a@sub.trusted.test").status_code == 403
    settings.TRUSTED_SENDER_DOMAINS = ["*"]
    assert send(api, "a@any.test").status_code == 202


@pytest.mark.parametrize("kind", ["inbox", "simulator"])
def test_any_domain_may_send_while_mail_stays_here(api, relay, kind):
    relay.kind, relay.url = kind, f"{kind}://127.0.0.1:2525"
    relay.save()
    routes.forget()
    assert send(api, "a@any.test").status_code == 202


def test_any_domain_may_send_with_a_test_key(test_api, relay):
    assert send(test_api, "a@any.test").status_code == 202


def test_without_a_sender_the_domains_default_is_taken_then_the_projects(api, project, relay):
    first = add_domain(project, default_from="First <first@good.test>")
    second = add_domain(project, name="second.test", default_from="second@second.test")
    email = {name: value for name, value in EMAIL.items() if name != "from_"}
    assert api.post("/emails", email).json()["from_"] == "First <first@good.test>"
    assert api.post("/emails", {**email, "domain_id": str(second.pk)}).json()["from_"] == "second@second.test"
    project.default_from = "Acme <acme@second.test>"
    project.save()
    assert api.post("/emails", email).json()["from_"] == "Acme <acme@second.test>"
    assert api.post("/emails", {**email, "domain_id": str(first.pk)}).json()["from_"] == "First <first@good.test>"


@pytest.mark.parametrize("absent", [{}, {"from_": None}, {"from": ""}])
def test_without_any_default_sender_one_is_required(api, absent):
    email = {**{name: value for name, value in EMAIL.items() if name != "from_"}, **absent}
    answer = api.post("/emails", email)
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("from_", "required")]


def test_a_key_may_be_limited_to_recipients(make_api):
    limited = make_api(allowed_recipients=["*@rcpt.test", "one@other.test"])
    assert limited.post("/emails", {**EMAIL, "to": ["Any@RCPT.test", "one@other.test"]}).status_code == 202
    lists = {"to": "a@rcpt.test", "cc": "b@sub.rcpt.test", "bcc": ["c@rcpt.test", "two@other.test"]}
    answer = limited.post("/emails", {**EMAIL, **lists})
    assert (answer.status_code, answer.json()["code"]) == (403, "recipient_not_allowed")
    assert [error["field"] for error in answer.json()["errors"]] == ["cc[0]", "bcc[1]"]
    assert Message.objects.count() == 1
