"""Filters: which of the library's are offered, in whose place ours stand, and the bounds around every one."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from liquid import Environment, Markup, Undefined
from liquid.builtin.filters.misc import date
from liquid.exceptions import FilterArgumentError, FilterError, LiquidError
from liquid.filter import sequence_filter, string_filter, with_environment

from templates_app.errors import TemplateLimitError
from templates_app.liquid.limits import MAX_BITS, MAX_DATE, RenderBudget, measure_value

# What Python's own functions raise below a filter, for values that the library did not foresee.
SURPRISES = (ArithmeticError, LookupError, AttributeError, ValueError)


def apply_filter(budget: RenderBudget, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
    """What the filter `name` makes of `args`, paid for by `budget`.

    A missing variable reaches only `default`; for any other filter it raises the library's `UndefinedError`.
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
        raise FilterError(f"{name} cannot work with this value", token=None) from error
    if isinstance(result, int) and result.bit_length() > MAX_BITS:
        raise TemplateLimitError("a number grows too large")
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


# Filters whose result can be larger than all that they are given: its size, before memory is asked for it.
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
    """The text between tags, without comments, scripts and styles; what is never closed stays.

    The library's own uses a parser whose time is quadratic for tags that are never closed.
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
    """The items whose value, or whose `key`, did not come before; the library compares each with each."""
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
def print_date(value: object, pattern: object = "", *, environment: Environment) -> str:
    """The library's `date`, which reads ISO 8601, other usual forms, seconds since 1970, `now` and `today`, in UTC.

    What is no date is printed as it stands.
    """
    if len(str(pattern)) > MAX_DATE:
        raise FilterArgumentError("the date's format is too long", token=None)
    if len(str(value)) > MAX_DATE:
        return str(value)
    try:
        printed: str = date(value, pattern, environment=environment)
        return printed
    except (ValueError, ArithmeticError, OSError):
        return str(value)


# A JSON string may hold these as escapes, and then it can end neither a script nor a comment that it stands in.
JSON_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def print_json(value: object) -> str:
    """`value` as JSON. In HTML its quotes are escaped as any value's; `| json | safe` is for inside a script."""
    return json.dumps(value, ensure_ascii=False, default=str).translate(JSON_ESCAPES)


# In the place of the library's.
OURS: dict[str, Callable[..., Any]] = {
    "strip_html": strip_html,
    "uniq": uniq,
    "date": print_date,
    "json": print_json,
}
