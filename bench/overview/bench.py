"""Milliseconds of the admin's overview with a million messages, of all projects and of one, by each choice.

A tenth of the mail waits in the queue. The statements of a page are explained, and each table that is read whole is
named. `work` is the processor's time of this process and of PostgreSQL's process for it. `--quick` takes 50,000
messages.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter, process_time

from bench.measure import Options
from bench.service import running_database

COUNT, QUICK_COUNT = 1_000_000, 50_000
ROUNDS = 5
WANTED_MS = 300.0


def run(options: Options) -> int:
    with running_database(options):
        from bench.overview import rows  # the settings are complete only now

        mail = rows.OverviewPages(QUICK_COUNT if options.is_quick else COUNT)
        is_slow = False
        for name, path in mail.list_pages().items():
            mail.get(path)
            worked = mail.read_work()
            figures = [time_call(partial(mail.get, path)) for _ in range(ROUNDS)]
            work = (mail.read_work() - worked) / ROUNDS * 1000
            elapsed, used = (sorted(each) for each in zip(*figures, strict=True))
            whole = ", ".join(sorted(mail.explain(path))) or "none"
            print(
                f"  {name:<52} {median(elapsed):>6.0f} ms [{elapsed[0]:.0f}-{elapsed[-1]:.0f}], of Python"
                f" {median(used):>4.0f} ms, of work {work:>4.0f} ms; tables read whole: {whole}",
                flush=True,
            )
            is_slow |= median(elapsed) > WANTED_MS
        rows.finish()
    return int(options.is_check and is_slow)


def time_call(call: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds on the clock, and of this process's CPU."""
    begun_at, used = perf_counter(), process_time()
    call()
    return (perf_counter() - begun_at) * 1000, (process_time() - used) * 1000
