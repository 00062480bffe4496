"""JSON values written as a language writes them, on one line where they fit and otherwise one member a line."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

WIDTH = 88
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """How a language writes values: keys, what is no container, its indentation, and a comma behind the last member."""

    key: Callable[[str], str]
    atom: Callable[[object], str]
    indent: int
    has_last_comma: bool
    is_spaced: bool = False


def spell_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def spell_python_atom(value: object) -> str:
    return repr(value) if value is None or isinstance(value, bool | int | float) else spell_text(value)


def spell_javascript_key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else spell_text(key)


JSON = Notation(key=spell_text, atom=spell_text, indent=2, has_last_comma=False)
PYTHON = Notation(key=spell_text, atom=spell_python_atom, indent=4, has_last_comma=True)
JAVASCRIPT = Notation(key=spell_javascript_key, atom=spell_text, indent=2, has_last_comma=True, is_spaced=True)


def spell(value: object, notation: Notation, *, depth: int = 0, taken: int = 0) -> str:
    """`value` as source code. `depth` is how deep its line is indented, `taken` how much of that line is used."""
    match value:
        case dict() if value:
            members = [
                f"{notation.key(key)}: {spell(each, notation, depth=depth + 1, taken=len(key) + 4)}"
                for key, each in value.items()
            ]
            return wrap("{}", members, notation, depth=depth, taken=taken)
        case list() if value:
            members = [spell(each, notation, depth=depth + 1) for each in value]
            return wrap("[]", members, notation, depth=depth, taken=taken)
        case dict() | list():
            return json.dumps(value)
    return notation.atom(value)


def wrap(brackets: str, members: list[str], notation: Notation, *, depth: int, taken: int) -> str:
    opening, closing = brackets[0], brackets[1]
    space = " " if notation.is_spaced and opening == "{" else ""
    line = f"{opening}{space}{', '.join(members)}{space}{closing}"
    if "\n" not in line and notation.indent * depth + taken + len(line) <= WIDTH:
        return line
    inner, outer = (" " * notation.indent * level for level in (depth + 1, depth))
    end = "," if notation.has_last_comma else ""
    return f"{opening}\n{inner}" + f",\n{inner}".join(members) + f"{end}\n{outer}{closing}"
