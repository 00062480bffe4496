"""Searches that people keep, and what the box says."""

import pytest
from django.urls import reverse

from messages.models import SavedSearch

pytestmark = pytest.mark.django_db
LIST = reverse("admin:mail_message_changelist")
SAVE = reverse("admin:mail_savedsearch_save")


def page(client, **query) -> str:
    answer = client.get(LIST, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_search_is_kept_by_its_user_alone_and_removed(sue, root) -> None:
    form = page(sue, q="to:jo", status__exact="bounced")
    assert 'name="query" value="q=to%3Ajo&amp;status__exact=bounced"' in form
    sue.post(SAVE, {"name": "Jo's bounces", "query": "q=to%3Ajo&status__exact=bounced"})
    sue.post(SAVE, {"name": "Jo's bounces", "query": "q=to%3Ajo"})
    row = SavedSearch.objects.get()
    assert (row.query, 'href="?q=to%3Ajo"' in page(sue)) == ("q=to%3Ajo", True)
    drop = reverse("admin:mail_savedsearch_drop", args=[row.pk])
    assert drop not in page(root)
    assert root.post(drop).status_code == 404
    assert sue.get(drop).status_code == 405
    sue.post(drop)
    assert not SavedSearch.objects.exists()


@pytest.mark.parametrize(
    "given", [{"name": "", "query": "q=a"}, {"name": "a", "query": ""}, {"name": "a", "query": "q" * 3000}]
)
def test_a_search_without_a_name_or_words_is_not_kept(sue, given) -> None:
    assert "Give the search a name" in sue.post(SAVE, given, follow=True).content.decode()
    assert not SavedSearch.objects.exists()


def test_terms_are_chips_and_mistakes_are_told_beside_the_box(sue, send) -> None:
    send("jo@x.test", subject="Hello")
    html = page(sue, q='to:jo "hello" status:queued')
    for rest in ("%22hello%22+status%3Aqueued", "to%3Ajo+status%3Aqueued", "to%3Ajo+%22hello%22"):
        assert f'href="?q={rest}"' in html
    html = page(sue, q="colour:red")
    assert ('role="alert"' in html, "is not a word of this search" in html) == (True, True)
    assert "Nothing was searched" in html
    html = page(sue, q="nobody")
    assert ("No messages match" in html, "Remove a chip" in html) == (True, True)
