"""`doctor`: looks at the whole installation and says what is wrong and what helps."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from common.commands import ServiceCommand
from common.suggestions import describe_unknown
from emailsvc.doctor.examinations import EXAMINATIONS, examine_all
from emailsvc.doctor.finding import Finding, Health

MARKS = {Health.OK: "ok     ", Health.WARNING: "warning", Health.FAILED: "FAILED "}


class Command(ServiceCommand):
    help = "Look at database, broker, workers, providers, domains and settings. The exit status is 1 if a check failed."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("only", nargs="*", help=f"Only these: {', '.join(EXAMINATIONS)}.")

    def handle(self, *_: Any, only: list[str], **__: Any) -> None:
        names = self.choose(only)
        counts: Counter[Health] = Counter()
        for finding in examine_all({name: EXAMINATIONS[name] for name in names}):
            counts[finding.status] += 1
            self.show(finding)
        if not self.is_json:
            self.stdout.write(", ".join(f"{counts[status]} {status}" for status in Health))
        if counts[Health.FAILED]:
            raise SystemExit(1)

    def choose(self, only: list[str]) -> list[str]:
        if unknown := [name for name in only if name not in EXAMINATIONS]:
            raise CommandError(describe_unknown(f"There is no examination {unknown[0]}.", unknown[0], EXAMINATIONS))
        return only or list(EXAMINATIONS)

    def show(self, finding: Finding) -> None:
        mend = f"\n         → {finding.mend}" if finding.mend else ""
        self.emit(finding.describe(), f"{MARKS[finding.status]}  {finding.check}: {finding.detail}{mend}")
        self.stdout.flush()
