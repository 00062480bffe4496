"""A header's value keeps its syntax: ids, URIs and addresses are never encoded, phrases and text always."""

from email import message_from_bytes, policy
from typing import Any

import pytest

from delivery.mime.headers import HeaderError
from delivery.mime.syntax import read_header, write_header, write_value


def read_back(field: bytes) -> Any:
    message = message_from_bytes(field + b"\r\n", policy=policy.SMTP)
    ((_, value),) = message.items()
    return value


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("In-Reply-To", "\u00a0<1@a.test>  ", "<1@a.test>"),
        ("in-reply-to", "1@a.test", "<1@a.test>"),
        ("REFERENCES", " <1@a.test>,<2@a.test>   <3@a.test> ", "<1@a.test> <2@a.test> <3@a.test>"),
        ("References", "<1@a.test><2@a.test>", "<1@a.test> <2@a.test>"),
        ("List-Unsubscribe", "<https://a.test/u?t=1,2> ", "<https://a.test/u?t=1,2>"),
        ("List-Unsubscribe", "<mailto:u@a.test>,<https://a.test/ u>", "<mailto:u@a.test>, <https://a.test/u>"),
        ("List-Help", "https://a.test/help", "<https://a.test/help>"),
        ("List-Post", " no ", "NO"),
        ("List-Archive", "<https://a.test/> (for members)", "<https://a.test/> (for members)"),
        ("List-Id", "orders.a.test", "<orders.a.test>"),
        ("List-Id", ' "Orders"   <orders.a.test>', "Orders <orders.a.test>"),
        ("Disposition-Notification-To", ' "Doe, J." <j@a.test>,k@a.test ', '"Doe, J." <j@a.test>, k@a.test'),
        ("Keywords", ' one ,"two, three" ', 'one, "two, three"'),
        ("X-Anything", "  with  spaces ", "with  spaces"),
    ],
)
def test_a_value_has_one_form_without_edges(name: str, given: str, value: str) -> None:
    assert read_header(name, given) == value
    assert str(read_back(write_header(name, given))) == value


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("In-Reply-To", ""),
        ("In-Reply-To", "your mail of Monday"),
        ("In-Reply-To", "<ü@a.test>"),
        ("References", "<1@a.test> and <2@a.test>"),
        ("References", "<1@a.test"),
        ("List-Unsubscribe", "unsubscribe here"),
        ("List-Unsubscribe", "<>"),
        ("List-Unsubscribe", "<https://a.test/ü>"),
        ("List-Unsubscribe", "<https://a.test/" + "x" * 1100 + ">"),
        ("List-Id", "Orders"),
        ("List-Id", "Orders <ä.test>"),
        ("Errors-To", "nobody"),
        ("Errors-To", "J <j@ü.test>"),
        ("Errors-To", "j@a.test; k@a.test"),
        ("Keywords", " , "),
        ("In-Reply-To", "<1@a.test>\r\nBcc: x@y.test"),
    ],
)  # fmt: skip
def test_a_value_of_another_syntax_is_refused(name: str, given: str) -> None:
    with pytest.raises(HeaderError) as caught:
        write_header(name, given)
    assert caught.value.header == name
    assert "a.test" not in caught.value.reason


@pytest.mark.parametrize(
    ("name", "given", "tail"),
    [
        ("List-Id", "Bestellungen für Käse <orders.a.test>", b" <orders.a.test>\r\n"),
        ("Return-Receipt-To", "Jürgen <j@a.test>", b" <j@a.test>\r\n"),
        ("Keywords", "Käse, Brot", b", Brot\r\n"),
    ],
)
def test_of_a_phrase_only_the_words_are_encoded(name: str, given: str, tail: bytes) -> None:
    field = write_header(name, given)
    assert field.isascii()
    assert field.endswith(tail)
    assert b"=?utf-8?" in field
    assert str(read_back(field)).replace("  ", " ") == given
    assert write_value(name, given) == field.partition(b": ")[2].decode().replace("\r\n", "").strip()


def test_a_service_that_encodes_by_itself_gets_text_unencoded() -> None:
    assert write_value("X-Order", " Käse ") == "Käse"
    assert write_value("In-Reply-To", " <1@a.test>") == "<1@a.test>"


def test_long_references_keep_the_first_id_and_the_last_ones() -> None:
    ids = [f"<{number:04}.{'x' * 40}@mail.a.test>" for number in range(150)]
    value = read_header("References", "\t".join(ids).replace("\t", " "))
    kept = value.split(" ")
    assert kept[0] == ids[0]
    assert kept[1:] == ids[-len(kept) + 1 :]
    assert 900 < len(f"References: {value}") <= 998
    field = write_header("References", value)
    assert max(map(len, field.split(b"\r\n"))) <= 76
    assert str(read_back(field)) == value
    assert read_header("References", value) == value
    short = " ".join(ids[:10])
    assert read_header("References", short) == short


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Errors-To", "a" + " " * 8_000 + "b"),
        ("Errors-To", "a@b.test," + " " * 8_000 + "b"),
        ("Errors-To", '"' + "\\" * 8_000),
        ("Errors-To", "a b " * 2_000),
        ("List-Id", "a" + " " * 900 + "b"),
        ("List-Id", "<" * 900),
        ("References", "a@" * 30_000),
        ("List-Help", "(" * 8_000),
    ],
)
def test_hostile_values_are_read_once(name: str, given: str) -> None:
    with pytest.raises(HeaderError):
        write_header(name, given)


def test_of_two_long_ids_the_parent_is_kept() -> None:
    first, last = (f"<{letter * 600}@a.test>" for letter in "ab")
    assert read_header("References", f"{first} {last}") == last
