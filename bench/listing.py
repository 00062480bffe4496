"""Milliseconds for a page of GET /emails among 100,000, by keyset, by offset and with each filter, and its indexes.

Another project has as many in the same tables. The peer is the common solution: OFFSET with a COUNT of all.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

from bench.measure import Options
from bench.service import running_database

COUNT = 100_000
ROUNDS = 15
LIMIT_MS = 50.0


def run(options: Options) -> None:
    with running_database(options):
        from bench import listing_rows  # the settings are complete only now

        listing = listing_rows.Listing(COUNT)
        middle = listing.middle()
        try:
            for name, query in build_queries(middle).items():
                figures = [time_call(partial(listing.ask, query)) for _ in range(ROUNDS)]
                used = ", ".join(listing.explain(query))
                mark = "" if median(figures) < LIMIT_MS else "   SLOW"
                print(f"  {name:<34} {median(figures):>6.1f} ms [{min(figures):.1f}-{max(figures):.1f}]   {used}{mark}")
        finally:
            listing_rows.finish()


def build_queries(middle: str, count: int = COUNT) -> dict[str, str]:
    """Each query by its name: with many, few and no matches."""
    return {
        "first page": "",
        "a hundred": "limit=100",
        "after, keyset in the middle": f"after={middle}",
        "before, keyset in the middle": f"before={middle}",
        "offset in the middle": f"offset={count // 2}",
        "status, most": "status=delivered",
        "status, few": "status=bounced",
        "status, none": "status=failed",
        "to, half of all": "to=popular@rcpt.test",
        "to, one": f"to=user{count}@rcpt.test",
        "to, none": "to=nobody@rcpt.test",
        "from_, most": "from_=shop@bench.test",
        "from_, few": "from_=rare@bench.test",
        "tag, a third": "tag=order",
        "tag, few": "tag=rare",
        "tag, none": "tag=nothing",
        "template_id": "template_id=order",
        "created_after, all": "created_after=2020-01-01T00:00:00Z",
        "created_before, none": "created_before=2020-01-01T00:00:00Z",
        "q, most": "q=order",
        "q, few": "q=rechnung",
        "q, none": "q=nothing",
        "all together": "status=delivered&to=popular@rcpt.test&from_=shop@bench.test&tag=order&q=order",
        "two that exclude each other": "to=popular@rcpt.test&q=nothing",
    }


def time_call(call: Callable[[], object]) -> float:
    """Milliseconds."""
    begun_at = perf_counter()
    call()
    return (perf_counter() - begun_at) * 1000
