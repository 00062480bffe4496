"""Templates at Resend's door, by resend-python itself."""

from typing import Any

import pytest
import resend
from hypothesis import given
from hypothesis import strategies as st
from resend.exceptions import ResendError

from gateways.resend.template_variables import find_fallbacks, from_liquid, read_variables, to_liquid
from messages.models import Message
from tests.gateways.resend.conftest import BASE, refused

pytestmark = pytest.mark.django_db

TEMPLATE: Any = {
    "name": "Receipt",
    "alias": "receipt",
    "subject": "Order {{{ORDER}}}",
    "html": "<p>{{{ WHO }}} ordered {{{ORDER}}} of {{{COUNT}}}</p>",
    "variables": [
        {"key": "WHO", "type": "string", "fallback_value": "somebody"},
        {"key": "ORDER", "type": "string"},
        {"key": "COUNT", "type": "number", "fallback_value": 2.5},
    ],
}


@pytest.fixture
def made(sdk: None) -> str:
    return str(resend.Templates.create(TEMPLATE)["id"])


def test_a_template_is_made_shown_published_and_sent(made, sent):
    found: Any = resend.Templates.get("receipt")
    assert (found["id"], found["status"], found["published_at"]) == (made, "draft", None)
    assert found["html"] == "<p>{{{WHO}}} ordered {{{ORDER}}} of {{{COUNT}}}</p>"
    assert {each["key"]: (each["type"], each["fallback_value"]) for each in found["variables"]} == {
        "WHO": ("string", "somebody"),
        "ORDER": ("string", None),
        "COUNT": ("number", 2.5),
    }
    assert resend.Templates.publish(made)["id"] == made
    published: Any = resend.Templates.get(made)
    assert (published["status"], published["has_unpublished_versions"]) == ("published", False)
    template = {"id": "receipt", "variables": {"ORDER": "7"}}
    mail: Any = {"from": "shop@mine.test", "to": "one@rcpt.test", "template": template}
    email = sent(resend.Emails.send(mail)["id"])
    assert (email.subject, email.content.html) == ("Order 7", "<p>somebody ordered 7 of 2.5</p>")


def test_a_variable_without_a_fallback_is_needed(made):
    resend.Templates.publish(made)
    mail: Any = {"from": "shop@mine.test", "to": "one@rcpt.test", "template": {"id": made, "variables": {}}}
    with pytest.raises(ResendError, match="ORDER"):
        resend.Emails.send(mail)
    assert not Message.objects.exists()


def test_a_change_keeps_the_fallbacks_and_new_variables_replace_them(made):
    resend.Templates.update({"id": made, "html": "<p>{{{WHO}}}</p>", "text": ""})
    assert fallbacks(made) == {"WHO": "somebody", "ORDER": None}
    resend.Templates.update({"id": made, "variables": [{"key": "WHO", "type": "string", "fallback_value": "you"}]})
    assert fallbacks(made) == {"WHO": "you", "ORDER": None}
    assert resend.Templates.get(made)["html"] == "<p>{{{WHO}}}</p>"


def fallbacks(ref: str) -> dict[str, Any]:
    found: Any = resend.Templates.get(ref)
    return {each["key"]: each["fallback_value"] for each in found["variables"]}


def test_a_copy_is_a_draft_without_the_alias(made):
    resend.Templates.publish(made)
    copy: Any = resend.Templates.get(resend.Templates.duplicate("receipt")["id"])
    assert (copy["alias"], copy["status"], copy["subject"]) == (None, "draft", TEMPLATE["subject"])
    assert copy["id"] != made


def test_templates_are_listed_in_both_directions_and_removed(made):
    others = [resend.Templates.create({"name": name, "html": "<p>Hi</p>"})["id"] for name in ("B", "C")]
    page: Any = resend.Templates.list({"limit": 2})
    assert ([row["id"] for row in page["data"]], page["has_more"]) == (others[::-1], True)
    rest: Any = resend.Templates.list({"limit": 2, "after": others[0]})
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == ([made], False)
    back: Any = resend.Templates.list({"limit": 2, "before": made})
    assert [row["id"] for row in back["data"]] == others[::-1]
    assert resend.Templates.remove(made)["deleted"] is True
    assert refused(lambda: resend.Templates.get(made)) == ("not_found", 404)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"from": "a@mine.test"}, "from"),
        ({"reply_to": ["a@mine.test"]}, "reply_to"),
        ({"html": 5}, "html"),
        ({"layout": "x"}, "layout"),
        ({"html": "{% if %}"}, "html"),
        ({"variables": "X"}, "variables"),
        ({"variables": [{"key": "1X", "type": "string"}]}, "variables[0].key"),
        ({"variables": [{"key": "X", "type": "date"}]}, "variables[0].type"),
        ({"variables": [{"key": "X", "type": "number", "fallback_value": "1"}]}, "variables[0].fallback_value"),
        ({"variables": [{"key": "X", "type": "number", "fallback_value": True}]}, "variables[0].fallback_value"),
        ({"variables": [{"key": "X", "type": "number", "fallback_value": 1e300}]}, "variables[0].fallback_value"),
        ({"variables": [{"key": "X", "type": "string", "fallback_value": "a}}b"}]}, "variables[0].fallback_value"),
        ({"variables": [{"key": "X", "type": "string"}] * 2}, "variables[1].key"),
    ],
)
def test_a_wrong_field_is_named(api, fields, named):
    answer = api.post(f"{BASE}/templates", {"name": "A", "html": "<p>Hi</p>", **fields})
    assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")
    assert named in answer.json()["message"]


def test_anothers_template_does_not_exist(made, other_api, use_sdk):
    use_sdk(other_api)
    for call in (
        lambda: resend.Templates.get(made),
        lambda: resend.Templates.update({"id": made, "name": "X"}),
        lambda: resend.Templates.publish(made),
        lambda: resend.Templates.duplicate(made),
        lambda: resend.Templates.remove(made),
    ):
        assert refused(call) == ("not_found", 404)
    assert resend.Templates.list()["data"] == []


LITERALS = st.one_of(
    st.none(),
    st.integers(-(10**9), 10**9),
    st.text(st.characters(exclude_characters="{}\"'", exclude_categories=("Cs", "Cc")), max_size=20),
)


@given(fallback=LITERALS, around=st.text("ab {}\n", max_size=10))
def test_placeholders_come_back_as_they_were(fallback, around):
    kind = "number" if isinstance(fallback, int) else "string"
    variables = read_variables([{"key": "NAME", "type": kind, "fallback_value": fallback}])
    text = f"{around} {{{{{{NAME}}}}}} {around}"
    written = to_liquid(text, variables)
    assert find_fallbacks(written).get("NAME") == fallback
    assert from_liquid(written) == text
