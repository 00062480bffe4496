"""Milliseconds for a claim beside a backlog of 10,000 and of 1,000,000 recipients that may or may not be claimed."""

from statistics import median

from bench.measure import Options
from bench.service import running_database

COUNTS = (10_000, 1_000_000)
ROUNDS = 15
MOST_TIMES = 1.5


def run(options: Options) -> None:
    with running_database(options):
        from bench import claim_rows  # the settings are complete only now

        backlog = claim_rows.Backlog()
        # By name: whether the backlog is parked, and the mail that may be claimed.
        cases = {
            "claimable": (False, backlog.scope()),
            "provider closed": (False, backlog.closed()),
            "recipient domain held": (False, backlog.held()),
            "parked": (True, backlog.scope()),
        }
        figures: dict[tuple[str, int], list[float]] = {}
        used: dict[str, str] = {}
        try:
            for count in COUNTS:
                for is_parked in (False, True):
                    backlog.fill(count, is_parked=is_parked)
                    for name, (is_of_parked, scope) in cases.items():
                        if is_of_parked is is_parked:
                            figures[name, count] = [backlog.time_claim(scope) for _ in range(ROUNDS)]
                            used[name] = ", ".join(backlog.explain(scope))
        finally:
            claim_rows.finish()
        for name in cases:
            few, many = (median(figures[name, count]) for count in COUNTS)
            mark = "" if many <= MOST_TIMES * few else "   SLOW"
            print(f"  {name:<24} {few:>6.1f} ms  {many:>6.1f} ms   ×{many / few:.2f}   {used[name]}{mark}")
