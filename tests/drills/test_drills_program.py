"""Options and output of the drills' program."""

import json
import sys
from importlib import import_module

import pytest

from drills.__main__ import read_options
from drills.harness.catalogue import DRILLS, PARTS
from drills.harness.program import build_summary
from drills.harness.report import COLUMNS, DrillVerdict, build_head

VERDICT = DrillVerdict(
    drill="storm", accepted=200, lost=1, duplicates=2, window=3, recovery_s=4.5, details={"p99_ms": 9}
)
LINE = ("drill", "accepted", "lost", "duplicates", "window", "recovery_s", "pass")


@pytest.fixture
def parse(monkeypatch):
    def parse(*words: str):
        monkeypatch.setattr(sys, "argv", ["drills", *words])
        return read_options()

    return parse


def test_options_may_be_repeated(parse):
    options = parse("--only", "storm", "--only", "lanes", "--repeat", "3", "--json", "--without", "claim")
    assert (options.only, options.repeat, options.json) == (["storm", "lanes"], 3, True)
    assert options.without == ["claim"]


def test_a_soak_has_minutes(parse):
    assert parse("--soak", "2.5").soak == 2.5
    assert parse().soak is None


def test_without_options_all_drills_are_played_once(parse):
    options = parse()
    assert (options.only, options.repeat, options.json, options.without) == (None, 1, False, [])


@pytest.mark.parametrize("words", [["--only", "nothing"], ["--without", "nothing"], ["--repeat", "x"], ["storm"]])
def test_unknown_arguments_are_rejected(parse, words, capsys):
    with pytest.raises(SystemExit) as end:
        parse(*words)
    assert end.value.code == 2
    assert "usage: ./run drills" in capsys.readouterr().err


def test_a_json_line_has_the_promised_names_first():
    told = json.loads(VERDICT.as_json())
    assert tuple(told)[: len(LINE)] == LINE
    assert told == {
        "drill": "storm",
        "accepted": 200,
        "lost": 1,
        "duplicates": 2,
        "window": 3,
        "recovery_s": 4.5,
        "pass": True,
        "p99_ms": 9,
        "problems": [],
    }


def test_a_verdict_with_problems_has_failed_and_names_them():
    failed = DrillVerdict(drill="storm", problems=["1 lost: one@rcpt.test"])
    assert json.loads(failed.as_json())["pass"] is False
    row, problem = failed.as_row().splitlines()
    assert "FAILED" in row
    assert problem.strip() == "1 lost: one@rcpt.test"


def test_a_drill_that_could_not_run_is_neither_a_pass_nor_a_failure():
    skipped = DrillVerdict(drill="disk-full", details={"not_played": "only root mounts disks"})
    assert "skipped" in skipped.as_row()
    assert json.loads(skipped.as_json())["not_played"]
    summary = build_summary([VERDICT, skipped], 61.4)
    assert summary.startswith("all 2 drills passed; not run: disk-full; 61 s on ")


def test_the_summary_names_what_has_failed():
    failed = DrillVerdict(drill="storm", problems=["1 lost: one@rcpt.test"])
    assert build_summary([VERDICT, failed], 1.0).startswith("1 of 2 drills failed: storm; 1 s on ")


def test_a_row_is_aligned_below_its_header():
    head, row = build_head(), VERDICT.as_row()
    for name in COLUMNS[:6]:
        end = head.index(name) + len(name)
        value = str(getattr(VERDICT, name))
        assert value in (row[: len(value)], row[end - len(value) : end])
    assert row.endswith("p99_ms 9")


@pytest.mark.parametrize("place", [*DRILLS.values(), *PARTS.values()])
def test_every_name_leads_to_a_function_that_says_what_it_shows(place):
    module, _, function = place.partition(":")
    assert getattr(import_module(module), function).__doc__
