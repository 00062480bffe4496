"""Runs the drills one after the other on one stack, and reports each as soon as it has ended."""

import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from drills.harness.catalogue import DRILLS, PARTS
from drills.harness.ground import Ground
from drills.harness.report import DrillVerdict, build_head, describe_machine
from drills.harness.scaled import shorten
from drills.harness.scene import USUAL_LENGTH, Length, Scene, open_scene
from drills.harness.stack import NotUpError, Stack, running_stack
from drills.harness.watch import PATIENCE_SECONDS

BROKEN_SECONDS = 20.0


def run_drills(ground: Ground, options: Namespace) -> int:
    """Returns exit status 1 if a drill has failed."""
    names = [name for name in options.only or DRILLS for _ in range(options.repeat)]
    changes = [shorten, *(find_drill(PARTS[part]) for part in options.without)]
    # Without a part of the product, long waits are pointless.
    patience = BROKEN_SECONDS if options.without else PATIENCE_SECONDS
    verdicts: list[DrillVerdict] = []
    begun_at = time.monotonic()
    with running_stack(ground, changes, older_commit=options.from_commit) as stack:
        if not options.json:
            print(build_head(), flush=True)
        for name in names:
            drill, length = find_drill(DRILLS[name]), Length(options.minutes, options.seed)
            verdicts.append(play(stack, name, drill, patience, length))
            print(verdicts[-1].as_json() if options.json else verdicts[-1].as_row(), flush=True)
    print(build_summary(verdicts, time.monotonic() - begun_at), file=sys.stderr)
    failed = not all(verdict.is_passed for verdict in verdicts)
    return 1 if failed else 0


def run_soak(ground: Ground, options: Namespace) -> int:
    """Returns exit status 1 if a promise did not hold, or something grew."""
    soak = find_drill("drills.soak.play:soak")
    with running_stack(ground, [shorten]) as stack:
        verdict = play(stack, "soak", lambda scene: soak(scene, options.soak), PATIENCE_SECONDS)
        print(verdict.as_json() if options.json else f"{build_head()}\n{verdict.as_row()}", flush=True)
    print(f"{verdict.result} {describe_machine()}", file=sys.stderr)
    return 0 if verdict.is_passed else 1


def build_summary(verdicts: Sequence[DrillVerdict], seconds: float) -> str:
    """The last line: number and names of failed drills, time taken, and machine."""
    failed = [verdict.drill for verdict in verdicts if not verdict.is_passed]
    skipped = [verdict.drill for verdict in verdicts if verdict.result == "skipped"]
    words = [
        f"{len(failed)} of {len(verdicts)} drills failed: {', '.join(failed)}"
        if failed
        else f"all {len(verdicts)} drills passed",
        *([f"not run: {', '.join(skipped)}"] if skipped else []),
        f"{seconds:.0f} s {describe_machine()}",
    ]
    return "; ".join(words)


def find_drill(place: str) -> Callable[..., Any]:
    """`package.module:function`."""
    module, _, function = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def play(
    stack: Stack, name: str, drill: Callable[[Scene], None], patience: float, length: Length = USUAL_LENGTH
) -> DrillVerdict:
    """Set-up, fault, quiet, judgement: the drill performs the first three."""
    begun_at = time.monotonic()
    with open_scene(stack, name, patience) as scene:
        scene.length = length
        try:
            drill(scene)
        except NotUpError as error:
            scene.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of the drill's own: it has failed, the others are played
            traceback.print_exc()
            scene.problems.append(f"the drill broke off: {type(error).__name__}: {error}")
        verdict = scene.verdict()
    return replace(verdict, details={**verdict.details, "seconds": round(time.monotonic() - begun_at, 1)})
