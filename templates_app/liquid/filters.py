"""Filters: the library's allowed ones, our replacements, and the limits on all of them."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from liquid import Environment, Markup, Undefined
from liquid.builtin.filters.array import join
from liquid.builtin.filters.misc import date
from liquid.exceptions import FilterArgumentError, FilterError, LiquidError
from liquid.filter import sequence_filter, string_filter, with_environment

from templates_app.errors import TemplateLimitError
from templates_app.liquid.limits import MAX_BITS, MAX_DATE, RenderBudget, measure_value
from templates_app.liquid.numbers import NUMBER_FILTERS

# Errors of Python's functions below a filter, for values that the library did not foresee.
SURPRISES = (ArithmeticError, LookupError, AttributeError, ValueError)


def apply_filter(budget: RenderBudget, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
    """The result of the filter `name` for `args`, charged to `budget`.

    Only `default` accepts a missing variable; any other filter raises the library's `UndefinedError`.
    """
    budget.check_time()
    if name != "default":
        for value in args:
            if isinstance(value, Undefined):
                str(value)
    forecast = FORECASTS.get(name)
    if forecast:
        budget.spend_size(forecast(*args))
    try:
        result = function(*args, **kwargs)
    except LiquidError:
        raise
    except SURPRISES as error:
        raise FilterError(f"{name} cannot process this value", token=None) from error
    if isinstance(result, int) and result.bit_length() > MAX_BITS:
        raise TemplateLimitError("a number is too large")
    budget.spend_size(measure_value(result))
    return result


def forecast_replace(text: object, old: object = "", new: object = "", *_: object) -> int:
    text, old, new = str(text), str(old), str(new)
    return len(text) + text.count(old) * len(new)


def forecast_split(text: object, separator: object = "", *_: object) -> int:
    text, separator = str(text), str(separator or "")
    return len(text) + 64 * text.count(separator)


def forecast_join(items: object, separator: object = " ", *_: object) -> int:
    count = len(items) if isinstance(items, list | tuple | range) else 1
    return measure_value(items) + count * len(str(separator))


# Filters whose result can be larger than all their inputs: estimates its size before memory is allocated.
FORECASTS: Mapping[str, Callable[..., int]] = {
    "replace": forecast_replace,
    "split": forecast_split,
    "join": forecast_join,
}

MARKUP_START = re.compile(r"<(?:(!--)|(script|style)\b|[a-z/!?])", re.IGNORECASE)
ELEMENT_END = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}


@with_environment
@string_filter
def strip_html(value: str, *, environment: Environment) -> str:
    """The text without tags, comments, scripts and styles; unclosed ones stay.

    The library's own filter uses a parser that takes quadratic time for unclosed tags.
    """
    kept, position = [], 0
    while start := MARKUP_START.search(value, position):
        end = find_markup_end(value, start)
        if end <= 0:
            break
        kept.append(value[position : start.start()])
        position = end
    kept.append(value[position:])
    text = "".join(kept)
    return Markup(text) if environment.autoescape and isinstance(value, Markup) else text


def find_markup_end(value: str, start: re.Match[str]) -> int:
    """Behind the tag, comment or whole script that begins at `start`; 0 when it has no end."""
    if start[1]:
        end = value.find("-->", start.end())
        return end + 3 if end >= 0 else 0
    if start[2]:
        ending = ELEMENT_END[start[2].lower()].search(value, start.end())
        return value.find(">", ending.end()) + 1 if ending else 0
    return value.find(">", start.end()) + 1


@sequence_filter
def uniq(items: Iterable[Any], key: object = None) -> list[object]:
    """The items without repeated values, or repeated `key`s; the library compares each with each."""
    seen: set[str] = set()
    kept: list[object] = []
    for item in items:
        value = item.get(key) if key is not None and isinstance(item, dict) else item
        mark = json.dumps(value, sort_keys=True, default=str)
        if mark not in seen:
            seen.add(mark)
            kept.append(item)
    return kept


@with_environment
@sequence_filter
def join_items(items: Iterable[object], separator: object = " ", *, environment: Environment) -> str:
    """The items as one text; null is printed as nothing, as everywhere in Liquid, and not as the library's `None`."""
    joined: str = join(["" if item is None else item for item in items], separator, environment=environment)
    return joined


# Ruby's directives, which Liquid documents, beyond those of Python: fractions of seconds, and offsets with colons.
DIRECTIVE = re.compile(r"%(?:%|(?P<digits>\d?)(?P<fraction>[LN])|(?P<colons>:{1,2})z)")
ISO = "%Y-%m-%dT%H:%M:%S.%f%z"


@with_environment
def print_date(value: object, pattern: object = "", zone: object = None, *, environment: Environment) -> str:
    """The library's `date`, which reads ISO 8601, other usual forms, seconds since 1970, `now` and `today`, in UTC.

    With a `zone` of the IANA database, such as `"Europe/Berlin"`, the time is printed as clocks show it there; a value
    without an offset counts as UTC. A value that is not a date is printed unchanged.
    """
    if len(str(pattern)) > MAX_DATE:
        raise FilterArgumentError("the date's format is too long", token=None)
    place = find_zone(zone)
    if len(str(value)) > MAX_DATE:
        return str(value)
    try:
        # The library reads the value; the year of its `strftime` may have fewer than four digits.
        read = datetime.fromisoformat(date(value, ISO, environment=environment))
    except (ValueError, ArithmeticError, OSError):
        return str(value)
    moment = read if read.tzinfo else read.replace(tzinfo=UTC)
    if not pattern:
        return str(value)
    try:
        moment = moment.astimezone(place) if place else moment
        printed = moment.strftime(DIRECTIVE.sub(partial(print_directive, moment), str(pattern)))
    except (ValueError, ArithmeticError, OSError):
        return str(value)
    return Markup(printed) if environment.autoescape and isinstance(pattern, Markup) else printed


def find_zone(zone: object) -> tzinfo | None:
    """The time zone; None keeps a date's own. Raises the library's error for an unknown one."""
    if zone is None:
        return None
    try:
        return ZoneInfo(str(zone))
    except (ValueError, OSError, LookupError):
        raise FilterArgumentError(f"not a time zone such as Europe/Berlin: {str(zone)[:60]}", token=None) from None


def print_directive(moment: datetime, match: re.Match[str]) -> str:
    """A directive that Python's `strftime` does not know; `%%` stays."""
    if match["fraction"]:
        digits = int(match["digits"] or (3 if match["fraction"] == "L" else 9))
        return f"{moment.microsecond:06d}000"[:digits]
    if match["colons"]:
        offset = moment.utcoffset() or timedelta(0)
        sign, seconds = "-" if offset < timedelta(0) else "+", abs(int(offset.total_seconds()))
        text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
        return f"{text}:{seconds % 60:02d}" if len(match["colons"]) > 1 else text
    return match[0]


# A JSON string may contain these as escapes; it then cannot end a surrounding script or comment.
JSON_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def print_json(value: object) -> str:
    """`value` as JSON. In HTML its quotes are escaped like any value's; use `| json | safe` inside a script."""
    return json.dumps(value, ensure_ascii=False, default=str).translate(JSON_ESCAPES)


# Replacements for the library's filters.
OURS: dict[str, Callable[..., Any]] = {
    "strip_html": strip_html,
    "uniq": uniq,
    "join": join_items,
    "date": print_date,
    "json": print_json,
    **NUMBER_FILTERS,
}
