"""The purge of one project's emails, beside another project that lists its own. Django is set up on import."""

import resource
import threading
import time
from datetime import timedelta
from statistics import quantiles
from time import monotonic, perf_counter, process_time

from django.db import connection, transaction

from bench import listing_rows
from ledger.clock import database_time
from ledger.sql import execute, fetch_value
from messages.lifetimes.kinds import KINDS
from messages.lifetimes.purging import REST

PURGED = ("bodies", "events", "messages")
# The first pages are read from the disk.
WARM_SECONDS = 10.0
ALONE_SECONDS = 5.0


class Neighbour(threading.Thread):
    """Asks for a page of its emails, again and again; `times` are the seconds of each answer with their moments."""

    def __init__(self, listing: listing_rows.Listing) -> None:
        super().__init__(daemon=True)
        self._listing = listing
        self._is_over = threading.Event()
        self.times: list[tuple[float, float]] = []

    def run(self) -> None:
        while not self._is_over.wait(0.02):
            begun_at = perf_counter()
            self._listing.ask("")
            self.times.append((monotonic(), perf_counter() - begun_at))
        connection.close()

    def stop(self) -> None:
        self._is_over.set()
        self.join()

    def p95_between(self, begin: float, end: float) -> float:
        """Milliseconds."""
        found = [seconds for at, seconds in self.times if begin <= at < end]
        return 1000 * quantiles(found, n=20)[-1] if len(found) > 1 else float("nan")


def compare(count: int) -> None:
    listing = listing_rows.Listing(count)
    # It lists the project that keeps its emails.
    neighbour = Neighbour(listing)
    theirs = fetch_value("SELECT id FROM accounts_project WHERE name = 'neighbour'")
    execute("ANALYZE")
    neighbour.start()
    time.sleep(WARM_SECONDS)
    begun_at = monotonic()
    time.sleep(ALONE_SECONDS)
    alone = neighbour.p95_between(begun_at, monotonic())
    print(f"  {'alone':<12} neighbour's p95 {alone:>6.1f} ms")
    before = database_time() + timedelta(days=1)
    for kind in PURGED:
        begun_at, used, most = monotonic(), process_time(), find_memory()
        removed = 0
        batches = KINDS[kind].remove(theirs, before)
        while True:
            batch_at = monotonic()
            done = next(batches, None)
            if done is None:
                break
            removed += done
            time.sleep(REST * (monotonic() - batch_at))
        seconds = monotonic() - begun_at
        print(
            f"  {kind:<12} neighbour's p95 {neighbour.p95_between(begun_at, monotonic()):>6.1f} ms"
            f"   {removed:>8} rows   {seconds:>6.1f} s with rests   memory +{find_memory() - most:.1f} MB"
            f"   {1000 * (process_time() - used) / max(removed, 1):.3f} ms of Python for each"
        )
    delete_at_once(listing, neighbour)
    neighbour.stop()
    listing_rows.finish()


def delete_at_once(listing: listing_rows.Listing, neighbour: Neighbour) -> None:
    """The peer: the bodies of the other half by one statement, rolled back."""
    begun_at = monotonic()
    with transaction.atomic():
        count = execute(
            "UPDATE mail_content SET html = '', text = '', bodies_purged_at = now() WHERE message_id IN"
            " (SELECT id FROM mail_message WHERE project_id = %s)",
            [listing.project.pk],
        )
        transaction.set_rollback(True)
    p95 = neighbour.p95_between(begun_at, monotonic())
    print(f"  {'one UPDATE':<12} neighbour's p95 {p95:>6.1f} ms   {count:>8} bodies   {monotonic() - begun_at:>6.1f} s")


def find_memory() -> float:
    """The most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
