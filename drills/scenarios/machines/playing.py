"""Plays the state machines for a while: operations in any order, several workers, and promises checked after each.

Each batch has a seed, which is told when it fails: the same seed plays the same operations again.
"""

import random
import time
from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from drills.harness.scene import Scene
from drills.scenarios.machines.counting import steps
from drills.scenarios.machines.keys import build_key_machine
from drills.scenarios.machines.ledger import LedgerMachine
from drills.scenarios.machines.posts import PostMachine

# Of all machines together, in the set of drills; `--minutes` says otherwise.
USUAL_MINUTES = 1.0
EXAMPLES = 2
STEPS = 40
MAX_SEED = 2**32

PLAY = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    # Without a search for the shortest operations that fail, which would take minutes on a database.
    phases=[Phase.generate],
)
Machine = Callable[[], RuleBasedStateMachine]


def machines(scene: Scene) -> None:
    """The machines take turns until the time is over; the first failure of each ends its part."""
    scene.expect_statuses({})
    steps.clear()
    found: dict[str, type[RuleBasedStateMachine]] = {
        "ledger": LedgerMachine,
        "keys": build_key_machine(scene),
        "posts": PostMachine,
    }
    begun_at = time.monotonic()
    until = begun_at + 60 * (scene.length.minutes or USUAL_MINUTES)
    first = random.randrange(MAX_SEED) if scene.length.seed is None else scene.length.seed
    played = play_until(scene, found, first, lambda: time.monotonic() >= until)
    scene.details |= {"first_seed": first, "batches": played, "steps": dict(steps)}


def play_until(
    scene: Scene, found: Mapping[str, type[RuleBasedStateMachine]], first: int, is_over: Callable[[], bool]
) -> int:
    """Play a batch of each machine with the next seed, each at least once. Returns the number of batches."""
    left, number, played = dict(found), first, 0
    while left and (number == first or not is_over()):
        for name, machine in list(left.items()):
            if number > first and is_over():
                break
            if problem := play_batch(machine, number):
                scene.problems.append(f"{name}, --seed {number}: {problem}")
                del left[name]
            played += 1
        number += 1
    return played


def play_batch(machine: type[RuleBasedStateMachine], number: int) -> str:
    """Some runs of a machine; empty, or what failed with the operations that lead there."""
    seeded = seed(number)(type(machine.__name__, (machine,), {}))
    try:
        run_state_machine_as_test(seeded, settings=PLAY)
    except Exception as error:  # noqa: BLE001 - whatever an operation raises is the finding
        return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    return ""
