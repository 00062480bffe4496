"""What the clients' runs come to: a table for people, lines of JSON, and the tables of the documentation.

A page of the documentation has a table `client | version | …` with a column for each kind of call. `--write` fills it;
without, a run fails if it tells something else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tests.vendors.catalogue import CLIENTS, VendorClient
from tests.vendors.commands import ROOT
from tests.vendors.running import FAILED, PARTIAL, Step

NOT_RUN = "not run"
# The heading, the text below it, and the table.
TABLE = re.compile(r"(?P<text>^## Tried clients\n\n(?:[^|\n][^\n]*\n)+\n)(?P<table>(?:\|[^\n]*\n)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A client's steps, or why its packages are missing."""

    client: VendorClient
    steps: Sequence[Step] = ()
    missing: str = ""

    @property
    def failures(self) -> list[Step]:
        return [step for step in self.steps if step.result == FAILED]

    @property
    def cells(self) -> dict[str, str]:
        """The result of each kind of call that the client has."""
        kinds = dict.fromkeys(step.kind for step in self.steps)
        return {kind: sum_up({step.result for step in self.steps if step.kind == kind}) for kind in kinds}

    def as_json(self) -> dict[str, Any]:
        steps = [
            {"kind": step.kind, "call": step.call, "result": step.result, "detail": step.detail} for step in self.steps
        ]
        missing = {"not_run": self.missing} if self.missing else {}
        client = self.client
        return {"client": client.name, "version": client.version, "page": client.page, "steps": steps, **missing}


def sum_up(results: set[str]) -> str:
    """The result of a kind of call: what fails counts most, and what is refused beside what works makes it partial."""
    if FAILED in results or len(results) == 1:
        return FAILED if FAILED in results else next(iter(results))
    return PARTIAL


def list_kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(kind for outcome in outcomes for kind in outcome.cells))


def build_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A head and a row for each client; `-` where a client has no such call."""
    kinds = list_kinds(outcomes)
    rows = [["client", "version", *kinds]]
    for outcome in outcomes:
        cells = outcome.cells
        shown = [NOT_RUN if outcome.missing else cells.get(kind, "-") for kind in kinds]
        rows.append([outcome.client.name, outcome.client.version or "-", *shown])
    return rows


def show_table(outcomes: Sequence[Outcome]) -> str:
    rows = build_rows(outcomes)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def show_summary(outcomes: Sequence[Outcome], differences: Sequence[str]) -> str:
    """The failures in full, and the numbers."""
    lines = []
    for outcome in outcomes:
        lines += [f"{outcome.client.name}: {step.kind}, {step.call}: {step.detail}" for step in outcome.failures]
        if outcome.missing:
            lines.append(f"NOT RUN: {outcome.client.name}: {outcome.missing}")
    lines += differences
    failed = sum(len(outcome.failures) for outcome in outcomes)
    missing = sum(bool(outcome.missing) for outcome in outcomes)
    count = sum(len(outcome.steps) for outcome in outcomes)
    lines.append(f"run: {len(outcomes)} clients, {count} calls, {failed} failed; {missing} CLIENTS NOT RUN")
    return "\n".join(lines) + "\n"


def write_markdown(outcomes: Sequence[Outcome]) -> str:
    rows = build_rows(outcomes)
    head, *rest = [f"| {' | '.join(row)} |\n" for row in rows]
    return "".join([head, "|" + "---|" * len(rows[0]) + "\n", *rest])


def list_pages(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each page all of whose clients were run."""
    run = {outcome.client.name: outcome for outcome in outcomes if not outcome.missing}
    by_page = {page: list(clients) for page, clients in groupby(CLIENTS, key=lambda client: client.page)}
    return {
        page: [run[client.name] for client in clients]
        for page, clients in by_page.items()
        if all(client.name in run for client in clients)
    }


def read_table(page: str) -> str:
    """The table that the page has; "" without one."""
    found = TABLE.search((ROOT / "docs" / f"{page}.md").read_text())
    return found["table"] if found else ""


def write_tables(outcomes: Sequence[Outcome]) -> None:
    for page, found in list_pages(outcomes).items():
        path = ROOT / "docs" / f"{page}.md"
        table = write_markdown(found)
        path.write_text(TABLE.sub(lambda match, table=table: match["text"] + table, path.read_text(), count=1))


def find_differences(outcomes: Sequence[Outcome]) -> list[str]:
    """The pages whose table is another one."""
    return [
        f"docs/{page}.md: its table of tried clients is not that of this run; write it by --write"
        for page, found in list_pages(outcomes).items()
        if read_table(page) != write_markdown(found)
    ]
