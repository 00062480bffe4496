"""What commands print: JSON for programs, lines for people."""

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """With `is_json` each object is one line of JSON, and nothing else is printed to stdout."""

    is_json: bool

    def show(self, value: Any, lines: Sequence[str]) -> None:
        """An object, or these lines for a person."""
        if self.is_json:
            print(json.dumps(value, ensure_ascii=False), flush=True)
        else:
            for line in lines:
                print(clean(line), flush=True)

    def tell(self, text: str) -> None:
        """Something beside the result, to stderr."""
        print(clean(text), file=sys.stderr, flush=True)


def clean(text: str) -> str:
    """Without control characters: a subject or a server's reply could write to the terminal otherwise."""
    return "".join(
        each if unicodedata.category(each) not in {"Cc", "Cf"} or each == "\t" else "\N{REPLACEMENT CHARACTER}"
        for each in text
    )


def describe(email: Mapping[str, Any]) -> str:
    """An email in one line."""
    return f"{email['id']}  {email['status']:<10}  {', '.join(email['to'])}  {email['subject']}"
