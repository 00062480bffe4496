"""A reader pages through the feed while 8 processes write 100,000 events: missed and repeated events, and speed.

Writers commit batches of 20; one transaction in ten is delayed, one in twenty is rolled back. The peer is a reader that
uses only the serial number, as feeds often do: the events that it misses show the value of our cursor.
"""

from bench.measure import Options
from bench.service import running_database

COUNT = 100_000
WRITERS = 8


def run(options: Options) -> None:
    with running_database(options):
        from bench import feed_writing  # the settings are complete only now

        figures = feed_writing.race(COUNT, WRITERS)
        print(
            f"  {WRITERS} writers wrote {figures.written:,} events in {figures.seconds:.1f} s: {figures.rate:,.0f} /s"
        )
        print(f"  {'reader by':<22} {'seen':>9} {'missed':>9} {'twice':>9}")
        for name, reader in figures.readers.items():
            print(f"  {name:<22} {reader.seen:>9,} {figures.written - reader.distinct:>9,} {reader.twice:>9,}")
        print(
            f"  pages of ours: {figures.pages:,}, the last {figures.tail_seconds * 1000:.0f} ms after the last commit"
        )
