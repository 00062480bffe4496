"""`doctor`: what it looks at, and that it says what helps."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import OperationalError

from domains.models import Domain
from emailsvc.doctor import machine, programs, ways
from emailsvc.doctor.database import examine_database, examine_tables
from emailsvc.doctor.examinations import EXAMINATIONS, examine_all
from emailsvc.doctor.finding import Finding, Health, examine, fine
from emailsvc.launcher.ports import held_port
from ledger.timer import ALIVE_KEY, TICK_KEY
from messages.models import Recipient
from providers.models import Provider
from tests.api.conftest import _fresh_process, post  # noqa: F401
from tests.provider_rows import settings_of
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db
# These ask others, or need a fixture.
APART = {"providers", "domains", "certificates"}


def by_check(found: Any) -> dict[str, Finding]:
    return {finding.check: finding for finding in found}


def test_it_prints_a_line_for_each_finding_and_ends_with_1_for_a_failure(
    capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    call_command("doctor", "disk", "queue", "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"leases", "queue", "disk.temporary", "clock.database"} <= {line["check"] for line in lines}
    assert all(line.keys() == {"check", "status", "detail", "mend"} for line in lines)
    settings.DEBUG = True
    with pytest.raises(SystemExit) as end:
        call_command("doctor", "settings")
    assert end.value.code == 1
    assert "FAILED   settings.DEBUG: pages of errors show settings and mail" in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"no examination quene. Did you mean queue\?"):
        call_command("doctor", "quene")


def test_each_finding_that_is_not_well_says_what_helps() -> None:
    found = list(examine_all({name: each for name, each in EXAMINATIONS.items() if name not in APART}))
    assert len(found) > 12
    assert [finding for finding in found if (finding.status is Health.OK) == bool(finding.mend)] == []


def test_the_database_is_looked_at_by_version_settings_rights_and_log() -> None:
    found = by_check(examine_database())
    assert (found["database"].status, found["database.migrations"].status) == (Health.OK, Health.OK)
    # The tests' own server forgoes durability, its role is no superuser, and its log shows nothing.
    assert "fsync = off" in found["database.settings"].detail
    assert found["database.settings"].status is Health.FAILED
    assert found["database.rights"] == fine("database.rights", "the role has what it needs")
    assert found["database.pg_trgm"].status is Health.OK
    assert found["database.log"] == fine("database.log", "shows no values")
    assert {finding.status for finding in examine_tables()} == {Health.OK}


def test_a_server_that_is_away_is_a_finding() -> None:
    def ask() -> Any:
        yield fine("first", "well")
        raise OperationalError

    found = [(each.check, each.status) for each in examine("database", ask)]
    assert found == [("first", Health.OK), ("database", Health.FAILED)]


def test_workers_are_told_by_their_programs(settings: Any) -> None:
    for name in programs.list_nodes():
        cache.delete(ALIVE_KEY + name)
    cache.set(ALIVE_KEY + "fast@here", time.time(), timeout=60)
    cache.set(ALIVE_KEY + "bulk@here", time.time() - 100, timeout=60)
    cache.set(TICK_KEY, time.time())
    settings.SUBMISSION_ADDRESS = ""
    found = by_check(programs.examine_programs())
    assert found["workers.worker"] == fine("workers.worker", "fast@here")
    assert found["workers"].status is Health.OK
    assert found["workers.worker-bulk"].detail == "none is seen: nobody serves bulk,periodic"
    assert found["beat"].status is Health.WARNING
    cache.delete(TICK_KEY)
    assert by_check(programs.examine_programs())["workers"].status is Health.FAILED


def test_due_mail_that_nobody_takes_and_lost_leases_are_told(post: Any) -> None:  # noqa: F811
    early = datetime.now(UTC) - timedelta(minutes=10)
    for _ in range(2):
        post()
    first, second = Recipient.objects.order_by("pk")
    Recipient.objects.filter(pk=first.pk).update(next_attempt_at=early)
    Recipient.objects.filter(pk=second.pk).update(lease_token=second.pk, lease_until=early)
    found = by_check(programs.examine_queue())
    assert (found["queue"].status, found["leases"].status) == (Health.WARNING, Health.WARNING)
    assert "normal: 60" in found["queue"].detail


@pytest.mark.parametrize(("seconds", "status"), [(0.2, "ok"), (-5.0, "warning"), (3600.0, "failed")])
def test_clocks_are_compared(seconds: float, status: str) -> None:
    assert [finding.status for finding in programs._compare_clocks("clock", seconds)] == [status]


def test_providers_are_asked(project: Any) -> None:
    with held_port() as port:
        stored = settings_of(f"smtp://127.0.0.1:{port}")
        Provider.objects.create(name="relay", kind="smtp", settings=stored)
        Provider.objects.create(name="own", kind="smtp", settings=stored, project=project)
        Provider.objects.create(name="sim", kind="simulator", settings=settings_of("simulator:"), project=project)
        found = by_check(ways.examine_providers())
    assert found["provider relay"].status is Health.FAILED
    assert found["provider own of Acme"].status is Health.WARNING
    assert found["provider sim of Acme"] == fine("provider sim of Acme", "takes everything")


def test_domains_are_looked_up(project: Any, zone: Any) -> None:
    Domain.objects.create(project=project, name="mine.test", ownership_token="t", next_check_at=datetime.now(UTC))
    finding = by_check(ways.examine_domains())["domain mine.test of Acme"]
    assert finding.status is Health.WARNING
    assert "ownership missing" in finding.detail


def test_failing_endpoints_and_their_project_are_told(project: Any) -> None:
    since = datetime.now(UTC) - timedelta(hours=2)
    values = {"url": "https://x.test/", "events": ["*"], "secret": "s", "failing_since": since}
    failing = Endpoint.objects.create(project=project, **values)
    found = by_check(ways.examine_endpoints())
    assert found[f"endpoint {failing.pk} of Acme"].status is Health.WARNING
    assert found["webhooks"].status is Health.OK


def test_an_environment_variable_that_is_nearly_a_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXY", "10.0.0.0/8")
    found = by_check(machine.examine_settings())
    assert found["settings.unknown"].mend == "Did you mean TRUSTED_PROXIES?"


def test_what_is_set_and_whose_libraries_are_missing_is_told_with_the_command(settings: Any) -> None:
    settings.MISSING_EXTRAS = ["otel", "sentry"]
    found = by_check(machine.examine_settings())
    assert found["settings.SENTRY_DSN"].status is Health.FAILED
    assert found["settings.OTEL_EXPORTER_OTLP_ENDPOINT"].mend == "./run install otel"


def test_a_public_service_is_held_to_what_the_documentation_advises(settings: Any) -> None:
    settings.PUBLIC_URL = "http://mail.example.test"
    assert by_check(machine.examine_settings())["settings.PUBLIC_URL"].status is Health.WARNING


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100 * machine.MIB, "total": 10_000 * machine.MIB})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _folder: usage)
    assert {finding.status for finding in machine.examine_disk()} == {Health.FAILED}
