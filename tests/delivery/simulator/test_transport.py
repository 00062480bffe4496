from uuid import uuid4

import pytest

from delivery.envelope import Delivery, Outcome, Stage
from delivery.simulator.scenes import SCENES
from delivery.simulator.transport import SimulatorTransport, choose_scene


def to(address: str, attempt_number: int = 1) -> Delivery:
    return Delivery(
        recipient_id=uuid4(),
        message_id=uuid4(),
        return_path="",
        address=address,
        content=b"",
        attempt_number=attempt_number,
    )


def transmit(delivery: Delivery, *, is_granted: bool = True):
    asked = []

    def before_dot(ids):
        asked.extend(ids)
        return ids if is_granted else ()

    replies = list(SimulatorTransport(sleep=lambda _seconds: None).transmit([delivery], before_dot))
    assert [recipient_id for recipient_id, _ in replies] in ([delivery.recipient_id], [])
    return replies[0][1] if replies else None, asked


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("delivered", Outcome.DELIVERED),
        ("sent", Outcome.ACCEPTED),
        ("accepted", Outcome.ACCEPTED),
        ("bounced", Outcome.BOUNCED),
        ("softbounce", Outcome.BOUNCED),
        ("blocked", Outcome.BOUNCED),
        ("full", Outcome.DEFERRED),
        ("deferred", Outcome.DEFERRED),
        ("alwaysdeferred", Outcome.DEFERRED),
        ("timeout", Outcome.DEFERRED),
        ("failed", Outcome.FAILED),
        ("uncertain", Outcome.UNCERTAIN),
        ("slow", Outcome.DELIVERED),
        ("somebody", Outcome.DELIVERED),
    ],
)
def test_the_local_part_names_the_outcome(name, outcome):
    reply, _ = transmit(to(f"{name}@simulator.test"))
    assert reply.outcome is outcome
    assert reply.text.startswith("simulated")
    assert reply.remote_host == "simulator.test"


@pytest.mark.parametrize("name", ["deferred", "uncertain"])
def test_a_second_attempt_is_delivered_after(name):
    reply, _ = transmit(to(f"{name}@simulator.test", attempt_number=2))
    assert reply.outcome is Outcome.DELIVERED


def test_some_defer_for_ever():
    assert transmit(to("alwaysdeferred@simulator.test", attempt_number=9))[0].outcome is Outcome.DEFERRED


def test_only_a_hard_bounce_asks_for_suppression():
    suppressing = [name for name in SCENES if transmit(to(f"{name}@simulator.test"))[0].should_suppress]
    assert suppressing == ["bounced", "bounce"]


def test_no_scene_harms_the_provider():
    replies = [transmit(to(f"{name}@simulator.test"))[0] for name in SCENES]
    assert not any(reply.should_pause or reply.should_slow for reply in replies)


@pytest.mark.parametrize("address", ["bounced@example.com", "bounced@sub.simulator.test", "anyone@example.com"])
def test_any_other_domain_is_delivered_and_said_to_be_simulated(address):
    reply, asked = transmit(to(address))
    assert reply.outcome is Outcome.DELIVERED
    assert reply.text == "simulated: delivered"
    assert len(asked) == 1


@pytest.mark.parametrize("address", ["Bounced@Simulator.TEST", "bounced+order-7@simulator.test"])
def test_case_and_what_follows_a_plus_do_not_matter(address):
    assert transmit(to(address))[0].outcome is Outcome.BOUNCED


def test_nothing_happens_without_the_grant():
    for name in ("delivered", "uncertain", "failed"):
        assert transmit(to(f"{name}@simulator.test"), is_granted=False)[0] is None


def test_a_refusal_at_rcpt_asks_for_no_dot():
    assert choose_scene("bounced@simulator.test", 1).stage is Stage.RCPT
    assert transmit(to("bounced@simulator.test"))[1] == []


def test_a_timeout_never_reached_the_provider_and_an_uncertain_one_did():
    assert transmit(to("timeout@simulator.test"))[0].has_reached is False
    assert transmit(to("uncertain@simulator.test"))[0].has_reached is True


@pytest.mark.parametrize(
    ("local_part", "outcome"),
    [
        ("421", Outcome.DEFERRED),
        ("454-4.7.0", Outcome.DEFERRED),
        ("535-5.7.8", Outcome.BOUNCED),
        ("530", Outcome.BOUNCED),
    ],
)
def test_codes_that_would_slow_or_pause_a_provider_leave_the_simulator_alone(local_part, outcome):
    reply, _ = transmit(to(f"{local_part}@simulator.test"))
    assert reply.outcome is outcome
    assert (reply.should_pause, reply.should_slow) == (False, False)


def test_a_scenario_that_cannot_be_read_does_not_pass_for_delivered():
    reply, _ = transmit(to("bounced.aftr.5s@simulator.test"))
    assert reply.outcome is Outcome.FAILED
    assert "scenario is invalid" in reply.text
