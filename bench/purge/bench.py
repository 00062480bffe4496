"""Memory and processor time of the purge of 500,000 emails, and a neighbour's p95 meanwhile.

Bodies go first, then events, then the emails themselves, as beat removes them: in batches, each followed by a rest of
its own length. The neighbour asks for a page of its emails all the time, before and during the purge. The peer is one
DELETE of all.
"""

from bench.measure import Options
from bench.service import running_database

COUNT = 500_000
QUICK = 10_000


def run(options: Options) -> None:
    with running_database(options):
        from bench.purge import purged  # the settings are complete only now

        purged.compare(QUICK if options.is_quick else COUNT)
