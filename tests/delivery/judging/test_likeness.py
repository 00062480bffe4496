"""Which refusals are alike."""

import pytest

from delivery.judging.likeness import MAX_COUNT, find_common_words, names_mailbox


@pytest.mark.parametrize(
    ("of_ann", "of_bob"),
    [
        (
            "5.1.1 <ann@a.test>: recipient failed rule R77 (queue 4F2Bd81) [192.0.2.7]",
            "5.1.1 <bob@b.test>: recipient failed rule R78 (queue 99AbC) [2001:db8::7]",
        ),
        (
            "550 mx1.a.test: rejected at 10:00:00 by gateway ann, see https://a.test/e?x=Zq",
            "550 mx7.eu.b.test: rejected at 11:30:09 by gateway bob, see https://b.test/help",
        ),
        ("Directory lookup of ann gave nothing", "DIRECTORY  lookup of BOB gave\tnothing"),
        ("адрес ann@a.test отклонён сервером 7", "адрес bob@b.test отклонён сервером 12"),
    ],
)
def test_refusals_that_differ_in_addresses_hosts_and_ids_are_alike(of_ann: str, of_bob: str) -> None:
    assert find_common_words(of_ann, "ann@a.test") == find_common_words(of_bob, "bob@b.test") != ""


def test_other_words_are_not_alike() -> None:
    assert find_common_words("rule one failed", "a@x.test") != find_common_words("rule two failed", "a@x.test")


@pytest.mark.parametrize(
    "text", ["", "5.1.1", "<ann@a.test>", "550 5.1.1 [192.0.2.1] 4F2B", "ann@a.test mx.a.test", "…"]
)
def test_without_words_nothing_is_alike(text: str) -> None:
    assert find_common_words(text, "ann@a.test") == ""


def test_long_texts_are_cut() -> None:
    assert len(find_common_words("word " * 100_000, "a@x.test").split()) == MAX_COUNT


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        ("5.1.1 <a@x.test>: user unknown", True),
        ("No such mailbox here", True),
        ("the domain x.test does not exist", False),
        ("5.1.1 rejected by rule 7", False),
        ("", False),
    ],
)
def test_only_clear_words_about_one_mailbox_are_known(text: str, is_known: bool) -> None:
    assert names_mailbox(text) is is_known
