import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry, Project
from accounts.services import create_project
from domains.models import Domain
from tests.domains.owner import publish_records

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return create_project(name="acme")


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


def run_json(*words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run(*words, "--json").splitlines()]


def test_a_domain_is_added_with_its_records(zone, project):
    (added,) = run_json("add_domain", "Good.test", "--ed25519", "--default-from", "Good <a@good.test>")
    domain = Domain.objects.get()
    assert (added["id"], added["name"], added["status"]) == (str(domain.pk), "good.test", "pending")
    assert [record["purpose"] for record in added["records"]] == [
        "ownership",
        "dkim",
        "dkim",
        "return_path",
        "tracking",
        "dmarc",
    ]
    assert domain.default_from == "Good <a@good.test>"
    assert AuditEntry.objects.get().action == "add_domain"


def test_a_rejected_addition_gives_one_error_line(project):
    for words in (["add_domain", "nonsense"], ["add_domain", "good.test", "--default-from", "a@evil.test"]):
        with pytest.raises(CommandError):
            run(*words)
    assert not Domain.objects.exists()


def test_verifying_shows_the_found_records(zone, project):
    run("add_domain", "good.test")
    publish_records(zone, Domain.objects.get())
    (verified,) = run_json("verify_domain", "GOOD.test")
    assert verified["status"] == "verified"
    zone.put("_dmarc.good.test", "TXT", "v=DMARC1; p=maybe")
    text = run("verify_domain", "good.test")
    assert text.startswith("good.test is verified.")
    assert "wrong    dmarc" in text
    assert "found:   v=DMARC1; p=maybe" in text
    assert "no valid p= tag" in text


def test_verifying_all_gives_a_line_for_each_and_fails_for_one_that_is_not_verified(zone, project, capsys):
    run("add_domain", "b.test.example")
    run("add_domain", "a.test.example")
    create_project(name="rival")
    run("add_domain", "c.test.example", "--project", "rival")
    out = StringIO()
    every = ("--all", "--project", "rival", "--project", "acme")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_domain", *every, "--json", stdout=out, stderr=StringIO())
    assert ended.value.code == 1
    names = [json.loads(line)["name"] for line in out.getvalue().splitlines()]
    assert names == ["c.test.example", "a.test.example", "b.test.example"]
    for domain in Domain.objects.all():
        publish_records(zone, domain)
    assert {item["status"] for item in run_json("verify_domain", *every)} == {"verified"}
    with pytest.raises(CommandError, match="There are several projects"):
        run("verify_domain", "--all")
    with pytest.raises(CommandError, match="There is no project nobody"):
        run("verify_domain", "--all", "--project", "nobody")


def test_verifying_nothing_or_both_is_refused(project):
    for words in ([], ["good.test", "--all"]):
        with pytest.raises(CommandError, match="--all"):
            run("verify_domain", *words)


def test_records_are_a_line_each_or_lines_for_a_zone_file(zone, project):
    run("add_domain", "good.test")
    records = run_json("domain_records", "good.test")
    assert [record["type"] for record in records] == ["TXT", "TXT", "CNAME", "CNAME", "TXT"]
    lines = run("domain_records", "good.test", "--zone").splitlines()
    assert "link.good.test. 3600 IN CNAME mail.service.test." in lines
    dkim = next(line for line in lines if "_domainkey" in line)
    assert dkim.count('"') == 4
    strings = dkim.split('"')[1::2]
    assert "".join(strings) == records[1]["value"]
    assert max(map(len, strings)) <= 255


def test_rotating_adds_a_record(zone, project):
    run("add_domain", "good.test")
    publish_records(zone, Domain.objects.get())
    run("verify_domain", "good.test")
    (rotated,) = run_json("rotate_dkim", "good.test")
    assert [record["status"] for record in rotated["records"] if record["purpose"] == "dkim"] == ["ok", "unknown"]


def test_another_projects_domain_is_not_found(zone, project):
    create_project(name="rival")
    run("add_domain", "good.test", "--project", "acme")
    for name in ("good.test", "other.test", "not a domain"):
        with pytest.raises(CommandError):
            run("domain_records", name, "--project", "rival")
