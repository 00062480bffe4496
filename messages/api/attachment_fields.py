"""The files of an email request, with their checks and error codes."""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from django.conf import settings
from rest_framework import serializers

from common.large_json.spooled import SpooledBytes, SpooledText, WrongEndError
from common.parsers import MAX_BODY
from common.serializers import SingleLineField, StrictCharField, wrong
from common.text import remove_bidi_controls
from delivery.mime.attachments import ENCLOSED, AttachmentTypeError, enclose_mail, parse_content_type
from messages.api.fields import LenientSerializer, check_line, fail_field
from messages.attachments import File

MIB = 1024 * 1024
MAX_FILENAME_BYTES = 255
# The part of a Content-ID between its angle brackets (RFC 2045, 5.1).
CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")
PATH_SEPARATOR = re.compile(r"[/\\]")
NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
LINE_ENDS = dict.fromkeys(map(ord, "\r\n"))


class Base64Field(StrictCharField):
    """A string, or one that stays in the request's file."""

    def to_internal_value(self, data: Any) -> str:
        return data if isinstance(data, SpooledText) else super().to_internal_value(data)


class AttachmentSerializer(LenientSerializer):
    """A file. `/` and `\\` in its name become `_`; its content is base64, with line ends or without."""

    # "" is a file of 0 bytes.
    strict_about = frozenset({"content_b64"})

    filename = StrictCharField(max_length=1000)
    content_type = SingleLineField(max_length=255)
    content_b64 = Base64Field(
        allow_blank=True, help_text="RFC 4648, 4, with padding; line ends are passed over. Empty: a file of 0 bytes."
    )
    content_id = SingleLineField(required=False, max_length=202, help_text="The id for `cid:…` URLs in the HTML.")

    def validate_filename(self, value: str) -> str:
        name = remove_bidi_controls(PATH_SEPARATOR.sub("_", value)).strip()
        check_line(name)
        if name in {"", ".", ".."}:
            fail_field("invalid_filename", "Must name a file.")
        if len(name.encode()) > MAX_FILENAME_BYTES:
            fail_field("max_length", f"Must have at most {MAX_FILENAME_BYTES} bytes.")
        return name

    def validate_content_type(self, value: str) -> str:
        try:
            parse_content_type(value)
        except AttachmentTypeError as error:
            cause = str(error)
            fail_field("invalid_content_type", f"{cause[0].upper()}{cause[1:]}. An example: application/pdf.")
        return value

    def validate_content_b64(self, value: str) -> bytes | SpooledBytes:
        if isinstance(value, SpooledText):
            # The same bound as below; line ends are at most every second part of the rest.
            if value.length > 3 * (limit_files() * 4 // 3 + 4):
                fail_too_large()
            try:
                return value.decode()
            except WrongEndError:
                value = value.read_text()
        text = value.translate(LINE_ENDS) if "\n" in value or "\r" in value else value
        # Four characters hold three bytes, so longer values are too large and need no decoding.
        if len(text) > limit_files() * 4 // 3 + 4:
            fail_too_large()
        try:
            content = b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            fail_field("invalid_base64", f"Is not base64 (RFC 4648, 4): {describe_base64(value)}.")
        # Python's decoder also accepts excess padding, and bits after the last byte.
        if b64encode(content[(len(content) - 1) // 3 * 3 :]).decode() != text[(len(content) - 1) // 3 * 4 :]:
            fail_field("invalid_base64", "Is not base64 (RFC 4648, 4): its end has wrong padding.")
        return content

    def validate_content_id(self, value: str) -> str:
        bare = value.removeprefix("<").removesuffix(">")
        if not CONTENT_ID.fullmatch(bare):
            fail_field("invalid_content_id", "Must have 1 to 200 letters, digits or any of !#$%&'*+/=?^_`{|}~.@-.")
        return bare

    def find_conflicts(self, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
        if {"content_type", "content_b64"} <= values.keys():
            is_mail = parse_content_type(values["content_type"]).media_type == ENCLOSED
            try:
                enclose_mail(read_bytes(values["content_b64"]) if is_mail else b"")
            except AttachmentTypeError as error:
                cause = str(error)
                return {"content_b64": [wrong(f"{cause[0].upper()}{cause[1:]}.", "invalid_attached_mail")]}
        return {}

    def to_internal_value(self, data: Any) -> Any:
        return self.build(super().to_internal_value(data))

    def build(self, value: Mapping[str, Any]) -> File:
        """The file with these values."""
        return File(
            filename=value["filename"],
            content_type=value["content_type"],
            content=value["content_b64"],
            content_id=value.get("content_id", ""),
        )


class AttachmentsField(serializers.ListField):
    """The files of an email, within the limits of this installation."""

    def __init__(self) -> None:
        super().__init__(child=AttachmentSerializer(), required=False)

    def to_internal_value(self, data: Any) -> list[File]:
        if isinstance(data, list):
            self.check_count(data)
        return self.check_all(super().to_internal_value(data))

    def check_count(self, data: Collection[Any]) -> None:
        limit = settings.ATTACHMENT_LIMIT_COUNT
        if len(data) > limit:
            fail_field("max_length", f"Must have at most {limit} files; it has {len(data)}.")

    def check_all(self, files: list[File]) -> list[File]:
        """The files, if they may be in one email."""
        if sum(file.size for file in files) > limit_files():
            fail_too_large()
        named = [file.content_id for file in files if file.content_id]
        if len(set(named)) < len(named):
            fail_field("duplicate_content_id", "Two attachments have the same content_id.")
        return files


def read_bytes(content: bytes | SpooledBytes) -> bytes:
    return content if isinstance(content, bytes) else content.read()


def limit_files() -> int:
    """The number of bytes that all files of an email may have."""
    size: int = settings.ATTACHMENT_LIMIT_MIB * MIB
    return size


def fail_too_large() -> NoReturn:
    message = f"All attachments together may have {settings.ATTACHMENT_LIMIT_MIB} MiB."
    fail_field("attachments_too_large", message)


def limit_body() -> int:
    """The number of bytes of a request with one email: the files in base64, and the rest."""
    return max(MAX_BODY, limit_files() * 4 // 3 + 8 * MIB)


def describe_base64(value: str) -> str:
    """The cause why this is not base64."""
    if value.startswith("data:"):
        return "it is a data: URL, of which only the part after the comma belongs here"
    if foreign := NOT_BASE64.search(value):
        if foreign[0] in "-_":
            return "it is base64url, which has - and _ where + and / belong"
        return f"character {foreign.start() + 1} is U+{ord(foreign[0]):04X}"
    return "its padding is wrong, or its end is missing"
