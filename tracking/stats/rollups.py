"""Adds counters to the stored rollups. The caller holds the project's lock, so there is no other writer."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ledger.sql import as_rows, execute, fetch
from tracking.models import Rollup
from tracking.stats.counting import NAMES, CounterKey, Counters
from tracking.stats.histograms import Histogram

# The most values (tags, for example) of one dimension in one hour. Without a limit, a tag for each order would make a
# row for each email. Further values count under null.
MAX_VALUES = 500
# A mailing may go to a thousand domains in an hour, and few of them say something.
MAX_MAILBOX_PROVIDERS = 100
Dimension = Rollup.Dimension


class RollupKey(NamedTuple):
    """The key of a rollup."""

    dimension: str
    hour: datetime
    value: str | None


_COLUMNS = ", ".join(NAMES)
_TYPES = ", ".join(f"{name} int" for name in NAMES)
_SETS = ", ".join(f"{name} = EXCLUDED.{name}" for name in (*NAMES, "handoff", "delivery"))
_READ = f"""
SELECT r.dimension, r.starts_at, r.value, {", ".join(f"r.{name}" for name in NAMES)}, r.handoff, r.delivery
FROM unnest(%s::text[], %s::timestamptz[], %s::text[]) AS k(dimension, starts_at, value)
JOIN tracking_rollup r ON r.project_id = %s AND r.dimension = k.dimension AND r.starts_at = k.starts_at
    AND r.value IS NOT DISTINCT FROM k.value
"""  # noqa: S608 - built from constants of this package
_WRITE = f"""
INSERT INTO tracking_rollup (project_id, dimension, starts_at, value, {_COLUMNS}, handoff, delivery)
SELECT %s, v.* FROM jsonb_to_recordset(%s::jsonb) AS v(
    dimension text, starts_at timestamptz, value text, {_TYPES}, handoff jsonb, delivery jsonb)
ON CONFLICT (project_id, dimension, starts_at, value) DO UPDATE SET {_SETS}
"""  # noqa: S608
_COUNT = """
SELECT dimension, starts_at, count(*) FROM tracking_rollup
WHERE project_id = %s AND starts_at = ANY(%s) AND value IS NOT NULL GROUP BY dimension, starts_at
"""


def add_to_rollups(project_id: UUID, counters_by_key: Mapping[CounterKey, Counters]) -> None:
    """Add counters to the stored rollups, in the caller's transaction."""
    added = spread(counters_by_key)
    kept = read_rollups(project_id, list(added))
    merged = merge(added, kept, count_values(project_id, {key.hour for key in added if key not in kept}))
    # Values beyond the limit went to null keys, which may be stored and were not read above.
    others = {key for key in merged if key.value is None}
    for key, counters in read_rollups(project_id, list(others)).items():
        merged[key].merge(counters)
    write_rollups(project_id, merged)


def spread(counters_by_key: Mapping[CounterKey, Counters]) -> dict[RollupKey, Counters]:
    """Sum counters by rollup, in the order of the keys' first use. Each counter key belongs to several rollups."""
    added: dict[RollupKey, Counters] = defaultdict(Counters)
    for counter_key, counters in counters_by_key.items():
        for key in list_keys(counter_key):
            added[key].merge(counters)
    return dict(added)


def list_keys(counter_key: CounterKey) -> Iterator[RollupKey]:
    yield RollupKey(Dimension.ALL, counter_key.hour, "")
    yield RollupKey(Dimension.DOMAIN, counter_key.hour, counter_key.domain)
    if counter_key.template:
        yield RollupKey(Dimension.TEMPLATE, counter_key.hour, counter_key.template)
    if counter_key.provider:
        yield RollupKey(Dimension.PROVIDER, counter_key.hour, counter_key.provider)
    yield RollupKey(Dimension.STREAM, counter_key.hour, counter_key.stream)
    if counter_key.mailbox_provider:
        yield RollupKey(Dimension.MAILBOX_PROVIDER, counter_key.hour, counter_key.mailbox_provider)
    for tag in counter_key.tags:
        yield RollupKey(Dimension.TAG, counter_key.hour, tag)


def merge(
    added: Mapping[RollupKey, Counters], kept: Mapping[RollupKey, Counters], counts: Counter[tuple[str, datetime]]
) -> dict[RollupKey, Counters]:
    """Add new and stored rollups. The first values of an hour get the free places, whatever the batch size."""
    merged: dict[RollupKey, Counters] = {}
    for key, counters in added.items():
        if key in kept:
            counters.merge(kept[key])
        elif counts[key.dimension, key.hour] < find_limit(key.dimension):
            counts[key.dimension, key.hour] += 1
        else:
            key = key._replace(value=None)
        if key in merged:
            merged[key].merge(counters)
        else:
            merged[key] = counters
    return merged


def find_limit(dimension: str) -> int:
    """The most values of a dimension in one hour."""
    return MAX_MAILBOX_PROVIDERS if dimension == Dimension.MAILBOX_PROVIDER else MAX_VALUES


def read_rollups(project_id: UUID, keys: Sequence[RollupKey]) -> dict[RollupKey, Counters]:
    """Read the stored rollups among `keys`."""
    if not keys:
        return {}
    dimensions, hours, values = zip(*keys, strict=True)
    rows = fetch(_READ, [list(dimensions), list(hours), list(values), project_id])
    return {
        RollupKey(dimension, hour, value): Counters(counts, read_histogram(handoff), read_histogram(delivery))
        for dimension, hour, value, *counts, handoff, delivery in rows
    }


def read_histogram(stored: str) -> Histogram:
    """Parse a histogram's column, which is JSON."""
    return Histogram({int(slot): count for slot, count in json.loads(stored).items()})


def count_values(project_id: UUID, hours: set[datetime]) -> Counter[tuple[str, datetime]]:
    """The number of values of each dimension in these hours."""
    rows = fetch(_COUNT, [project_id, list(hours)]) if hours else []
    return Counter({(dimension, hour): count for dimension, hour, count in rows})


def write_rollups(project_id: UUID, rollups: Mapping[RollupKey, Counters]) -> None:
    """Insert rollups, or replace the stored ones."""
    rows = (
        {
            "dimension": key.dimension,
            "starts_at": key.hour.isoformat(),
            "value": key.value,
            **dict(zip(NAMES, counters.counts, strict=True)),
            "handoff": counters.handoff,
            "delivery": counters.delivery,
        }
        for key, counters in rollups.items()
    )
    execute(_WRITE, [project_id, as_rows(rows)])
