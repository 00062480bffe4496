"""The tables of the documentation against the scripts of `./run test clients`, without running these."""

import re
from pathlib import Path

import pytest

from tests.vendors.catalogue import CLIENTS
from tests.vendors.commands import ROOT
from tests.vendors.report import Outcome, read_table, show_summary, show_table, write_markdown
from tests.vendors.running import FAILED, HERE, PARTIAL, PASSED, UNSUPPORTED, Step

PAGES = sorted({client.page for client in CLIENTS})
STEP = re.compile(r"\b(step|partial|unsupported)\(\s*\"([^\"]+)\",\s*\"([^\"]+)\"")
RESULTS = {"step": PASSED, "partial": PARTIAL, "unsupported": UNSUPPORTED}
CALLS = re.compile(r"^## Calls\n+((?:\|[^\n]*\n)+)", re.MULTILINE)
# What no call of a page's table is: the events that are posted, SMTP, and the faces of our own clients.
OTHERS = {"webhooks", "STARTTLS", "TLS", "Client", "EmailBackend", "emailsvc", "Emailsvc", "package"}


def read_calls(page: str) -> list[tuple[set[str], str]]:
    """The rows of a page's table of calls: the calls and their support."""
    found = CALLS.search((ROOT / "docs" / f"{page}.md").read_text())
    rows = [line.split("|")[1:3] for line in found[1].splitlines()[2:]] if found else []
    return [(set(calls.replace("`", "").strip().split(", ")), support.strip()) for calls, support in rows]


def read_steps(script: Path) -> list[tuple[str, set[str]]]:
    """The results and the calls of a script's steps, as far as they stand there in words."""
    return [(RESULTS[word], set(calls.split(", "))) for word, _, calls in STEP.findall(script.read_text())]


def list_steps(page: str) -> list[tuple[str, set[str]]]:
    scripts = {HERE / client.script for client in CLIENTS if client.page == page}
    return [step for script in sorted(scripts) for step in read_steps(script)]


@pytest.mark.parametrize("page", PAGES)
def test_each_step_is_of_a_call_that_the_page_tells(page):
    known = {call for calls, _ in read_calls(page) for call in calls} | OTHERS
    assert {call for _, calls in list_steps(page) for call in calls} <= known


@pytest.mark.parametrize("page", PAGES)
def test_each_call_that_is_served_is_tried_by_a_client(page):
    tried = {call for _, calls in list_steps(page) for call in calls}
    untried = [calls for calls, support in read_calls(page) if support != "none" and not calls & tried]
    # The services' own libraries wrap all calls but those that anymail makes.
    by_anymail = {"SendEmail with Raw", "POST /email/batchWithTemplates"}
    assert [calls for calls in untried if not calls & by_anymail] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_is_told_as_full_is_refused_to_no_client(page):
    refused = {call for result, calls in list_steps(page) for call in calls if result == UNSUPPORTED}
    assert [calls for calls, support in read_calls(page) if support == "full" and calls & refused] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_tried_clients_has_those_of_the_catalogue(page):
    rows = [line.split(" | ")[:2] for line in read_table(page).splitlines()[2:]]
    expected = [[f"| {client.name}", client.version or "-"] for client in CLIENTS if client.page == page]
    assert rows == expected


def test_a_cell_sums_up_and_what_was_not_run_is_told_and_counted():
    results = {
        "send": [PASSED, PASSED],
        "get": [PASSED, UNSUPPORTED],
        "list": [UNSUPPORTED],
        "batch": [FAILED, PARTIAL],
    }
    steps = [Step(kind=kind, call="c", result=each, detail="why") for kind, given in results.items() for each in given]
    outcomes = [Outcome(client=CLIENTS[0], steps=steps), Outcome(client=CLIENTS[1], missing="no registry")]
    assert outcomes[0].cells == {"send": PASSED, "get": PARTIAL, "list": UNSUPPORTED, "batch": FAILED}
    assert write_markdown(outcomes).splitlines()[0] == "| client | version | send | get | list | batch |"
    assert show_table(outcomes).splitlines()[2].split()[:3] == [CLIENTS[1].name, "-", "not"]
    told = show_summary(outcomes, [])
    assert f"{CLIENTS[0].name}: batch, c: why" in told
    assert f"NOT RUN: {CLIENTS[1].name}: no registry" in told
    assert "1 failed; 1 CLIENTS NOT RUN" in told
