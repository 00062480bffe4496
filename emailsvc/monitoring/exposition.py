"""Metrics as text for Prometheus, in its text format 0.0.4."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import accumulate

from ledger.telemetry.instruments import SUM, Amounts, Counter, Family, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
LABEL_ESCAPES = HELP_ESCAPES | str.maketrans({'"': r"\""})

Labels = tuple[str, ...]
# By part: "" for a value, the place of a bucket, the sum.
Series = dict[Labels, dict[str, float]]
Gauges = Mapping[str, Mapping[Labels, float]]


def write_exposition(totals: Amounts, gauges: Gauges) -> str:
    """Every family with its series, in the order of their names: what was counted, and the gauges."""
    counted: defaultdict[str, Series] = defaultdict(dict)
    for (name, part, *labels), amount in totals.items():
        counted[name].setdefault(tuple(labels), {})[part] = amount
    lines: list[str] = []
    for name, family in sorted(Family.all.items()):
        lines += (f"# HELP {name} {family.help.translate(HELP_ESCAPES)}", f"# TYPE {name} {family.kind}")
        if isinstance(family, Histogram):
            lines += _list_histogram(family, counted[name])
        elif isinstance(family, Counter):
            # One without labels is there from the start: a rule needs no first event.
            series = counted[name] or ({} if family.labels else {(): {"": 0.0}})
            lines += [_write_sample(name, family.labels, each, parts[""]) for each, parts in sorted(series.items())]
        else:
            lines += [_write_sample(name, family.labels, *each) for each in sorted(gauges.get(name, {}).items())]
    return "\n".join([*lines, ""])


def _list_histogram(family: Histogram, series: Series) -> Iterator[str]:
    bounds = [*(f"{bound:g}" for bound in family.bounds), "+Inf"]
    for labels, parts in sorted(series.items()):
        counts = list(accumulate(parts.get(str(place), 0.0) for place in range(len(bounds))))
        for bound, count in zip(bounds, counts, strict=True):
            yield _write_sample(f"{family.name}_bucket", (*family.labels, "le"), (*labels, bound), count)
        yield _write_sample(f"{family.name}_sum", family.labels, labels, parts.get(SUM, 0.0))
        yield _write_sample(f"{family.name}_count", family.labels, labels, counts[-1])


def _write_sample(name: str, names: Labels, labels: Labels, value: float) -> str:
    pairs = ",".join(f'{label}="{text.translate(LABEL_ESCAPES)}"' for label, text in zip(names, labels, strict=True))
    number = f"{value:.0f}" if value == int(value) else repr(value)
    return f"{name}{{{pairs}}} {number}" if pairs else f"{name} {number}"
