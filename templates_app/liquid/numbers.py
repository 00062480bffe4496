"""Filters that print amounts: `fixed: 2` and `money: "EUR"`, by the rules of the result's language."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from babel.core import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision
from liquid import RenderContext
from liquid.exceptions import FilterArgumentError
from liquid.filter import with_context

MAX_DIGITS = 8
# Beyond this, binary fractions are whole numbers anyway.
MAX_AMOUNT = Decimal(10) ** 18
ENGLISH = Locale("en")
LETTER_AND_DIGIT = re.compile(r"(?<=[A-Za-z])(?=\d)")


@lru_cache(maxsize=500)
def find_locale(name: str) -> Locale:
    """The rules for `de-AT`, else those for `de`, else English. Source: Unicode CLDR, as Babel has it."""
    for known in (name, name.replace("_", "-").partition("-")[0]):
        try:
            return Locale.parse(known.replace("-", "_"))
        except (ValueError, UnknownLocaleError):
            continue
    return ENGLISH


def read_amount(value: object) -> Decimal:
    """A number, or text that is one. Raises the library's error for anything else, and for numbers beyond 10^18."""
    try:
        amount = Decimal("nan") if isinstance(value, bool) else Decimal(str(value).strip())
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or abs(amount) >= MAX_AMOUNT:
        raise FilterArgumentError(f"not a number that can be printed: {str(value)[:40]}", token=None)
    return amount


def read_digits(value: object) -> int:
    """A number of digits. Raises the library's error."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_DIGITS:
        raise FilterArgumentError(f"the number of digits must be from 0 to {MAX_DIGITS}", token=None)
    return value


def round_amount(amount: Decimal, digits: int) -> Decimal:
    """Halves are rounded away from zero, as on receipts; no negative zero."""
    rounded = amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return abs(rounded) if rounded == 0 else rounded


def print_fixed(value: object, digits: object = 2) -> str:
    """`{{ 19.9 | fixed: 2 }}` → `19.90`, without marks between thousands, whatever the language."""
    return f"{round_amount(read_amount(value), read_digits(digits)):f}"


@with_context
def print_money(value: object, currency: object = "", *, context: RenderContext) -> str:
    """`{{ 1234.5 | money: "EUR" }}` → `€1,234.50`, in German `1.234,50 €`. Other currencies show their code."""
    code = str(currency).strip().upper()
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise FilterArgumentError(f"not a currency such as EUR: {str(currency)[:40]}", token=None)
    # Rounded here: Babel rounds halves to even.
    amount = round_amount(read_amount(value), get_currency_precision(code))
    printed = format_currency(amount, code, locale=find_locale(getattr(context, "locale", "") or "en"))
    # CLDR's rule of spacing, which Babel leaves out: a blank between a currency's letters and the number.
    return LETTER_AND_DIGIT.sub("\u00a0", printed)


NUMBER_FILTERS: Mapping[str, Any] = {"fixed": print_fixed, "money": print_money}
