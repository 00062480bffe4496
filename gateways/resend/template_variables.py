"""Resend's placeholders `{{{NAME}}}` as Liquid, in which our templates are written, and back.

A variable's fallback becomes Liquid's `default`: `{{ NAME | default: "you" }}`. So a template keeps all that Resend's
form has but the types of variables without a fallback. Source: https://resend.com/docs/dashboard/templates/template-variables.
"""

import re
from collections.abc import Mapping
from typing import Any

from common.errors import join_path
from gateways.compat.rewriting import reject

NAME = r"[A-Za-z_][A-Za-z0-9_]{0,49}"
KEY = re.compile(NAME)
PLACEHOLDER = re.compile(rf"\{{\{{\{{\s*({NAME})\s*\}}\}}\}}")
# What `write_placeholder` writes.
LITERAL = r"""(?:"(?P<double>[^"{}]*)"|'(?P<single>[^'{}]*)'|(?P<number>-?\d+(?:\.\d+)?))"""
WRITTEN = re.compile(rf"\{{\{{ (?P<name>{NAME})(?: \| default: {LITERAL})? \}}\}}")
MEMBERS = frozenset({"key", "type", "fallback_value"})
# https://resend.com/docs/api-reference/templates/create-template
MAX_VARIABLES = 50
MAX_FALLBACK = 2_000

# The fallback of each variable; None for one without.
Fallbacks = Mapping[str, str | int | float | None]


def read_variables(given: object) -> Fallbacks:
    """The list of `{"key", "type", "fallback_value"}`. Raises InvalidFieldsError."""
    if not isinstance(given, list) or len(given) > MAX_VARIABLES:
        reject("variables", f"Must be a list of at most {MAX_VARIABLES} objects.")
    fallbacks: dict[str, str | int | float | None] = {}
    for index, variable in enumerate(given):
        path = join_path("variables", index)
        if not isinstance(variable, Mapping) or set(variable) - MEMBERS:
            reject(path, f"Must be an object with {', '.join(sorted(MEMBERS))}.")
        key = variable.get("key")
        if not isinstance(key, str) or not KEY.fullmatch(key):
            reject(f"{path}.key", "Must have 1 to 50 letters, digits and underscores, and not begin with a digit.")
        if key in fallbacks:
            reject(f"{path}.key", "Another variable has the same key.")
        fallbacks[key] = read_fallback(variable, path)
    return fallbacks


def read_fallback(variable: Mapping[str, Any], path: str) -> str | int | float | None:
    kinds = {"string": str, "number": int | float}
    kind, fallback = kinds.get(str(variable.get("type"))), variable.get("fallback_value")
    if kind is None:
        reject(f"{path}.type", f"Must be one of {', '.join(kinds)}.")
    if fallback is None:
        return None
    if isinstance(fallback, bool) or not isinstance(fallback, kind):
        reject(f"{path}.fallback_value", f"Must be a {variable['type']}.")
    if not WRITTEN.fullmatch(write_placeholder("X", fallback)) or len(str(fallback)) > MAX_FALLBACK:
        reject(
            f"{path}.fallback_value", f"Must have no braces, not both quotes, and at most {MAX_FALLBACK} characters."
        )
    found: str | int | float = fallback
    return found


def write_placeholder(name: str, fallback: str | float | None) -> str:
    if fallback is None:
        return f"{{{{ {name} }}}}"
    quote = "'" if '"' in str(fallback) else '"'
    literal = f"{quote}{fallback}{quote}" if isinstance(fallback, str) else str(fallback)
    return f"{{{{ {name} | default: {literal} }}}}"


def to_liquid(text: str, fallbacks: Fallbacks) -> str:
    """The text in Liquid. A placeholder of a variable that was not declared has no fallback."""
    return PLACEHOLDER.sub(lambda found: write_placeholder(found[1], fallbacks.get(found[1])), text)


def from_liquid(text: str) -> str:
    """The text with Resend's placeholders; Liquid of any other form stays."""
    return WRITTEN.sub(lambda found: f"{{{{{{{found['name']}}}}}}}", text)


def find_fallbacks(text: str) -> dict[str, str | int | float | None]:
    """The variables in a text of Liquid that `to_liquid` wrote."""
    return {found["name"]: read_literal(found) for found in WRITTEN.finditer(text)}


def read_literal(found: re.Match[str]) -> str | int | float | None:
    if found["number"]:
        return float(found["number"]) if "." in found["number"] else int(found["number"])
    return found["double"] if found["double"] is not None else found["single"]
