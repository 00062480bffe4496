"""Permitted senders: the spoofing table."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from accounts.models import Project
from accounts.services import create_project
from common.addresses import AddressError, parse_address
from common.errors import InvalidFieldsError
from domains.domain_names import DomainNameError, canonical_name
from domains.domain_status import DomainStatus
from domains.models import Domain
from domains.services import (
    DomainExistsError,
    SenderNotVerifiedError,
    add_domain,
    admit_sender,
    change_default_from,
    default_sender,
)
from domains.trusted_senders import is_trusted

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return create_project(name="acme")


@pytest.fixture
def rival() -> Project:
    return create_project(name="rival")


def insert_domain(
    project: Project, name: str, status: DomainStatus = DomainStatus.VERIFIED, **fields: object
) -> Domain:
    """A domain as a check would leave it, without the cost of its key."""
    now = timezone.now()
    verified_at = None if status == DomainStatus.PENDING else now
    return Domain.objects.create(
        project=project, name=name, status=status, verified_at=verified_at, next_check_at=now, **fields
    )


@pytest.fixture
def good(project: Project) -> Domain:
    return insert_domain(project, "good.test")


def test_a_verified_domain_may_send(project, good):
    assert admit_sender(project, from_domain="good.test").domain == good
    assert admit_sender(project, from_domain="good.test", domain_id=good.pk).domain == good


def test_a_domain_with_a_warning_may_send(project):
    warned = insert_domain(project, "warned.test", DomainStatus.WARNING)
    assert admit_sender(project, from_domain="warned.test").domain == warned


@pytest.mark.parametrize(
    "from_domain",
    [
        "evilgood.test",
        "good.test.evil.test",
        "sub.good.test",
        "test",
        "ood.test",
        "good.tes",
        "good.testt",
        "good-test.test",
        "GOOD.test",
        "Good.Test",
        "good.test.",
        ".good.test",
        "good.test ",
        " good.test",
        "good.test\n",
        "good..test",
        "good.test@evil.test",
        "gооd.test",
        "xn--gd-imca.test",
        "góod.test",
        "ɡood.test",
        "ｇｏｏｄ.test",
        "good。test",
        "g\u00adood.test",
        "go\u200dod.test",
        "%",
        "good_test",
        "",
    ],
)
@pytest.mark.parametrize("is_named", [False, True])
def test_nothing_but_the_exact_name_may_send(project, good, from_domain, is_named):
    with pytest.raises(SenderNotVerifiedError) as refused:
        admit_sender(project, from_domain=from_domain, domain_id=good.pk if is_named else None)
    assert (refused.value.status, refused.value.public_code) == (403, "sender_not_verified")


@pytest.mark.parametrize("written", ["a@GOOD.test", "Good <a@Good.TEST>", "a@ｇｏｏｄ.test"])
def test_ways_to_write_the_same_domain_are_one_once_parsed(project, good, written):
    assert admit_sender(project, from_domain=parse_address(written).domain).domain == good


def test_an_international_domain_is_compared_by_its_a_label(project):
    book = insert_domain(project, canonical_name("Bücher.example"))
    assert admit_sender(project, from_domain=parse_address("a@BÜCHER.example").domain).domain == book
    with pytest.raises(SenderNotVerifiedError):
        admit_sender(project, from_domain=parse_address("a@bucher.example").domain)


@pytest.mark.parametrize(
    "name", ["good.test", "Bücher.example", "XN--BCHER-KVA.example", "straße.example", "ｇｏｏｄ.test", "good。test"]
)
def test_a_domain_and_a_sender_at_it_are_read_alike(name):
    assert canonical_name(name) == parse_address(f"a@{name}").domain


@pytest.mark.parametrize("name", ["a b.test", "good..test", "127.0.0.1", "localhost", "good_.test"])
def test_an_invalid_sender_domain_cannot_be_added(name):
    with pytest.raises(AddressError):
        parse_address(f"a@{name}")
    with pytest.raises(DomainNameError):
        canonical_name(name)


@pytest.mark.parametrize(
    ("status", "word"), [(DomainStatus.PENDING, "not verified yet"), (DomainStatus.SUSPENDED, "suspended")]
)
def test_a_domain_out_of_standing_may_not_send_and_the_refusal_says_why(project, status, word):
    insert_domain(project, "good.test", status)
    with pytest.raises(SenderNotVerifiedError, match=word):
        admit_sender(project, from_domain="good.test")


def test_the_domain_of_another_project_may_not_send(rival, good):
    with pytest.raises(SenderNotVerifiedError):
        admit_sender(rival, from_domain="good.test")


def test_a_claim_beside_another_projects_proof_may_not_send(rival, good):
    insert_domain(rival, "good.test", DomainStatus.PENDING)
    with pytest.raises(SenderNotVerifiedError):
        admit_sender(rival, from_domain="good.test")


def test_a_domain_id_of_another_project_is_not_found_just_as_an_unknown_one(project, rival, good):
    insert_domain(rival, "good.test")
    answers = []
    for domain_id in (good.pk, project.pk):
        with pytest.raises(InvalidFieldsError) as refused:
            admit_sender(rival, from_domain="good.test", domain_id=domain_id)
        answers.append((refused.value.status, refused.value.detail, refused.value.errors))
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][2][0].field, answers[0][2][0].code) == (422, "domain_id", "not_found")


def test_a_domain_id_must_be_the_senders(project, good):
    other = insert_domain(project, "other.test")
    with pytest.raises(SenderNotVerifiedError, match=r"other\.test"):
        admit_sender(project, from_domain="good.test", domain_id=other.pk)


# What is admitted unproven


@pytest.mark.parametrize("status", [None, DomainStatus.PENDING, DomainStatus.SUSPENDED])
@pytest.mark.parametrize("trusted", [["*"], ["x.test", "Good.TEST."], []])
def test_trusted_and_local_senders_are_admitted_with_whatever_row_there_is(project, settings, status, trusted):
    settings.TRUSTED_SENDER_DOMAINS = trusted
    domain = insert_domain(project, "good.test", status) if status else None
    assert admit_sender(project, from_domain="good.test", is_local_only=not trusted).domain == domain


@pytest.mark.parametrize("from_domain", ["sub.good.test", "evilgood.test", "test", "GOOD.test", "*"])
def test_a_trusted_domain_covers_nothing_but_itself(project, settings, from_domain):
    settings.TRUSTED_SENDER_DOMAINS = ["good.test"]
    with pytest.raises(SenderNotVerifiedError):
        admit_sender(project, from_domain=from_domain)


def test_an_unknown_domain_id_is_refused_from_trusted_and_local_senders_too(project, rival, settings):
    settings.TRUSTED_SENDER_DOMAINS = ["*"]
    others = insert_domain(rival, "good.test")
    with pytest.raises(InvalidFieldsError):
        admit_sender(project, from_domain="good.test", domain_id=others.pk, is_local_only=True)


def test_an_invalid_trusted_domain_stops_the_start(settings):
    settings.TRUSTED_SENDER_DOMAINS = ["*.good.test"]
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_SENDER_DOMAINS"):
        is_trusted("good.test")


# Adding, and the default sender


def test_a_domain_is_added_in_canonical_form_once_per_project(project, rival):
    assert add_domain(project, name=" Bücher.Example. ").name == "xn--bcher-kva.example"
    with pytest.raises(DomainExistsError):
        add_domain(project, name="bücher.example")
    assert add_domain(rival, name="bücher.example").name == "xn--bcher-kva.example"


@pytest.mark.parametrize("name", ["", "good", "https://good.test", "a@good.test", "127.0.0.1", "mail.invalid"])
def test_an_invalid_domain_is_rejected_by_its_field(project, name):
    with pytest.raises(InvalidFieldsError) as refused:
        add_domain(project, name=name)
    assert [(error.field, error.code) for error in refused.value.errors] == [("name", "invalid_domain")]


@pytest.mark.parametrize(
    "default_from", ["a@other.test", "a@sub.good.test", "a@evilgood.test", "x", "a@good.test, b@x.y"]
)
def test_a_default_sender_is_at_its_domain(project, good, default_from):
    with pytest.raises(InvalidFieldsError) as refused:
        change_default_from(good, default_from)
    assert refused.value.errors[0].field == "default_from"
    assert change_default_from(good, "Good <a@GOOD.test>").default_from == "Good <a@GOOD.test>"


def test_the_default_sender_is_the_named_domains_then_the_projects_then_any_that_may_send(project, rival, good):
    assert default_sender(project) is None
    change_default_from(insert_domain(project, "pending.test", DomainStatus.PENDING), "p@pending.test")
    assert default_sender(project) is None
    change_default_from(good, "Good <hello@good.test>")
    assert str(default_sender(project)) == str(parse_address("Good <hello@good.test>"))
    project.default_from = "Acme <acme@other.test>"
    assert default_sender(project).address == "acme@other.test"
    assert default_sender(project, domain_id=good.pk).address == "hello@good.test"
    assert default_sender(rival, domain_id=good.pk) is None
