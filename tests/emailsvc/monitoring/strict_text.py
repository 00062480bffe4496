"""A strict reader of Prometheus' text format 0.0.4, by its documentation, as promtool's `check metrics` reads it."""

import re

Sample = tuple[str, tuple[tuple[str, str], ...]]
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
LINE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?[0-9.e+-]+|NaN|[+-]Inf)\Z")
UNESCAPED = {r"\\": "\\", r"\n": "\n", r"\"": '"'}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def parse_exposition(text: str) -> dict[Sample, float]:
    """The samples by name and labels. AssertionError for what Prometheus or promtool would refuse."""
    assert text.endswith("\n")
    found: dict[Sample, float] = {}
    name = kind = ""
    seen: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, kind = line.split(" ", 3)[2], ""
            assert name not in seen, f"{name} stands in two places"
            assert len(line.split(" ", 3)) == 4, f"{name} has no help"
            seen.add(name)
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert typed == name
            assert kind in SUFFIXES
            assert (kind == "counter") == name.endswith("_total"), name
        else:
            match = LINE.match(line)
            assert match, line
            assert match[1] in {name + suffix for suffix in SUFFIXES[kind]}, line
            sample = (match[1], parse_labels(match[2]))
            assert sample not in found, f"{line} stands twice"
            found[sample] = float(match[3])
    check_histograms(found)
    return found


def parse_labels(text: str | None) -> tuple[tuple[str, str], ...]:
    if text is None:
        return ()
    assert re.fullmatch(rf"{LABEL.pattern}(?:,{LABEL.pattern})*", text), text
    pairs = tuple(
        (name, re.sub(r"\\.", lambda escape: UNESCAPED[escape[0]], value)) for name, value in LABEL.findall(text)
    )
    assert len(dict(pairs)) == len(pairs), text
    return pairs


def check_histograms(found: dict[Sample, float]) -> None:
    """Buckets never fall, and the last one is the count."""
    last: dict[Sample, float] = {}
    for (name, labels), value in found.items():
        if name.endswith("_bucket"):
            series = (name.removesuffix("_bucket"), labels[:-1])
            assert value >= last.get(series, 0.0), (name, labels)
            last[series] = value
    for (name, labels), value in last.items():
        assert found[f"{name}_count", labels] == value, (name, labels)
        assert (f"{name}_sum", labels) in found
