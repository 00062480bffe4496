"""Steps by which bodies of other services are rewritten as ours."""

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NoReturn

from common.errors import FieldError, FieldErrors, InvalidFieldsError, join_path
from common.serializers import NO_FIELD
from messages.api.fields import ABSENT

UNKNOWN_TYPE = "application/octet-stream"
# A field of another service → the same in our fields. Raises InvalidFieldsError.
Rewrites = Mapping[str, Callable[[Any], dict[str, Any]]]


def reject(field: str, message: str, code: str = "invalid") -> NoReturn:
    raise InvalidFieldsError([FieldError(field, code, message)])


def rewrite(
    data: Mapping[str, Any], rewrites: Rewrites, *, ours: Sequence[str] = (), strict_about: Sequence[str] = ()
) -> tuple[dict[str, Any], list[FieldError]]:
    """The body in our names, without the fields that have errors, and their errors in our names.

    Names of `ours` are unknown there. An empty value counts as absent but for the names of `strict_about`. All other
    names stay, and are checked with ours.
    """
    body = {name: value for name, value in data.items() if name not in rewrites and name not in ours}
    # Without a path, which would be shown under the service's name.
    findings = FieldErrors([FieldError("", "unknown_field", f"{name}: {NO_FIELD}") for name in ours if name in data])
    for name, write in rewrites.items():
        given = data.get(name)
        if given not in ABSENT or (name in strict_about and given is not None):
            with findings.collect():
                body |= write(given)
    return body, findings.errors


def write_files(files: object, write: Callable[[Mapping[str, Any], str], dict[str, Any]]) -> dict[str, Any]:
    """Each file by `write`, which is given the file and its path. Several errors are collected."""
    if not isinstance(files, list):
        return {"attachments": files}
    findings, written = FieldErrors(), []
    for index, file in enumerate(files):
        with findings.collect():
            written.append(write(file, join_path("attachments", index)) if isinstance(file, Mapping) else file)
    findings.raise_all()
    return {"attachments": written}


def rename(given: Mapping[str, Any], names: Mapping[str, str], path: str) -> dict[str, Any]:
    """The members of an object under our names, without nulls. Raises InvalidFieldsError for a name of no member."""
    if unknown := [name for name in given if name not in names]:
        reject(path, f"{str(unknown[0])[:100]}: {NO_FIELD}", "unknown_field")
    return {names[name]: value for name, value in given.items() if value is not None}


def guess_type(filename: object) -> str:
    """The content type that a file's name tells, by the ending alone: newer Pythons parse the whole name as a URL."""
    return mimetypes.guess_type(f"file{PurePosixPath(str(filename)).suffix}")[0] or UNKNOWN_TYPE


def name_file(content_type: object) -> str:
    """A name for a file without one: `attachment.png`."""
    return f"attachment{mimetypes.guess_extension(str(content_type).partition(';')[0].strip()) or ''}"


def split_addresses(text: object) -> Any:
    """`"Doe, Jo" <jo@a.example>, b@a.example` as a list; what is no string stays, and is checked as it is.

    Commas within quotes, and within brackets, separate nothing (RFC 5322, 3.4). Nothing else is read here: each part
    is parsed as an address of ours.
    """
    if not isinstance(text, str):
        return text
    parts, start, is_quoted, is_angled, is_escaped = [], 0, False, False, False
    for place, char in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_quoted:
            is_escaped, is_quoted = char == "\\", char != '"'
        elif char == '"':
            is_quoted = True
        elif char in "<>":
            is_angled = char == "<"
        elif char == "," and not is_angled:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return [part.strip(" ") for part in parts if part.strip(" ")]
