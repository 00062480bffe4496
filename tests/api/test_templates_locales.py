"""A template in several languages, and links with a project's own schemes."""

from typing import Any

import pytest

from accounts.models import Project
from accounts.project_settings import InvalidLinkSchemeError, set_link_schemes
from messages.models import Message
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db

TEMPLATE = {
    "alias": "hello",
    "subject": "Hello {{ name }}",
    "text": 'Hello, {{ 1234.5 | money: "EUR" }}',
    "default_locale": "en",
    "locales": {
        "de": {"subject": "Hallo {{ name }}", "text": 'Hallo, {{ 1234.5 | money: "EUR" }}'},
        "pt_br": {"subject": "Oi {{ name }}", "text": "Oi"},
    },
}


@pytest.fixture(autouse=True)
def _trusted(settings: Any) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["*"]


def publish(api: ApiClient, **values: Any) -> dict[str, Any]:
    made = api.post("/templates", {**TEMPLATE, **values})
    assert made.status_code == 201, made.content
    published = api.post("/templates/hello/publish")
    assert published.status_code == 200, published.content
    body: dict[str, Any] = published.json()
    return body


def send(api: ApiClient, **values: Any) -> Any:
    return api.post(
        "/emails",
        {
            "from_": "a@mine.test",
            "to": "b@rcpt.test",
            "template_id": "hello",
            "template_vars": {"name": "Jo"},
            **values,
        },
    )


@pytest.mark.parametrize(
    ("locale", "subject"),
    [
        ({}, "Hello Jo"),
        ({"locale": "de"}, "Hallo Jo"),
        ({"locale": "de-AT"}, "Hallo Jo"),
        ({"locale": "DE_at"}, "Hallo Jo"),
        ({"locale": "pt-BR"}, "Oi Jo"),
        ({"locale": "pt"}, "Hello Jo"),
        ({"locale": "en-GB"}, "Hello Jo"),
        ({"locale": "fr"}, "Hello Jo"),
        ({"locale": None}, "Hello Jo"),
    ],
)
def test_an_email_has_the_language_asked_for_or_the_nearest(api: ApiClient, locale: Any, subject: str) -> None:
    assert set(publish(api)["locales"]) == {"de", "pt-BR"}
    answer = send(api, **locale)
    assert (answer.status_code, answer.json()["subject"]) == (202, subject)
    assert Message.objects.get().subject == subject


def test_amounts_have_the_language_of_the_email(api: ApiClient) -> None:
    publish(api)
    send(api, locale="de-AT")
    assert Message.objects.get().content.text == "Hallo, 1.234,50\u00a0€"
    assert api.get(f"/emails/{Message.objects.get().pk}").json()["locale"] == "de-AT"


def test_the_default_may_be_among_the_languages(api: ApiClient) -> None:
    languages = {"de": {"subject": "Hallo", "text": "x"}, "en": {"subject": "Hi", "text": "x"}}
    publish(api, subject="", text="", locales=languages, default_locale="de")
    assert send(api).json()["subject"] == "Hallo"
    assert send(api, locale="en").json()["subject"] == "Hi"
    assert send(api, locale="fr").json()["subject"] == "Hallo"


def test_preview_and_test_take_a_language(api: ApiClient) -> None:
    publish(api)
    asked = {"template_vars": {"name": "Jo"}, "locale": "de-CH"}
    assert api.post("/templates/hello/preview", asked).json()["subject"] == "Hallo Jo"
    assert api.post("/templates/hello/preview?version=1", asked).json()["subject"] == "Hallo Jo"
    tested = api.post("/templates/hello/test", {**asked, "to": "me@rcpt.test", "from_": "a@mine.test"})
    assert (tested.status_code, tested.json()["subject"]) == (202, "Hallo Jo")


def test_a_layout_has_the_language_of_its_content(api: ApiClient) -> None:
    layout = {
        "alias": "frame",
        "name": "Frame",
        "text": "Regards\n{{ content }}",
        "locales": {"de": {"text": "Grüße\n{{ content }}"}},
    }
    api.post("/templates", layout)
    api.post("/templates/frame/publish")
    publish(api, layout="frame")
    send(api, locale="de")
    send(api, locale="fr")
    texts = list(Message.objects.order_by("id").values_list("content__text", flat=True))
    assert [text.splitlines()[0] for text in texts] == ["Grüße", "Regards"]


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"locales": {"deutsch!": {"text": "x"}}}, "locales.deutsch!", "invalid_locale"),
        ({"locales": {"de": {"text": ""}}}, "locales.de.html", "required"),
        ({"locales": {"de": {"html": "x", "mjml": "<mjml></mjml>"}}}, "locales.de.mjml", "content_conflict"),
        ({"locales": {"de": {"text": "{{ x"}}}, "locales.de.text", "template_syntax_error"),
        ({"locales": {"de": {"body": "x"}}}, "locales.de.body", "unknown_field"),
        ({"default_locale": "!"}, "default_locale", "invalid_locale"),
        ({"locales": {"de-at": {"text": "x"}, "de_AT": {"text": "y"}}}, "locales.de_AT", "duplicate_locale"),
    ],
)
def test_a_wrong_language_is_refused(api: ApiClient, values: Any, field: str, code: str) -> None:
    answer = api.post("/templates", {**TEMPLATE, **values})
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


def test_a_language_without_a_template_is_refused(api: ApiClient) -> None:
    answer = api.post(
        "/emails", {"from_": "a@mine.test", "to": "b@rcpt.test", "subject": "x", "text": "x", "locale": "de"}
    )
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("locale", "content_conflict")]


def test_a_project_may_allow_schemes_of_its_own(api: ApiClient, project: Project) -> None:
    link = {"alias": "deep", "subject": "x", "html": '<a href="myapp://open/{{ id }}">x</a>', "text": ""}
    assert api.post("/templates", link).json()["errors"][0]["code"] == "template_result_unsafe"
    set_link_schemes(project, ["MyApp:", "webcal"])
    assert api.post("/templates", link).status_code == 201
    api.post("/templates/deep/publish")
    assert send(api, template_id="deep", template_vars={"id": 1}).status_code == 202
    for wrong in ("javascript", "DATA:", "vbscript", "file", "my app", ""):
        with pytest.raises(InvalidLinkSchemeError):
            set_link_schemes(project, [wrong])
