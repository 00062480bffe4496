"""The table of states, and the rule that code names statuses only through it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from messages.states import (
    OPEN,
    ROLL_UP,
    TERMINAL,
    TRANSITIONS,
    WHEN_ALL_SUPPRESSED,
    WHEN_NONE_FITS,
    Status,
    roll_up,
)
from tests.architecture.sources import find_sources, parse, walk

NAMES = {str(status) for status in Status}
# Health checks, webhook deliveries, domains and providers have statuses of their own.
WITH_STATUSES = {"messages", "tracking", "inbox", "gateways"}
# `status = 'sent'`, `status IN ('sent', …)`, `status <> 'sent'` within a statement.
IN_SQL = re.compile(rf"\bstatus\s*(?:=|<>|!=|IN\s*\()\s*'(?:{'|'.join(NAMES)})'", re.IGNORECASE)


def test_every_status_has_its_row():
    assert TRANSITIONS.keys() == set(Status)


@pytest.mark.parametrize("status", Status)
def test_every_status_has_an_exit_or_is_the_end(status):
    assert bool(TRANSITIONS[status]) is (status not in TERMINAL)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.SCHEDULED}))
def test_every_status_but_the_first_can_be_reached(status):
    # A recipient is queued or suppressed from the start, too.
    assert status in {Status.QUEUED, *(exit_ for exits in TRANSITIONS.values() for exit_ in exits)}


@pytest.mark.parametrize("status", Status)
def test_every_status_leads_to_an_end(status):
    reached, rest = {status}, [status]
    while rest:
        found = TRANSITIONS[rest.pop()] - reached
        reached |= found
        rest += found
    assert reached & TERMINAL


def test_no_status_can_be_come_back_to_but_between_sent_and_delivering():
    for status in Status:
        for exit_ in TRANSITIONS[status]:
            is_back = status in TRANSITIONS[exit_]
            assert is_back is ({status, exit_} == {Status.SENT, Status.DELIVERING})


def test_work_is_only_left_where_there_is_an_exit():
    assert not OPEN & TERMINAL


def test_every_status_rolls_up_to_something():
    for status in Status:
        assert roll_up({status}) in {*ROLL_UP, WHEN_NONE_FITS}
    assert roll_up({Status.SUPPRESSED}) is WHEN_ALL_SUPPRESSED
    assert roll_up({Status.SUPPRESSED, Status.DELIVERED}) is Status.DELIVERED
    assert roll_up({Status.CANCELLED}) is WHEN_NONE_FITS


def find_literals(path: Path) -> Iterator[int]:
    """Lines where a status is compared with, passed or set as a string."""
    for node in walk(parse(path)):
        match node:
            case ast.Compare(left=left, comparators=others) if any(map(names_status, [left, *others])):
                values = [left, *others]
            case ast.keyword(arg=str(name), value=value) if name.partition("__")[0] == "status":
                values = [value]
            case ast.Assign(targets=targets, value=value) if any(map(names_status, targets)):
                values = [value]
            case ast.Constant(value=str(text)) if IN_SQL.search(text):
                yield node.lineno
                continue
            case _:
                continue
        yield from (value.lineno for value in values if is_literal(value))


def names_status(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute | ast.Name) and (getattr(node, "attr", None) or node.id) == "status"


def is_literal(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str(text)):
            return text in NAMES
        case ast.Set(elts=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            return any(map(is_literal, parts))
    return False


def test_no_status_is_named_by_a_literal_outside_its_module():
    ours = [path for path in find_sources() if path.parts[0] in WITH_STATUSES]
    found = {f"{path}:{line}" for path in ours if path != Path("messages/states.py") for line in find_literals(path)}
    assert found == set()
