"""Adds counters to the stored rollups. The caller holds the project's lock, so there is no other writer."""

import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from ledger.sql import as_rows, execute, fetch
from tracking.models import Rollup
from tracking.stats.counting import NAMES, CounterKey, Counters
from tracking.stats.histograms import Histogram, merge_histograms

# The most values (tags, for example) of one dimension in one hour. Without a limit, a tag for each order would make a
# row for each email. Further values count under null.
MAX_VALUES = 500
# A mailing may go to a thousand domains in an hour, and few of them say something.
MAX_MAILBOX_PROVIDERS = 100
# Stands before the dimension of a rollup that is of a whole day: docs/decisions/0251.
DAYS = "day:"
Dimension = Rollup.Dimension


class RollupKey(NamedTuple):
    """The key of a rollup. `hour` is its begin, also of a day."""

    dimension: str
    hour: datetime
    value: str | None


# The columns of `read_counters` for several rollups together.
SUMS = f"""
{", ".join(f"sum({name})::bigint" for name in NAMES)},
string_agg(handoff::text, ',') FILTER (WHERE handoff <> '{{}}'),
string_agg(delivery::text, ',') FILTER (WHERE delivery <> '{{}}')
"""
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
_COUNT = f"""
SELECT dimension, starts_at, count(*) FROM tracking_rollup
WHERE project_id = %s AND starts_at = ANY(%s) AND value IS NOT NULL AND NOT starts_with(dimension, '{DAYS}')
GROUP BY dimension, starts_at
"""  # noqa: S608


def add_to_rollups(project_id: UUID, counters_by_key: Mapping[CounterKey, Counters], days_since: datetime) -> None:
    """Add counters to the stored rollups of hours, and to those of days from `days_since` on, in the caller's
    transaction.
    """
    spread_out = spread(counters_by_key)
    kept = read_rollups(project_id, list(spread_out))
    hours = {key.hour for key in spread_out if key not in kept}
    added = limit_values(spread_out, kept, count_values(project_id, hours))
    added |= sum_days(added, days_since)
    # What became null beyond the limit, and the days.
    kept |= read_rollups(project_id, [key for key in added if key not in spread_out])
    for key in added.keys() & kept.keys():
        added[key].merge(kept[key])
    write_rollups(project_id, added)


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


def limit_values(
    added: Mapping[RollupKey, Counters], kept: Container[RollupKey], counts: Counter[tuple[str, datetime]]
) -> dict[RollupKey, Counters]:
    """Sum up under null what has no place. The first values of an hour get the free ones, whatever the batch size."""
    limited: dict[RollupKey, Counters] = {}
    for key, counters in added.items():
        if key not in kept:
            if counts[key.dimension, key.hour] < find_limit(key.dimension):
                counts[key.dimension, key.hour] += 1
            else:
                key = key._replace(value=None)
        if key in limited:
            limited[key].merge(counters)
        else:
            limited[key] = counters
    return limited


def sum_days(added: Mapping[RollupKey, Counters], since: datetime) -> dict[RollupKey, Counters]:
    """The counters of hours by day, without days before `since`."""
    days: dict[RollupKey, Counters] = defaultdict(Counters)
    for key, counters in added.items():
        if key.hour >= since:
            days[RollupKey(name_days(key.dimension), floor_day(key.hour), key.value)].merge(counters)
    return dict(days)


def name_days(dimension: str) -> str:
    """The dimension of the rollups of whole days."""
    return f"{DAYS}{dimension}"


def floor_day(at: datetime) -> datetime:
    """The begin of the day, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


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


def read_counters(columns: Sequence[object]) -> Counters:
    """Build counters from a row of `SUMS`."""
    counts, histograms = columns[: len(NAMES)], columns[len(NAMES) :]
    counters = Counters(list(counts))  # type: ignore[arg-type]
    counters.handoff, counters.delivery = (merge_histograms(str(parts or "")) for parts in histograms)
    return counters


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
