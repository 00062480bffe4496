"""`process_report`: record reports about sent mail from files."""

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from accounts.management.audit import audited_parts
from common.commands import ServiceCommand
from delivery.reports.parse import Report, describe_report, parse_report
from messages.feedback.reports import ReceivedReport, receive_report

STANDARD_INPUT = "-"


class Command(ServiceCommand):
    help = "Read bounces, receipts and complaints from files (mail or mbox), and record them for the sent mail."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="A mail or an mbox; - is the standard input.")
        parser.add_argument("--dry-run", action="store_true", help="Only print the parsed reports.")

    def handle(self, *args: Any, **options: Any) -> None:
        is_any_unreadable = False
        for name in options["files"]:
            try:
                raw = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
            except OSError as error:
                self.stderr.write(f"{name}: {error.strerror or error}")
                is_any_unreadable = True
                continue
            report = parse_report(raw)
            tally = Counter[str]() if options["dry_run"] else record_report(name, raw)
            self.emit(describe_report(name, report), describe_report_result(name, report, tally))
        if is_any_unreadable:
            raise SystemExit(1)


def record_report(name: str, raw: bytes) -> Counter[str]:
    """The number of reports in the file by result. Each report has a transaction of its own."""
    with audited_parts("process_report", name) as result:
        tally = Counter(each.value for each in receive_report(ReceivedReport(raw=raw, is_trusted=True)))
        result |= tally
    return tally


def describe_report_result(name: str, report: Report, tally: Counter[str]) -> str:
    """The result of one file, as one line for people."""
    told = ", ".join(f"{one.address or 'unknown recipient'} {one.status} {one.reason}" for one in report.recipients)
    recorded = ", ".join(f"{count} {result}" for result, count in tally.items())
    return " | ".join(part for part in (f"{name}: {report.kind}", told, recorded) if part)
