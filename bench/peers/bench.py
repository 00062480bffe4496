"""Ours and the peers, interleaved round by round in one run: sending, accepting, claims, lists, memory, starts."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from bench.measure import Options
from bench.peers.figures import OURS, Board, describe_row, draw_row
from bench.peers.ground import Ground, open_ground
from bench.peers.machine import describe_machine
from bench.peers.plan import Plan, build_plan
from bench.peers.rows import accept, queue, scale, whole
from bench.peers.wanted import ROWS, Judgement, judge

Side = queue.SendingSides | accept.Doors


def run(options: Options) -> bool:
    """Measure, print and judge; whether `--check` was given and something is missed."""
    if unknown := set(options.only) - set(ROWS):
        raise SystemExit(f"no such row: {', '.join(sorted(unknown))}. There are: {', '.join(ROWS)}")
    board = Board([row for row in ROWS if not options.only or row in options.only])
    begun_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="emailsvc-peers-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Servers as root run under another account, which must reach the folders of its own.
        folder.chmod(0o755)
        cache = (options.data or folder) / "peers"
        cache.mkdir(parents=True, exist_ok=True)
        plan = build_plan(is_quick=options.is_quick, rounds=options.rounds, cache=cache)
        measure_all(board, plan, folder)
    judged = judge(board.rows)
    for row in board.rows.values():
        print("\n".join(draw_row(row)), flush=True)
    print_judged(judged if options.is_check else [each for each in judged if each.row in board.rows])
    print(f"  {time.monotonic() - begun_at:.0f} s in all", flush=True)
    if options.json:
        options.json.write_text(json.dumps(describe_run(board, judged, plan), indent=1) + "\n")
    return options.is_check and not all(each.is_met for each in judged)


def measure_all(board: Board, plan: Plan, folder: Path) -> None:
    """Each part has servers of its own, so that none leaves its rows to the next."""
    parts: dict[str, tuple[Iterable[str], Callable[[Path], None]]] = {
        "rounds": ((*queue.ROWS, *accept.ROWS), lambda place: measure_rounds(board, plan, place)),
        "scale": (scale.ROWS, lambda place: scale.measure(board, plan, place)),
        "whole": (whole.ROWS, lambda place: whole.measure(board, plan, place)),
    }
    for name, (rows, measure) in parts.items():
        if not set(rows) & set(board.rows):
            continue
        place = folder / name
        place.mkdir()
        say(f"{name}: {', '.join(row for row in rows if row in board.rows)}")
        try:
            measure(place)
        except Exception as error:  # noqa: BLE001 - one part's failure is told with its rows, and the others go on
            for row in rows:
                board.skip(row, OURS, f"{type(error).__name__}: {error}")


def measure_rounds(board: Board, plan: Plan, place: Path) -> None:
    with open_ground(place) as ground, ExitStack() as stack:
        sides = [stack.enter_context(side) for side in open_sides(ground, board, plan)]
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            for side in sides:
                side.round()


def open_sides(ground: Ground, board: Board, plan: Plan) -> Iterator[AbstractContextManager[Side]]:
    if set(queue.ROWS) & set(board.rows):
        yield queue.open_stage(ground, board, plan)
    if set(accept.ROWS) & set(board.rows):
        yield accept.open_doors(ground, board, plan)


def print_judged(judged: Iterable[Judgement]) -> None:
    print("wanted")
    for each in judged:
        found = "not measured" if each.found is None else f"{each.found:,.2f}"
        print(f"  {'met   ' if each.is_met else 'MISSED'} {each.row:<18} {found:>12}   {each.wanted}")


def describe_run(board: Board, judged: Iterable[Judgement], plan: Plan) -> dict[str, object]:
    """The run as JSON; docs/benchmarks.md names the keys."""
    return {
        "machine": describe_machine(),
        "rounds": plan.rounds,
        "rows": {name: describe_row(row) for name, row in board.rows.items()},
        "wanted": [
            {"row": each.row, "wanted": each.wanted, "found": each.found, "is_met": each.is_met} for each in judged
        ],
    }


def say(text: str) -> None:
    print(f"  … {text}", flush=True)
