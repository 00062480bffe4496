"""Languages of a template: names of locales, and the choice of one for an email."""

import re
from collections.abc import Collection, Iterator

# RFC 5646, 2.1: language, script, region, and variants; no extensions.
LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
MAX_LOCALES = 50
LOCALE_RULE = "Must be the name of a language, such as de or de-AT."
# The name of the parts without a language of their own.
BASE = ""


def is_locale(text: str) -> bool:
    """Whether `text` is the name of a locale, such as `de` or `de-AT`."""
    return bool(LOCALE.fullmatch(text))


def normalize_locale(text: str) -> str:
    """`DE_at` → `de-AT`, `zh-hant` → `zh-Hant` (RFC 5646, 2.1.1)."""
    language, *others = text.replace("_", "-").split("-")
    return "-".join([language.lower(), *(normalize_subtag(each) for each in others)])


def normalize_subtag(text: str) -> str:
    if len(text) == 2:
        return text.upper()
    return text.title() if len(text) == 4 and text.isalpha() else text.lower()


def choose_locale(wanted: str, offered: Collection[str], default: str) -> str:
    """The offered locale for a wanted one: itself, then without its last parts, then the default's parts.

    `offered` are a template's languages with parts of their own. The result is one of them, or `BASE`.
    """
    for name in list_fallbacks(normalize_locale(wanted)) if wanted else ():
        if name in offered:
            return name
        if name == default:
            break
    return default if default in offered else BASE


def list_fallbacks(locale: str) -> Iterator[str]:
    """`zh-Hant-TW`, `zh-Hant`, `zh`."""
    while locale:
        yield locale
        locale = locale.rpartition("-")[0]
