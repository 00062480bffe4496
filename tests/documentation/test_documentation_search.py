"""The search of the documentation: by subject, in any form of the word and by its other names."""

import pytest
from django.test import Client

from emailsvc.documentation.markdown import Heading
from emailsvc.documentation.search import Hit, Place, search
from emailsvc.documentation.views import list_places
from emailsvc.documentation.words import SYNONYMS, stem, to_phrase

# What a reader types, and a word that the title of a section or page has for the subject.
SUBJECTS = {
    "spf": "spf",
    "dkim": "dkim",
    "dmarc": "dmarc",
    "rate limit": "rate limit",
    "scheduling": "schedule",
    "idempotent": "idempotency",
    "pagination": "pagination",
    "reply-to": "reply-to",
    "metrics": "metrics",
    "monitoring": "monitoring",
    "roles": "roles",
    "permissions": "permissions",
    "reverse proxy": "reverse proxy",
    "localhost": "localhost",
    "upgrade": "upgrade",
    "backup": "backup",
    "retry": "retr",
    "bounce": "bounce",
    "unsubscribe": "unsubscribe",
    "attachments": "attachments",
    "inline image": "inline image",
    "template variables": "template variables",
    "webhook signature": "webhook signature",
    "test mode": "test mode",
    "suppression list": "suppression list",
}
# The same subjects under names that the guides do not use in titles.
OTHER_NAMES = {
    "nginx": "reverse proxy",
    "sandbox": "test mode",
    "blocklist": "suppression list",
    "throttling": "rate limit",
    "prometheus": "metrics",
    "restore": "restore",
    "merge tags": "template variables",
    "opt-out": "unsubscribe",
    "deduplication": "idempotency",
    "cursor": "pagination",
}


@pytest.fixture(scope="module", autouse=True)
def _site() -> None:
    """As in a running service: all views are loaded, and with them the errors that a page lists."""
    assert Client().get("/docs").status_code == 200


def titles(hit: Hit) -> str:
    return f"{hit.page} › {hit.title}".lower()


@pytest.mark.parametrize(("query", "word"), [*SUBJECTS.items(), *OTHER_NAMES.items()])
def test_a_subject_is_among_the_first_five_hits(query: str, word: str) -> None:
    found = [titles(hit) for hit in search(list_places(), query)[:5]]
    assert any(word in each for each in found), found


@pytest.mark.parametrize("query", SUBJECTS)
def test_the_first_hit_of_a_subject_is_about_it(query: str) -> None:
    """In its own words: stem by stem, not by another name."""
    first = search(list_places(), query)[0]
    assert set(to_phrase(query)) <= set(to_phrase(titles(first))), titles(first)


def place(heading: str, body: str = "", page: str = "Page") -> Place:
    return Place(url="/x", page=page, heading=Heading(level=2, anchor="x", text=heading, body=body))


def test_every_subject_of_a_query_must_be_treated() -> None:
    places = [place("Rotate the secret"), place("Rotate a key"), place("The secret")]
    assert [hit.title for hit in search(places, "secret rotation")] == ["Rotate the secret"]
    assert search(places, "secret zebra") == []
    assert search(places, " . ") == []


def test_the_word_itself_counts_more_than_another_name() -> None:
    places = [place("Reverse proxy"), place("Loopback", "localhost"), place("Localhost")]
    assert [hit.title for hit in search(places, "localhost")] == ["Localhost", "Loopback"]


def test_the_beginning_of_a_word_and_parts_of_identifiers_are_found() -> None:
    places = [place("Errors", "the code `sender_not_verified`")]
    for query in ("sender_not_verified", "verified", "verif", "sender_not"):
        assert len(search(places, query)) == 1, query


def test_an_excerpt_begins_near_the_word_in_whatever_form() -> None:
    body = "zero " * 80 + "They scheduled it. " + "end " * 80
    assert "scheduled" in search([place("A title", body)], "scheduling")[0].excerpt


def test_a_name_stands_once_in_each_group_of_synonyms() -> None:
    for group in SYNONYMS:
        phrases = [to_phrase(name) for name in group]
        assert len(set(phrases)) == len(phrases), group


@pytest.mark.parametrize(
    ("one", "other"),
    [("scheduling", "scheduled"), ("idempotent", "idempotency"), ("retries", "retry"), ("Bounces", "bounced")],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)
