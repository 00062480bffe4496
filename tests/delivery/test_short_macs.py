"""HMACs of short texts are those of the standard library."""

import hmac
from base64 import b32encode
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from delivery.id_tokens import make_token, read_token
from delivery.short_macs import make_mac


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_mac_is_that_of_the_standard_library(key: bytes, data: bytes) -> None:
    assert make_mac(key, data) == hmac.digest(key, data, "sha256")


@given(st.uuids(), st.binary(min_size=32, max_size=32))
def test_a_token_is_base32_of_the_id_and_its_mac(id_: UUID, key: bytes) -> None:
    data = id_.bytes + hmac.digest(key, id_.bytes, "sha256")[:10]
    token = make_token(id_, key)
    assert token == b32encode(data).decode().rstrip("=").lower()
    assert read_token(token, [key]) == id_
