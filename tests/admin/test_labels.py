"""The words of lists, forms and paths in the admin."""

import re

import pytest
from bs4 import BeautifulSoup
from django.apps import apps
from django.contrib.admin import site
from django.urls import reverse
from django.utils import timezone

from domains.models import Domain
from emailsvc.admin_site.labels import SPELLINGS, spell_label

pytestmark = pytest.mark.django_db
# Written in capitals wherever people read them.
ABBREVIATIONS = {word.title() for word in SPELLINGS} | set(
    re.findall(
        r"\w+", "Arf Cname Csv Dmarc Dsn Esp Http Https Imap Json Mta Mx Oauth Oidc Rsa Ses Smtp Sns Spf Txt Uri Utc"
    )
)
MISSPELT = re.compile(rf"\b({'|'.join(sorted(ABBREVIATIONS))})\b")
MODELS = sorted(site._registry, key=lambda model: model._meta.label)


def read_path(html: bytes) -> list[str]:
    return [place.get_text(strip=True) for place in BeautifulSoup(html, "html.parser").select(".place")]


def list_misspelt(html: bytes) -> list[str]:
    soup = BeautifulSoup(html, "html.parser")
    return MISSPELT.findall(soup.get_text(" ") + " ".join(tag["data-label"] for tag in soup.select("[data-label]")))


def test_abbreviations_are_spelled_as_such():
    assert (spell_label("original message id"), spell_label("api key"), spell_label("tidy url")) == (
        "original message ID",
        "API key",
        "tidy URL",
    )


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_lists_and_forms_spell_abbreviations(root, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    pages = [reverse(f"{name}_changelist")]
    if site.get_model_admin(model).has_add_permission(root.get(reverse("admin:index")).wsgi_request):
        pages.append(reverse(f"{name}_add"))
    assert {page: list_misspelt(root.get(page).content) for page in pages} == {page: [] for page in pages}


def test_names_and_choices_of_all_fields_spell_abbreviations():
    words = {
        f"{field}: {word}"
        for model in apps.get_models()
        for field in model._meta.local_fields
        # Others are translated by their package.
        if isinstance(field.verbose_name, str)
        # A value without a label is a word of the API.
        for word in (field.verbose_name, *(str(label) for value, label in field.choices or () if value != label))
    }
    assert [told for told in words if MISSPELT.search(told.split(": ")[1].title()) and spell_label(told) != told] == []
    assert [told for told in words if MISSPELT.search(told.split(": ")[1])] == []


def test_what_is_one_line_is_entered_in_one_line(root):
    pause = BeautifulSoup(root.get(reverse("admin:mail_pause_add")).content, "html.parser")
    template = BeautifulSoup(root.get(reverse("admin:templates_template_add")).content, "html.parser")
    assert [pause.select_one(f"[name={name}]").name for name in ("kind", "value", "reason")] == [
        "select",
        "input",
        "input",
    ]
    assert template.select_one("[name=default_locale]").name == "input"


def test_a_kind_of_provider_is_spelled_in_its_list_and_its_form(root):
    assert list_misspelt(root.get(reverse("admin:providers_provider_add") + "?kind=smtp").content) == []


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("providers.provider", ["Setup", "Providers"]),
        ("tracking.suppression", ["Mail", "Suppressions"]),
        ("accounts.membership", ["People", "Members"]),
        ("accounts.apikey", ["Setup", "API keys"]),
        ("django_celery_beat.intervalschedule", ["Periodic Tasks", "Intervals"]),
    ],
)
def test_the_path_of_a_list_is_that_of_the_menu(root, label, path):
    assert read_path(root.get(reverse(f"admin:{label.replace('.', '_')}_changelist")).content) == path


def test_the_path_of_a_page_ends_with_the_name_as_it_is(root, project):
    domain = Domain.objects.create(project=project, name="shop.example.com", next_check_at=timezone.now())
    page = root.get(reverse("admin:domains_domain_change", args=[domain.pk]))
    assert read_path(page.content) == ["Setup", "Domains", "shop.example.com"]


def test_every_list_of_the_menu_names_itself_as_the_menu_does(root):
    soup = BeautifulSoup(root.get(reverse("admin:index")).content, "html.parser")
    links = {
        a["href"]: a.get_text(" ", strip=True) for a in soup.select("nav a[href$='/']") if a["href"].count("/") == 4
    }
    assert len(links) > 20
    for link, words in links.items():
        assert read_path(root.get(link).content)[-1] in words


def test_an_empty_list_says_so_and_a_search_without_a_result_too(root):
    url = reverse("admin:webhooks_webhookdelivery_changelist")
    plain, searched = root.get(url).content.decode(), root.get(url + "?q=01a2").content.decode()
    assert "There are no webhook deliveries." in plain
    assert "Show all" not in plain
    assert "No webhook deliveries match the search and the filters." in searched
    assert 'href="?"' in searched
