"""Parses a large JSON body without its long base64 strings: those of files stay in the request's file.

The rules of `common.strict_json` hold: a body that they refuse is read again whole, so that the error is the same.
"""

import re
from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from secrets import token_hex
from typing import cast

from common.errors import ApiError
from common.large_json.spooled import LONG, SpooledText
from common.strict_json import Json, parse_json

# A string with its quotes; its end may be missing.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
BASE64 = re.compile(rb'"(?:[A-Za-z0-9+/]++|\\[rn/])*+={0,2}(?:\\[rn])*+"')


def parse_large(descriptor: int, *, max_values: int, file_field: tuple[str, str]) -> Json:
    """The value in the file, as `parse_json` gives it, but that long strings of files are `SpooledText`.

    `file_field` names the list of files in an email, and the field of a file that holds its content.
    """
    body = mmap(descriptor, 0, access=ACCESS_READ)
    spans = [
        match.span() for match in STRING.finditer(body) if match.end() - match.start() > LONG and is_base64(body, match)
    ]
    if not spans:
        return parse_json(bytearray(body), max_values=max_values)
    mark = token_hex(16)
    texts: dict[str, SpooledText] = {}
    rest, place = bytearray(), 0
    for start, end in spans:
        name = f"{mark}{len(texts)}"
        texts[name] = SpooledText.cut(name, body, (start + 1, end - 1))
        rest += body[place:start] + b'"' + name.encode() + b'"'
        place = end
    rest += body[place:]
    try:
        value = parse_json(rest, max_values=max_values)
    except ApiError:
        parse_json(bytearray(body), max_values=max_values)
        raise
    return Restoring(mark, texts, file_field).restore(value, ())


def is_base64(body: mmap, match: re.Match[bytes]) -> bool:
    return BASE64.fullmatch(body, match.start(), match.end()) is not None


class Restoring:
    """Puts the long strings in the place of their placeholders: as they are in files, whole anywhere else."""

    def __init__(self, mark: str, texts: Mapping[str, SpooledText], file_field: tuple[str, str]) -> None:
        self._mark = mark
        self._texts = texts
        self._files, self._content = file_field

    def restore(self, value: Json, path: tuple[str | int, ...]) -> Json:
        match value:
            case str() if value.startswith(self._mark):
                text = self._texts[value]
                return text if self._is_file(path) else text.read_text()
            case list():
                return [self.restore(item, (*path, index)) for index, item in enumerate(value)]
            case dict():
                return cast(
                    Json,
                    {
                        self._texts[key].read_text() if key in self._texts else key: self.restore(item, (*path, key))
                        for key, item in value.items()
                    },
                )
        return value

    def _is_file(self, path: tuple[str | int, ...]) -> bool:
        """Whether the path is that of a file's content, in an email or in a batch of them."""
        own = path[1:] if path and isinstance(path[0], int) else path
        return len(own) == 3 and own[0] == self._files and isinstance(own[1], int) and own[2] == self._content
