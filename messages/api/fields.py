"""The fields of an email request, with their checks and error codes."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn, cast

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.addresses import Address
from common.serializers import AddressField, StrictCharField, StrictSerializer, wrong
from common.text import find_control_character
from delivery.mime.headers import NAME, HeaderError
from delivery.mime.message import RESERVED
from delivery.mime.syntax import find_longest, read_header, write_header
from delivery.simulator.script import TIME_SCALE_HEADER

MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_LINE = 998  # RFC 5322, 2.1.1
MAX_HEADERS = 50
MAX_TAGS = 10
MAX_TAG = 64
MAX_METADATA = 50
MAX_METADATA_KEY = 64
MAX_METADATA_BYTES = 8 * 1024
# The limit of one list, before duplicates are removed.
MAX_ADDRESSES = 1_000

# Headers that later hops write. A header from the caller would look like theirs.
THEIRS = re.compile(
    r"x-emailsvc-.*|arc-.*|authentication-results|received-spf|delivered-to|domainkey-signature", re.IGNORECASE
)


TIME_SCALE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")
MAX_TIME_SCALE = 100

ADDRESS_SCHEMA = {"type": "string", "example": "Jo Doe <jo@example.com>"}
ABSENT: tuple[object, ...] = (None, "", {}, [])


def fail_field(code: str, message: str) -> NoReturn:
    raise serializers.ValidationError(message, code)


class LenientSerializer(StrictSerializer):
    """A strict serializer for which null, "", {} and [] count as absent."""

    takes_null = True

    # Fields in which an empty value is an error; null still counts as absent.
    strict_about: ClassVar[frozenset[str]] = frozenset()

    def inspect(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        lenient = (self.fields.keys() | self.aliases.keys()) - self.strict_about
        absent = {name for name, value in data.items() if name in lenient and value in ABSENT}
        absent |= {name for name in self.strict_about if name in data and data[name] is None}
        return super().inspect({name: value for name, value in data.items() if name not in absent})


@extend_schema_field({"oneOf": [ADDRESS_SCHEMA, {"type": "array", "items": ADDRESS_SCHEMA, "maxItems": MAX_ADDRESSES}]})
class AddressListField(serializers.Field[list[Address], Any, list[str], Any]):
    """One address or a list of them."""

    _one = AddressField()

    def to_internal_value(self, data: object) -> list[Address]:
        if isinstance(data, str):
            return [self._one.to_internal_value(data)]
        if not isinstance(data, list):
            fail_field("invalid", "Must be an address or a list of addresses.")
        if len(data) > MAX_ADDRESSES:
            fail_field("max_length", f"Must have at most {MAX_ADDRESSES} addresses; it has {len(data)}.")
        return collect(enumerate(data), self._one.to_internal_value)

    def to_representation(self, value: list[Address]) -> list[str]:
        return [address.address for address in value]


class SenderField(AddressField):
    """A sender address whose domain has its plain spelling: ASCII in any case, or a real international name.

    IDNA maps full-width letters, circled letters and other full stops to a plain name. Owners do not spell their domain
    like this, but impostors do.
    """

    def to_internal_value(self, data: Any) -> Address:
        address = super().to_internal_value(data)
        spelt = data.rpartition("@")[2].strip(" >").lower()
        if spelt != address.domain and not INTERNATIONAL.search(address.domain):
            fail_field("invalid_address", f"Spell the domain plainly: {address.domain}.")
        if address.address.count("@") > 1:
            # A quoted local part, which some programs would show as an address of another domain.
            fail_field("invalid_address", "The part before the last @-sign of a sender must not hold another one.")
        return address


# A label of an international name, as an A-label (RFC 5890).
INTERNATIONAL = re.compile(r"(?:^|\.)xn--")


def collect(items: Iterable[tuple[int | str, Any]], check: Callable[[Any], Any]) -> list[Any]:
    """Check every item. Raises one ValidationError with all errors, each under its index or key."""
    values, errors = [], {}
    for key, item in items:
        try:
            values.append(check(item))
        except serializers.ValidationError as error:
            errors[key] = error.detail
    if errors:
        raise serializers.ValidationError(cast(dict[str, Any], errors))
    return values


def check_line(value: object, limit: int = MAX_LINE) -> str:
    if not isinstance(value, str):
        fail_field("invalid", "Must be a string.")
    if len(value) > limit:
        fail_field("max_length", f"Must have at most {limit} characters.")
    if found := find_control_character(value):
        fail_field("control_character", f"Must not hold the control character {found}.")
    return value


class BodyField(StrictCharField):
    """HTML or text of at most 2 MiB, with any kind of line ends."""

    def to_internal_value(self, data: object) -> str:
        value: str = super().to_internal_value(data)
        if len(value) > MAX_BODY_BYTES or len(value.encode()) > MAX_BODY_BYTES:
            fail_field("max_length", "Must have at most 2 MiB.")
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": MAX_HEADERS})
class HeadersField(serializers.Field[list[tuple[str, str]], Any, dict[str, str], Any]):
    """Custom headers, as pairs in the caller's order. Headers that the service writes are rejected."""

    def to_internal_value(self, data: object) -> list[tuple[str, str]]:
        headers = check_object(data, MAX_HEADERS)
        if len({name.lower() for name in headers}) < len(headers):
            fail_field("duplicate_header", "A header occurs twice, with different case.")
        names = collect(((name, name) for name in headers), check_header_name)
        values = collect(((name, (name, value)) for name, value in headers.items()), check_header_value)
        return list(check_time_scale(dict(zip(names, values, strict=True))).items())

    def to_representation(self, value: list[tuple[str, str]]) -> dict[str, str]:
        return dict(value)


