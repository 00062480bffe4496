"""Our errors as sentences that name the fields of another service."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from common.errors import ApiError, FieldError

# A message names so many fields.
MAX_NAMED = 10
# The index in a batch, the field, and what follows.
PATH = re.compile(r"(?P<index>\[\d+\]\.)?(?P<field>[a-z_]+)(?P<rest>.*)", re.DOTALL)
# The index of a file, and its field.
MEMBER = re.compile(r"(?P<index>\[\d+\])\.(?P<field>[a-z_0-9]+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The names of a service for our fields of an email and of its files. Names that are missing stay."""

    fields: Mapping[str, str]
    files: Mapping[str, str]

    def name_field(self, path: str) -> str:
        """The path of our field in the service's names: `[3].from_` → `[3].From`."""
        found = PATH.fullmatch(path)
        if found is None:
            return path
        rest = found["rest"]
        if found["field"] == "attachments" and (member := MEMBER.match(rest)):
            rest = f"{member['index']}.{self.files.get(member['field'], member['field'])}"
        return f"{found['index'] or ''}{self.fields.get(found['field'], found['field'])}{rest}"

    def describe(self, error: FieldError) -> str:
        """One error as a sentence: `From: Must be a string.`"""
        return f"{self.name_field(error.field)}: {error.message}" if error.field else error.message

    def describe_all(self, error: ApiError) -> str:
        """Each invalid field with its error, or the sentence of the error itself."""
        if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or not error.errors:
            return error.detail
        sentences = [self.describe(item) for item in error.errors[:MAX_NAMED]]
        left = len(error.errors) - len(sentences)
        return " ".join([*sentences, f"And {left} more."] if left else sentences)
