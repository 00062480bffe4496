"""Tokens in URLs: only ours are valid, each for its own purpose, in exactly one form."""

from uuid import uuid4

import pytest

from tracking.engagement.tokens import LENGTH, Token, TokenPurpose, read_token, write_token


@pytest.mark.parametrize("purpose", list(TokenPurpose))
def test_a_token_is_read_as_it_was_written(purpose: TokenPurpose) -> None:
    token = Token(purpose, uuid4(), 999)
    text = write_token(token)
    assert len(text) == LENGTH
    assert read_token(text, purpose) == token


def test_a_token_is_good_for_one_purpose() -> None:
    text = write_token(Token(TokenPurpose.OPEN, uuid4()))
    assert read_token(text, TokenPurpose.UNSUBSCRIBE) is None


def test_any_changed_character_spoils_a_token() -> None:
    text = write_token(Token(TokenPurpose.CLICK, uuid4(), 3))
    for index, char in enumerate(text):
        spoilt = text[:index] + ("A" if char != "A" else "B") + text[index + 1 :]
        assert read_token(spoilt, TokenPurpose.CLICK) is None


@pytest.mark.parametrize("text", ["", "x", "é" * LENGTH, "=" * LENGTH, "A" * LENGTH, "A" * 5000])
def test_nonsense_is_no_token(text: str) -> None:
    assert read_token(text, TokenPurpose.CLICK) is None


def test_another_secret_makes_other_tokens(settings: object) -> None:
    text = write_token(Token(TokenPurpose.CLICK, uuid4()))
    settings.SECRET_KEY = "another-" * 8  # type: ignore[attr-defined]
    assert read_token(text, TokenPurpose.CLICK) is None


def test_a_token_of_an_earlier_key_stays_good(settings) -> None:
    token = Token(TokenPurpose.CLICK, uuid4(), 2)
    text = write_token(token)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key " * 4
    settings.SECRET_KEY_FALLBACKS = []
    assert read_token(text, TokenPurpose.CLICK) is None
    settings.SECRET_KEY_FALLBACKS = ["a third key " * 4, old]
    assert read_token(text, TokenPurpose.CLICK) == token
    assert write_token(token) != text