def check_header_name(name: str) -> str:
    if not NAME.fullmatch(name):
        fail_field("invalid_header_name", "Is not a header name (RFC 5322: letters, digits and hyphens).")
    is_ours = name.lower() == settings.MAIL_ID_HEADER.lower()
    if is_ours or RESERVED.fullmatch(name) or THEIRS.fullmatch(name):
        fail_field("header_reserved", "The service writes this header itself.")
    return TIME_SCALE_HEADER if name.lower() == TIME_SCALE_HEADER.lower() else name


def check_header_value(header: tuple[str, object]) -> str:
    """The value in the one form of its header's syntax."""
    name, given = header
    value = check_line(given, find_longest(name))
    try:
        read = read_header(name, value)
        # A word over the length of a line is only found by writing.
        write_header(name, read)
    except HeaderError as error:
        fail_field("invalid_header", f"{error.reason[0].upper()}{error.reason[1:]}.")
    return read


def check_time_scale(headers: dict[str, str]) -> dict[str, str]:
    """Check the simulator's header, which is a factor for its waits. Raises ValidationError."""
    given = headers.get(TIME_SCALE_HEADER, "1")
    if not TIME_SCALE.fullmatch(given) or not 0 < float(given) <= MAX_TIME_SCALE:
        error = wrong(f"Must be a number above 0, at most {MAX_TIME_SCALE}, such as 0.01.", "invalid_time_scale")
        raise serializers.ValidationError({TIME_SCALE_HEADER: [error]})
    return headers


def check_object(data: object, limit: int) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        fail_field("invalid", "Must be an object.")
    if len(data) > limit:
        fail_field("max_length", f"Must have at most {limit} members; it has {len(data)}.")
    return data


@extend_schema_field({"type": "array", "items": {"type": "string", "maxLength": MAX_TAG}, "maxItems": MAX_TAGS})
class TagsField(serializers.Field[list[str], Any, list[str], Any]):
    """Short words for filters and statistics, without duplicates."""

    def to_internal_value(self, data: object) -> list[str]:
        if not isinstance(data, list):
            fail_field("invalid", "Must be a list of strings.")
        if len(data) > MAX_TAGS:
            fail_field("max_length", f"Must have at most {MAX_TAGS} tags; it has {len(data)}.")
        return list(dict.fromkeys(collect(enumerate(data), check_tag)))

    def to_representation(self, value: list[str]) -> list[str]:
        return value


def check_tag(tag: object) -> str:
    value = check_line(tag, MAX_TAG)
    if not value.strip():
        fail_field("blank", "Must not be blank.")
    return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": MAX_METADATA})
class MetadataField(serializers.Field[dict[str, str], Any, dict[str, str], Any]):
    """The caller's own data, returned in responses, events and webhooks."""

    def to_internal_value(self, data: object) -> dict[str, str]:
        metadata = check_object(data, MAX_METADATA)
        collect(((key, key) for key in metadata), lambda key: check_line(key, MAX_METADATA_KEY))
        values = collect(metadata.items(), check_metadata_value)
        if sum(len(key.encode()) + len(str(value).encode()) for key, value in metadata.items()) > MAX_METADATA_BYTES:
            fail_field("max_length", "Must have at most 8 KiB in all.")
        return dict(zip(metadata, values, strict=True))

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        return value


def check_metadata_value(value: object) -> str:
    if not isinstance(value, str):
        fail_field("invalid", "Must be a string.")
    if "\0" in value:
        fail_field("control_character", "Must not hold the control character U+0000.")
    return value
