"""Adding tallies to rollups. The caller holds the project's lock, so that nobody else writes them meanwhile."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ledger.sql import as_rows, execute, fetch
from tracking.models import Rollup
from tracking.stats.counting import NAMES, Cell, Tally
from tracking.stats.histograms import Histogram

# Values of one dimension in one hour, such as tags. A tag for each order would else make a row for each email; what
# comes when the room is used up counts under null.
MAX_VALUES = 500
Dimension = Rollup.Dimension


class Key(NamedTuple):
    """What a rollup is about."""

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


def add_to_rollups(project_id: UUID, tallies: Mapping[Cell, Tally]) -> None:
    """Add tallies to what is there, in the caller's transaction."""
    added = spread(tallies)
    kept = read_rollups(project_id, list(added))
    merged = merge(added, kept, count_values(project_id, {key.hour for key in added if key not in kept}))
    # What there was no room for went to keys that may be there and were not asked for.
    others = {key for key in merged if key.value is None}
    for key, tally in read_rollups(project_id, list(others)).items():
        merged[key].merge(tally)
    write_rollups(project_id, merged)


def spread(tallies: Mapping[Cell, Tally]) -> dict[Key, Tally]:
    """Cells as rollups: each counts in several. In the order in which the keys first come up."""
    added: dict[Key, Tally] = defaultdict(Tally)
    for cell, tally in tallies.items():
        for key in list_keys(cell):
            added[key].merge(tally)
    return dict(added)


def list_keys(cell: Cell) -> Iterator[Key]:
    yield Key(Dimension.ALL, cell.hour, "")
    yield Key(Dimension.DOMAIN, cell.hour, cell.domain)
    if cell.template:
        yield Key(Dimension.TEMPLATE, cell.hour, cell.template)
    if cell.provider:
        yield Key(Dimension.PROVIDER, cell.hour, cell.provider)
    for tag in cell.tags:
        yield Key(Dimension.TAG, cell.hour, tag)


def merge(
    added: Mapping[Key, Tally], kept: Mapping[Key, Tally], counts: Counter[tuple[str, datetime]]
) -> dict[Key, Tally]:
    """What the rollups are to be. Who comes first has the room, so that batches of any size give the same."""
    merged: dict[Key, Tally] = {}
    for key, tally in added.items():
        if key in kept:
            tally.merge(kept[key])
        elif counts[key.dimension, key.hour] < MAX_VALUES:
            counts[key.dimension, key.hour] += 1
        else:
            key = key._replace(value=None)
        if key in merged:
            merged[key].merge(tally)
        else:
            merged[key] = tally
    return merged


def read_rollups(project_id: UUID, keys: Sequence[Key]) -> dict[Key, Tally]:
    """Those of `keys` that there are."""
    if not keys:
        return {}
    dimensions, hours, values = zip(*keys, strict=True)
    end = 3 + len(NAMES)
    return {
        Key(*row[:3]): Tally(list(row[3:end]), read_histogram(row[end]), read_histogram(row[end + 1]))
        for row in fetch(_READ, [list(dimensions), list(hours), list(values), project_id])
    }


def read_histogram(stored: str) -> Histogram:
    """A histogram's column, as JSON."""
    return Histogram({int(slot): count for slot, count in json.loads(stored).items()})


def count_values(project_id: UUID, hours: set[datetime]) -> Counter[tuple[str, datetime]]:
    """How many values each dimension has in these hours."""
    rows = fetch(_COUNT, [project_id, list(hours)]) if hours else []
    return Counter({(dimension, hour): count for dimension, hour, count in rows})


def write_rollups(project_id: UUID, rollups: Mapping[Key, Tally]) -> None:
    """Put rollups in the place of what is there."""
    rows = (
        {
            "dimension": key.dimension,
            "starts_at": key.hour.isoformat(),
            "value": key.value,
            **dict(zip(NAMES, tally.counts, strict=True)),
            "handoff": tally.handoff,
            "delivery": tally.delivery,
        }
        for key, tally in rollups.items()
    )
    execute(_WRITE, [project_id, as_rows(rows)])
