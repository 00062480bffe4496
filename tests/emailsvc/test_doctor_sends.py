"""`doctor --send`: a mail through each way from each domain, and what was seen of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from delivery.dkim.signing import RSA, generate_key, public_record
from domains.dns.records import RecordPurpose
from domains.models import DkimKey, Domain, RecordCheck
from emailsvc.doctor.finding import Finding, Health
from emailsvc.doctor.sending import compose_trial, count_fitting, examine_sending, judge_arrival, list_trials
from emailsvc.launcher.ports import held_port
from inbox.models import Mail
from providers.models import Provider
from tests.provider_rows import settings_of
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def relay() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        Provider.objects.create(name="relay", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{server.port}"))
        yield server


@pytest.fixture
def domain(project: Any, zone: Any) -> Domain:
    """A verified domain that signs, with its records in the DNS."""
    made = Domain.objects.create(
        project=project,
        name="mine.test",
        ownership_token="t",
        status="verified",
        next_check_at=datetime.now(UTC),
        verified_at=timezone.now(),
    )
    private = generate_key(RSA)
    key = DkimKey.objects.create(
        domain=made, selector="s1", algorithm=RSA, private_key=private, public_record=public_record(private),
        activated_at=timezone.now(),
    )  # fmt: skip
    RecordCheck.objects.create(
        domain=made, purpose=RecordPurpose.RETURN_PATH, type="CNAME", name="bounce.mine.test", value="x", status="ok",
        checked_at=timezone.now(),
    )  # fmt: skip
    assert key.activated_at
    zone.put("bounce.mine.test", "TXT", '"v=spf1 ip4:192.0.2.25 -all"')
    zone.put("_dmarc.mine.test", "TXT", '"v=DMARC1; p=none"')
    return made


def send(to: str = "me@rcpt.test") -> dict[str, Finding]:
    return {finding.check: finding for finding in examine_sending(list_trials(to))}


def test_a_mail_goes_through_each_way_from_each_domain(relay: SmtpServer, domain: Domain) -> None:
    found = send()
    name = "send by relay from mine.test"
    assert found[name].status is Health.OK
    assert "accepted" in found[name].detail
    assert found[f"{name}: TLS"].status is Health.WARNING
    assert found[f"{name}: SPF"].detail == "bounce.mine.test: v=spf1 ip4:192.0.2.25 -all"
    assert found[f"{name}: DKIM"].detail == "signed by s1 (rsa-sha256)"
    assert found[f"{name}: DMARC"].detail == "SPF aligned, DKIM aligned; v=DMARC1; p=none"
    assert "bounces come to bounce.mine.test" in found[f"{name}: feedback"].detail
    (mail,) = relay.mails
    assert mail.addresses == ["me@rcpt.test"]
    assert b"DKIM-Signature" in mail.content


def test_without_a_domain_it_says_what_is_missing(relay: SmtpServer, zone: Any) -> None:
    found = send()
    statuses = {check.partition(": ")[2]: finding.status for check, finding in found.items()}
    assert statuses == {
        "": Health.OK,
        **dict.fromkeys(("TLS", "SPF", "DKIM", "DMARC", "feedback"), Health.WARNING),
    }
    assert all(finding.mend for finding in found.values() if finding.status is not Health.OK)


def test_a_provider_that_refuses_is_a_failure(zone: Any) -> None:
    with held_port() as port:
        Provider.objects.create(name="away", kind="smtp", settings=settings_of(f"smtp://127.0.0.1:{port}"))
        assert [finding.status for finding in send().values()] == [Health.FAILED]


def test_what_arrived_is_held_against_the_signatures(domain: Domain) -> None:
    Provider.objects.create(name="inbox", kind="inbox", settings=settings_of("inbox://127.0.0.1:2525"))
    (trial,) = list_trials("me@rcpt.test")
    delivery = compose_trial(trial)
    received = b"Received: from here by there\r\n" + delivery.content

    def arrive(raw: bytes) -> Finding:
        values = {"rcpt_to": [trial.to], "rcpt_folded": [trial.to], "size": len(raw), "received_at": timezone.now()}
        Mail.objects.create(raw=raw, **values)
        return judge_arrival(trial, delivery)

    assert arrive(received).status is Health.OK
    assert "1 DKIM signatures fit" in arrive(received).detail
    assert arrive(received.replace(b"sent by", b"sent bye")).status is Health.FAILED
    assert arrive(received.replace(b"A test", b"[list] A test")).status is Health.FAILED
    assert count_fitting(received, None) == 0


def test_mail_that_leaves_needs_an_address(relay: SmtpServer, zone: Any) -> None:
    with pytest.raises(CommandError, match="give an address that you can read"):
        call_command("doctor", "--send")
    with pytest.raises(CommandError):
        call_command("doctor", "--send", "nobody")
    assert relay.mails == []
