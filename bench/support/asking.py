"""A million messages, and the admin's pages of them. Django is set up on import."""

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from bench.listing_rows import Listing, finish, make_staff_client, name_of_scan, read_work  # noqa: E402

__all__ = ["Pages", "finish"]
# Small tables are read as a whole, which is right.
LARGE = ("mail_message", "mail_subject", "mail_recipient", "mail_content")


class Pages:
    """The list of `count` messages, as a member of staff opens it."""

    def __init__(self, count: int) -> None:
        self.count = count
        Listing(count, size=100, shares=1)
        self.ask = make_staff_client()

    def read_work(self) -> float:
        return read_work()

    def explain(self, path: str) -> list[str]:
        """The indexes that the page's statements use, and `Seq Scan` where a large table is read as a whole."""
        with CaptureQueriesContext(connection) as queries:
            self.ask(path)
        used: set[str] = set()
        with connection.cursor() as cursor:
            for query in queries:
                # A statement of the search itself, which holds for the ones after it.
                if query["sql"].startswith("SET LOCAL"):
                    cursor.execute(query["sql"].replace(" LOCAL", ""))
                if query["sql"].startswith("SELECT") and any(f'"{table}"' in query["sql"] for table in LARGE):
                    cursor.execute(f"EXPLAIN {query['sql']}")
                    used |= {name for (line,) in cursor.fetchall() if (name := find_scan(line))}
            cursor.execute("RESET ALL")
        return sorted(used)


def find_scan(line: str) -> str:
    if "Seq Scan" in line and not any(f" on {table}" in line for table in LARGE):
        return ""
    return name_of_scan(line)
