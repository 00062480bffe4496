"""Parsing of scenarios in addresses at simulator.test."""

from datetime import timedelta
from pathlib import Path

import pytest

from delivery.envelope import Outcome
from delivery.simulator.scenes import LATER, SCENES, SYNONYMS
from delivery.simulator.script import ScenarioError, choose_step, read_script

PAGE = Path(__file__).parents[3] / "docs/simulator.md"


def outcomes(local_part: str, count: int = 4) -> list[str]:
    script = read_script(f"{local_part}@simulator.test")
    assert script
    return [choose_step(script, number).scene.outcome.value for number in range(1, count + 1)]


def later(local_part: str, attempt_number: int = 1) -> list[tuple[str, float]]:
    script = read_script(f"{local_part}@simulator.test")
    assert script
    return [(one.kind, one.after.total_seconds()) for one in choose_step(script, attempt_number).later]


@pytest.mark.parametrize(
    ("local_part", "expected"),
    [
        ("greylist.2x.then.deliver", ["deferred", "deferred", "delivered", "delivered"]),
        ("greylist.2x", ["deferred", "deferred", "delivered", "delivered"]),
        ("greylist.2x.then.550-5.1.1", ["deferred", "deferred", "bounced", "bounced"]),
        ("greylist", ["deferred", "delivered", "delivered", "delivered"]),
        ("451-4.3.0", ["deferred"] * 4),
        ("451.3x", ["deferred", "deferred", "deferred", "delivered"]),
        ("timeout", ["deferred"] * 4),
        ("timeout.then.sent", ["deferred", "accepted", "accepted", "accepted"]),
        ("timeout.uncertain.2x.bounced", ["deferred", "uncertain", "uncertain", "bounced"]),
        ("250", ["delivered"] * 4),
    ],
)
def test_steps_are_played_one_after_the_other_and_the_last_one_again(local_part: str, expected: list[str]) -> None:
    assert outcomes(local_part) == expected


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("550-5.1.1", Outcome.BOUNCED),
        ("550", Outcome.BOUNCED),
        ("552-5.2.2", Outcome.DEFERRED),
        ("554-5.6.0", Outcome.FAILED),
        ("421", Outcome.DEFERRED),
        ("535-5.7.8", Outcome.BOUNCED),
        ("550-4.7.1", Outcome.DEFERRED),
    ],
)
def test_a_simulated_code_has_the_meaning_of_a_real_one(code: str, outcome: Outcome) -> None:
    assert outcomes(code, 1) == [outcome]


def test_later_events_count_in_the_step_that_accepted_the_mail() -> None:
    assert later("complaint.after.5s") == [("complained", 5.0)]
    assert later("open.after.500ms.then.click.after.2m") == [("opened", 0.5), ("clicked", 120.0)]
    assert later("sent.delivered.after.2s.bounce.after.1h") == [("delivered", 2.0), ("bounced", 3600.0)]
    assert later("uncertain.delivered.after.2s") == [("delivered", 2.0)]
    assert later("uncertain.delivered.after.2s", 2) == []
    for local_part in ("greylist.2x.then.deliver.open.after.2s", "greylist.2x.open.after.2s"):
        assert [later(local_part, number) for number in (1, 2, 3)] == [[], [], [("opened", 2.0)]]


def test_without_a_time_it_happens_at_once() -> None:
    assert later("complaint") == [("complained", 0.0)]
    assert later("opened") == [("opened", 0.0)]


@pytest.mark.parametrize(
    ("code", "kind"), [("550-5.2.1", "bounced"), ("451-4.4.1", "delayed"), ("250-2.1.5", "delivered")]
)
def test_a_code_may_come_later_too(code: str, kind: str) -> None:
    script = read_script(f"sent.{code}.after.3s@simulator.test")
    assert script
    (one,) = script[0].later
    assert (one.kind, f"{one.code}-{one.enhanced_code}", one.after) == (kind, code, timedelta(seconds=3))


@pytest.mark.parametrize(
    ("local_part", "told"),
    [
        ("bounced.aftr.5s", "does not know aftr"),
        ("bouncd.after.5s", "does not know bouncd"),
        ("greylist.2.then.deliver", "cannot parse 2.then.deliver"),
        ("bounced.then.deliver", "no step can follow"),
        ("delivered.2x", "no step can follow"),
        ("bounced.open.after.2s", "no step can follow"),
        ("greylist.0x", "1 to 50"),
        ("greylist.51x", "1 to 50"),
        ("open.2x", "cannot be repeated"),
        ("greylist.after.2s", "cannot happen later"),
        ("complaint.after.15d", "14 days"),
        ("550-5.1", "cannot parse"),
        ("650.then.deliver", "cannot parse"),
        ("then", "does not know then"),
    ],
)
def test_what_looks_like_a_scenario_and_is_none_is_refused(local_part: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        read_script(f"{local_part}@simulator.test")


@pytest.mark.parametrize(
    "address", ["john.smith@simulator.test", "a1@simulator.test", "123@simulator.test", "bounced@example.com"]
)
def test_peoples_names_and_other_domains_are_no_scenario(address: str) -> None:
    assert read_script(address) is None


def test_case_and_what_follows_a_plus_do_not_matter() -> None:
    assert read_script("Greylist.2X+order-7@Simulator.TEST") == read_script("greylist.2x@simulator.test")


def test_every_word_is_explained_to_callers() -> None:
    page = PAGE.read_text()
    missing = [word for word in (*SCENES, *LATER, *SYNONYMS) if f"`{word}" not in page]
    assert missing == []
