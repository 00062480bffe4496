"""Milliseconds for the admin's list of 1,000,000 messages, by filter and search, and the indexes that they read.

`work` is the processor's time of this process and of its server process, which other programs do not change. What is
wanted: each below 300 ms, and no table read as a whole. `--quick` takes 50,000 messages.
"""

from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bench.listing import time_call
from bench.measure import Options
from bench.service import running_database

if TYPE_CHECKING:
    from bench.support.asking import Pages

COUNT, QUICK_COUNT = 1_000_000, 50_000
ROUNDS = 5
LIMIT_MS = 300.0


def run(options: Options) -> bool:
    with running_database(options):
        from bench.support import asking  # the settings are complete only now

        pages = asking.Pages(QUICK_COUNT if options.is_quick else COUNT)
        try:
            slow = [name for name, query in build_searches(pages.count).items() if not print_page(pages, name, query)]
        finally:
            asking.finish()
    return options.is_check and bool(slow)


def build_searches(count: int) -> Mapping[str, Mapping[str, str]]:
    """The query strings of the list, by name: with many, few and no matches."""
    searches = {
        "to, half of all": "to:popular@rcpt.test",
        "to, one": f"to:user{count - 1}@rcpt.test",
        "to, an old one, a part": f"to:ser{count // 3 // 4 * 4 + 2}@rc",
        "to, none": "to:nobody@rcpt.test",
        "from, few": "from:rare@",
        "subject, all": "subject:order",
        "subject, few": "subject:rechnung",
        "subject, none": "subject:nothing",
        "subject, two characters": "subject:yo",
        "tag, few": "tag:rare",
        "tag, a third": "tag:order",
        "filename, none": "filename:invoice",
        "metadata, one": f"meta.order=a-{count // 2}",
        "metadata, a part": f"meta.order:{count // 2}",
        "status, few": "status:bounced",
        "reason, none": "reason:uncertain",
        "template": "template:order",
        "id": "id:01a2041b",
        "remote id, none": "remote-id:nothing",
        "free text, all": "order",
        "free text, one": f"user{count - 1}@rcpt.test",
        "free text, none": "xyzzy",
        "free text, a character that no index knows": "ж",
        "two that exclude each other": "to:popular@rcpt.test subject:nothing",
        "two of half, none of both": "from:rare@ to:popular subject:rechnung tag:rare",
        "all together": "to:popular from:shop subject:order tag:order status:delivered",
    }
    return {"no search": {}, "status by filter": {"status__exact": "bounced"}} | {
        name: {"q": text} for name, text in searches.items()
    }


def print_page(pages: "Pages", name: str, query: Mapping[str, str]) -> bool:
    """Print a line; returns whether the page is fast, and reads no table as a whole."""
    path = f"/admin/mail/message/?{urlencode(query)}"
    worked = pages.read_work()
    figures = [time_call(partial(pages.ask, path)) for _ in range(ROUNDS)]
    work = (pages.read_work() - worked) / ROUNDS * 1000
    used = pages.explain(path)
    is_good = median(figures) < LIMIT_MS and "Seq Scan" not in used
    mark = "" if is_good else "   SLOW"
    times = f"{median(figures):>6.1f} ms [{min(figures):.1f}-{max(figures):.1f}] of work {work:>5.0f}"
    print(f"  {name:<42} {times}   {', '.join(used)}{mark}", flush=True)
    return is_good
