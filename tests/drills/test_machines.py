"""The player of the state machines: seeds, the end of its time, and what it tells of a failure."""

from types import SimpleNamespace

import pytest
from hypothesis.stateful import RuleBasedStateMachine, rule

from drills.scenarios.machines.playing import play_until


class Sound(RuleBasedStateMachine):
    @rule()
    def step(self) -> None:
        pass


class Broken(RuleBasedStateMachine):
    @rule()
    def break_down(self) -> None:
        raise AssertionError("it broke")


@pytest.fixture
def scene():
    return SimpleNamespace(problems=[])


def test_a_failure_is_told_with_its_seed_and_its_operations_and_ends_its_machine(scene):
    answers = iter([False, False, True])
    assert play_until(scene, {"broken": Broken, "sound": Sound}, 7, answers.__next__) == 3
    [problem] = scene.problems
    assert problem.startswith("broken, --seed 7: AssertionError: it broke")
    assert "state.break_down()" in problem


def test_each_machine_is_played_once_when_the_time_is_over_at_once(scene):
    assert play_until(scene, {"a": Sound, "b": Sound}, 1, lambda: True) == 2
    assert scene.problems == []
