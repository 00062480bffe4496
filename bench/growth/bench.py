"""Ten million events of a year: partitioned by month as they are, compared with one table of the same rows.

Both have the same indexes. The rows lie in the coming twelve months, each month of the same size. Then one month is
dropped, and deleted in batches in the other table. Last, a table of the first release is partitioned with its rows:
the time of that is the stop of an upgrade. `--quick` takes 200,000.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import median

from bench.measure import Options
from bench.service import running_database

COUNT, QUICK_COUNT = 10_000_000, 200_000
CALLS = 15


def run(options: Options) -> None:
    with running_database(options):
        from bench.growth import history  # the settings are complete only now

        count = QUICK_COUNT if options.is_quick else COUNT
        figures: dict[str, dict[str, list[float]]] = {}
        with history.history(count) as events:
            for name, ask in history.QUESTIONS.items():
                figures[name] = interleave(partial(ask, events), history.SIDES)
                tell(name, figures[name], "ms")
            figures["remove a month"] = {side: [events.remove_month(side)] for side in history.SIDES}
            tell("remove a month", figures["remove a month"], "ms")
            figures["stop of the upgrade"] = {name: [events.partition(name)] for name in history.UPGRADED}
            tell("stop of the upgrade", figures["stop of the upgrade"], "ms")
        if options.json:
            options.json.write_text(json.dumps({"rows": count, "ms": figures}, indent=1) + "\n")


def interleave(ask: Callable[[str], float], sides: Iterable[str]) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(CALLS):
        for side, values in figures.items():
            values.append(ask(side))
    return figures


def tell(name: str, figures: Mapping[str, Sequence[float]], unit: str) -> None:
    for side, values in figures.items():
        print(
            f"  {name:<28} {side:<16} {median(values):>10,.2f} {unit} [{min(values):,.2f}-{max(values):,.2f}]",
            flush=True,
        )
