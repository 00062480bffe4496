"""Large JSON bodies: files stay in the request's file, and every rule of strict JSON holds."""

import json
from base64 import b64encode
from hashlib import sha256
from random import Random
from tempfile import TemporaryFile
from typing import Any

import pytest

from accounts.idempotency import fingerprint
from common.errors import ApiError
from common.large_json.cutting import parse_large
from common.large_json.spooled import LONG, SpooledText, WrongEndError
from common.strict_json import parse_json

FILE_FIELD = ("attachments", "content_b64")
BYTES = Random(1).randbytes(LONG)
LONG_TEXT = b64encode(BYTES).decode()


def parse(body: bytes) -> Any:
    with TemporaryFile(buffering=0) as file:
        file.write(body)
        return parse_large(file.fileno(), max_values=500_000, file_field=FILE_FIELD)


def email(content: object, **fields: object) -> dict[str, object]:
    return {"to": "a@b.test", "attachments": [{"filename": "a", "content_b64": content}], **fields}


def whole(value: Any) -> Any:
    """The value with every long string in memory."""
    match value:
        case SpooledText():
            return value.read_text()
        case list():
            return [whole(item) for item in value]
        case dict():
            return {key: whole(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("size", [LONG, LONG + 1, LONG + 2, 3 * LONG + 7])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_files_content_is_decoded_from_the_body(size: int, end: str) -> None:
    content = Random(size).randbytes(size)
    text = b64encode(content).decode()
    lines = end.join(text[place : place + 76] for place in range(0, len(text), 76)) if end else text
    for body in (json.dumps(email(lines)), json.dumps(email(lines)).replace("/", "\\/")):
        found = parse(body.encode())["attachments"][0]["content_b64"]
        assert isinstance(found, SpooledText)
        assert len(found) < 100
        decoded = found.decode()
        assert (decoded.size, decoded.digest, decoded.read()) == (size, sha256(content).digest(), content)
        assert found.read_text() == lines


def test_long_strings_are_whole_everywhere_else() -> None:
    value = [email("QUJD", text=LONG_TEXT, metadata={LONG_TEXT: [LONG_TEXT], "content_b64": LONG_TEXT}), LONG_TEXT]
    assert parse(json.dumps(value).encode()) == value
    batch = parse(json.dumps([email(LONG_TEXT)]).encode())
    assert isinstance(batch[0]["attachments"][0]["content_b64"], SpooledText)


@pytest.mark.parametrize("wrong", ["é", " ", "-", "=A", "\\u0041", "data:"])
def test_what_is_no_base64_is_whole_so_that_the_error_names_its_cause(wrong: str) -> None:
    found = parse(json.dumps(email(LONG_TEXT)).replace(LONG_TEXT, f"{LONG_TEXT}{wrong}AAA").encode())
    assert not isinstance(found["attachments"][0]["content_b64"], SpooledText)


@pytest.mark.parametrize("end", ["A", "AA", "AB==", "AAB=", "A===", "AA=", "=="])
def test_a_wrong_end_is_found(end: str) -> None:
    text = b64encode(BYTES[: LONG // 3 * 3]).decode() + end
    found = parse(json.dumps(email(text)).encode())["attachments"][0]["content_b64"]
    if isinstance(found, SpooledText):
        with pytest.raises(WrongEndError):
            found.decode()
    assert whole(found) == text


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "}",
        lambda text: text[:-1] + ',"to": 1}',
        lambda text: text[:-1] + ',"a": ' + "[" * 40 + "]" * 40 + "}",
        lambda text: text[:-1] + ',"a": NaN}',
        lambda text: text[:-1] + ',"a": "\\ud800"}',
        lambda text: text[:-1] + ',"a": 1' + "0" * 30 + "}",
        lambda text: text[:-3],
        lambda text: '{"a": "' + LONG_TEXT,
        lambda text: '{"a": "\\"' * 1000 + LONG_TEXT,
    ],
)
def test_an_error_is_the_same_as_without_files(change: Any) -> None:
    body = change(json.dumps(email(LONG_TEXT))).encode()
    found = []
    for read in (parse, lambda body: parse_json(bytearray(body))):
        with pytest.raises(ApiError) as error:
            read(body)
        found.append((error.value.public_code, error.value.detail, error.value.errors))
    assert found[0] == found[1]


def test_invalid_utf_8_is_named_at_its_place() -> None:
    with pytest.raises(ApiError, match=str(LONG)):
        parse(b'"' + b" " * (LONG - 1) + b"\xff" + b'"')


def test_an_idempotent_request_has_the_same_fingerprint_in_both_forms() -> None:
    value = [email(LONG_TEXT[:76] + "\r\n" + LONG_TEXT, text="é"), email(LONG_TEXT + "AAAA")]
    parsed = parse(json.dumps(value).encode())
    assert fingerprint("POST", "/a", parsed) == fingerprint("POST", "/a", value)
    other = parse(json.dumps([value[0], email(LONG_TEXT + "AAAB")]).encode())
    assert fingerprint("POST", "/a", other) != fingerprint("POST", "/a", value)
