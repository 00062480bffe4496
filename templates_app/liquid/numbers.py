"""Filters that print amounts: `fixed: 2` and `money: "EUR"`, by the rules of the result's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from liquid import RenderContext
from liquid.exceptions import FilterArgumentError
from liquid.filter import with_context

MAX_DIGITS = 8
# Beyond this, binary fractions are whole numbers anyway.
MAX_AMOUNT = Decimal(10) ** 18
NARROW, WIDE = "\u202f", "\u00a0"


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """The marks of a language: between thousands, before the fraction, and whether the currency stands in front."""

    thousands: str
    fraction: str
    is_in_front: bool = False


ENGLISH = NumberStyle(",", ".", is_in_front=True)
GERMAN = NumberStyle(".", ",")
FRENCH = NumberStyle(NARROW, ",")
SLAVIC = NumberStyle(WIDE, ",")
# Unicode CLDR, by language, and by region where it differs.
STYLES: Mapping[str, NumberStyle] = {
    **dict.fromkeys(("en", "ja", "zh", "ko", "th", "he", "hi"), ENGLISH),
    **dict.fromkeys(("de", "es", "it", "da", "el", "hr", "sl", "ro", "id", "vi", "ca", "sr", "is"), GERMAN),
    **dict.fromkeys(("tr", "nl", "pt-br"), NumberStyle(".", ",", is_in_front=True)),
    "fr": FRENCH,
    **dict.fromkeys(
        ("ru", "uk", "pl", "cs", "sk", "bg", "fi", "sv", "nb", "nn", "no", "hu", "lt", "lv", "et", "pt"), SLAVIC
    ),
    "de-ch": NumberStyle("\u2019", ".", is_in_front=True),
    "de-at": NumberStyle(WIDE, ",", is_in_front=True),
    "es-mx": ENGLISH,
}
SYMBOLS: Mapping[str, str] = {
    "EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "INR": "₹", "KRW": "₩", "BRL": "R$", "ILS": "₪",
    "VND": "₫", "TRY": "₺", "UAH": "₴", "AUD": "A$", "CAD": "CA$", "NZD": "NZ$", "MXN": "MX$",
}  # fmt: skip
# ISO 4217: currencies whose smaller unit is not a hundredth.
DIGITS: Mapping[str, int] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF",
                     "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}  # fmt: skip


def find_style(locale: str) -> NumberStyle:
    """The style of `de-AT`, else that of `de`, else English."""
    name = locale.lower().replace("_", "-")
    return STYLES.get(name) or STYLES.get(name.partition("-")[0], ENGLISH)


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
    style = find_style(getattr(context, "locale", ""))
    amount = round_amount(read_amount(value), DIGITS.get(code, 2))
    whole, _, fraction = f"{abs(amount):,f}".partition(".")
    number = whole.replace(",", style.thousands) + (f"{style.fraction}{fraction}" if fraction else "")
    sign = "-" if amount < 0 else ""
    symbol = SYMBOLS.get(code, code)
    if not style.is_in_front:
        return f"{sign}{number}{WIDE}{symbol}"
    blank = WIDE if symbol[-1].isalpha() or style is not ENGLISH else ""
    return f"{sign}{symbol}{blank}{number}"


NUMBER_FILTERS: Mapping[str, Any] = {"fixed": print_fixed, "money": print_money}
