"""Header fields that SES reads, and those in which django-anymail sends tags and metadata by SES.

Source: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import ApiError
from common.strict_json import parse_json
from gateways.compat.rewriting import reject

STREAM, PAIRS, TAG, METADATA = "x-ses-configuration-set", "x-ses-message-tags", "x-tag", "x-metadata"
OWN_HEADERS = frozenset({STREAM, PAIRS, TAG, METADATA})


def read_own_headers(values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The fields of a request that the values of `OWN_HEADERS` give. Raises InvalidFieldsError."""
    fields: dict[str, Any] = {}
    if TAG in values:
        fields["tags"] = list(values[TAG])
    if STREAM in values:
        fields["stream"] = read_single(values, STREAM, "stream")
    if PAIRS in values:
        fields["metadata"] = read_message_tags(read_single(values, PAIRS, "metadata"))
    if METADATA in values:
        text = read_single(values, METADATA, "metadata")
        found = read_metadata(text)
        # Another program's header of this name is a header.
        fields |= (
            {"headers": {"X-Metadata": text}}
            if found is None
            else {"metadata": {**fields.get("metadata", {}), **found}}
        )
    return fields


def read_single(values: Mapping[str, Sequence[str]], name: str, path: str) -> str:
    if len(values[name]) > 1:
        reject(path, f"The header {name} occurs twice.", "duplicate_header")
    return values[name][0]


def read_message_tags(text: str) -> dict[str, str]:
    """`name=value, name=value` as an object."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        reject("metadata", "X-SES-MESSAGE-TAGS: Must be name=value pairs with commas between.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def read_metadata(text: str) -> dict[str, str] | None:
    """The object in JSON, its values as texts; None if it is none."""
    try:
        given = parse_json(text.encode())
    except ApiError:
        return None
    if not isinstance(given, dict):
        return None
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
