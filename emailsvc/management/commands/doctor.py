"""`doctor`: looks at the whole installation and says what is wrong and what helps."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from common.addresses import parse_address
from common.commands import ServiceCommand
from common.suggestions import describe_unknown
from emailsvc.doctor.examinations import EXAMINATIONS, examine_all
from emailsvc.doctor.finding import Finding, Health, examine
from emailsvc.doctor.sending import examine_sending, leaves_this_machine, list_trials

# Where all mail ends in the local inbox any address will do; this name is reserved for tests (RFC 2606).
LOCAL_ADDRESS = "doctor@example.test"
MARKS = {Health.OK: "ok     ", Health.WARNING: "warning", Health.FAILED: "FAILED "}


class Command(ServiceCommand):
    help = "Look at database, broker, workers, providers, domains and settings. The exit status is 1 if a check failed."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("only", nargs="*", help=f"Only these: {', '.join(EXAMINATIONS)}.")
        parser.add_argument(
            "--send",
            nargs="?",
            const=LOCAL_ADDRESS,
            metavar="ADDRESS",
            help="Instead of looking: send a mail through each provider from each verified domain to this address, "
            "which you can read, and tell what was seen. Without an address only where all mail stays in the inbox.",
        )

    def handle(self, *_: Any, only: list[str], send: str | None, **__: Any) -> None:
        counts: Counter[Health] = Counter()
        found = self.send(send) if send else examine_all({name: EXAMINATIONS[name] for name in self.choose(only)})
        for finding in found:
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

    def send(self, address: str) -> Iterator[Finding]:
        trials = list_trials(parse_address(address).address)
        if address == LOCAL_ADDRESS and leaves_this_machine(trials):
            raise CommandError("Mail leaves this machine: give an address that you can read, --send you@example.com.")
        return examine("send", lambda: examine_sending(trials))

    def show(self, finding: Finding) -> None:
        mend = f"\n         → {finding.mend}" if finding.mend else ""
        self.emit(finding.describe(), f"{MARKS[finding.status]}  {finding.check}: {finding.detail}{mend}")
        self.stdout.flush()
