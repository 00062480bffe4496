"""Return paths that identify their recipient."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.id_tokens import derive_key
from delivery.verp import PURPOSE, make_return_path, read_return_path

KEY, OLD_KEY = derive_key("a secret", PURPOSE), derive_key("an older secret", PURPOSE)
RECIPIENT = uuid4()
PATH = make_return_path(RECIPIENT, "bounces.shop.test", KEY)


def test_a_return_path_names_its_recipient() -> None:
    assert read_return_path(PATH, [KEY]) == RECIPIENT
    assert PATH.startswith("b+")
    assert PATH.endswith("@bounces.shop.test")
    assert len(PATH.partition("@")[0]) <= 64


def test_it_survives_a_host_that_changes_case_and_a_key_that_was_replaced() -> None:
    assert read_return_path(PATH.upper(), [KEY]) == RECIPIENT
    assert read_return_path(PATH, [OLD_KEY, KEY]) == RECIPIENT
    assert read_return_path(PATH, [OLD_KEY]) is None


@pytest.mark.parametrize("position", range(2, 44))
def test_a_return_path_changed_in_any_place_identifies_no_recipient(position: int) -> None:
    letter = "a" if PATH[position] != "a" else "b"
    changed = PATH[:position] + letter + PATH[position + 1 :]
    # The last letter carries two bits that nothing is made of.
    assert read_return_path(changed, [KEY]) in ({None} if position < 43 else {None, RECIPIENT})


@pytest.mark.parametrize(
    "address", ["", "@", "b+@x.test", "postmaster@x.test", "b+" + "a" * 42 + "@x.test", "b+" + "1" * 42 + "@x.test"]
)
def test_other_addresses_identify_no_recipient(address: str) -> None:
    assert read_return_path(address, [KEY]) is None


@given(st.text(max_size=80))
def test_no_text_is_an_error(text: str) -> None:
    assert read_return_path(text, [KEY]) is None
    assert read_return_path(f"b+{text}@x.test", [KEY]) is None
