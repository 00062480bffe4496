"""Events aggregated per second, the cost for writers, and a report from rollups compared with counting rows.

200,000 emails of 30 days with 600,000 events are aggregated again, as after an outage. Then two writers record events,
with and without the task that aggregates them every five seconds, round by round. Last, the report of 30 days by tag
is read from rollups, and counted from the rows.
"""

from statistics import median

from bench.measure import Options
from bench.service import running_database

COUNT = 200_000
ROUNDS = 3


def run(options: Options) -> None:
    with running_database(options):
        from bench import stats_rows  # the settings are complete only now

        history = stats_rows.History(COUNT)
        counted, seconds = history.fold()
        print(
            f"  counted {counted:,} events in {seconds:.1f} s: {counted / seconds:,.0f} /s,"
            f" {history.rollups():,} rollups"
        )
        figures: dict[str, list[float]] = {"alone": [], "during aggregation": []}
        for _ in range(ROUNDS):
            for name, values in figures.items():
                values.append(stats_rows.record_events(history.project.pk, is_counted=name != "alone"))
        for name, values in figures.items():
            print(f"  recorded {name:<18} {median(values):>7,.0f} events/s [{min(values):,.0f}-{max(values):,.0f}]")
        ratios = [beside / alone for alone, beside in zip(*figures.values(), strict=True)]
        print(f"  ratio {median(ratios):>31.2f} [{min(ratios):.2f}-{max(ratios):.2f}]")
        for name, call in (("from rollups", history.ask), ("counting rows", history.count)):
            values = [stats_rows.time_call(call) for _ in range(5)]
            print(f"  30 days by tag, {name:<14} {median(values):>7,.1f} ms [{min(values):,.1f}-{max(values):,.1f}]")
        stats_rows.finish()
