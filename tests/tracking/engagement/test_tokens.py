"""Tokens in URLs: only ours are good, each for its own purpose, in the one form that we write."""

from uuid import uuid4

import pytest

from tracking.engagement.tokens import LENGTH, Purpose, Token, read_token, write_token


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_token_is_read_as_it_was_written(purpose: Purpose) -> None:
    token = Token(purpose, uuid4(), 999)
    text = write_token(token)
    assert len(text) == LENGTH
    assert read_token(text, purpose) == token


def test_a_token_is_good_for_one_purpose() -> None:
    text = write_token(Token(Purpose.OPEN, uuid4()))
    assert read_token(text, Purpose.UNSUBSCRIBE) is None


def test_any_changed_character_spoils_a_token() -> None:
    text = write_token(Token(Purpose.CLICK, uuid4(), 3))
    for index, char in enumerate(text):
        spoilt = text[:index] + ("A" if char != "A" else "B") + text[index + 1 :]
        assert read_token(spoilt, Purpose.CLICK) is None


@pytest.mark.parametrize("text", ["", "x", "é" * LENGTH, "=" * LENGTH, "A" * LENGTH, "A" * 5000])
def test_nonsense_is_no_token(text: str) -> None:
    assert read_token(text, Purpose.CLICK) is None


def test_another_secret_makes_other_tokens(settings: object) -> None:
    text = write_token(Token(Purpose.CLICK, uuid4()))
    settings.SECRET_KEY = "another-" * 8  # type: ignore[attr-defined]
    assert read_token(text, Purpose.CLICK) is None
