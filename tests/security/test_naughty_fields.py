"""Strings that break programs, in every text field that the API's document describes."""

from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from tests.api.test_frame import BODIES
from tests.api.test_naughty_strings import FEW, UNSAFE
from tests.architecture.test_tenancy import fill, owned, resource_of  # noqa: F401  a fixture
from tests.conftest import ApiClient
from tests.security.described_fields import DescribedField, list_fields

pytestmark = pytest.mark.django_db
STRINGS = [text for text in FEW if text and not any(part in text for part in UNSAFE)]
# Of each field; the next field gets the next ones.
EACH = 5
# What the object may be in for reasons of its own.
OTHER = {404, 409}
# Names of languages are shown with their usual letters: `nan` is Min Nan.
ANY_CASE = {"locale", "default_locale"}
# What is wrong with a body that has this field and lacks others.
BESIDE = {"required", "content_conflict"}


def list_good_bodies(owned: Any) -> Mapping[tuple[str, str], Any]:  # noqa: F811
    """The accepted bodies by method and filled path."""
    found = {}
    for route, body in BODIES.items():
        method, _, path = route.partition(" ")
        found[method, fill(path, owned.get(resource_of(f"/api/v1{path}"), {}))] = body
    return found


def is_free_text(each: DescribedField) -> bool:
    return each.type == "string" and not {"enum", "format"} & each.schema.keys()


def test_every_string_comes_back_as_it_was_or_is_refused_by_name(
    api: ApiClient,
    admin_api: ApiClient,
    owned: Any,  # noqa: F811
    settings: Any,
) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["*"]
    document = SchemaGenerator().get_schema(request=None, public=True)
    bodies, strings, shown = list_good_bodies(owned), cycle(STRINGS), 0
    for each in filter(is_free_text, list_fields(document, owned)):
        good = bodies.get((each.method, each.path), {})
        if not isinstance(good, dict) or each.path.endswith("/verify"):
            continue
        client = admin_api if each.path.startswith("/admin/") else api
        for text in islice(strings, EACH):
            with transaction.atomic():
                answer = client.request(each.method, each.path, {**good, each.name: text})
                transaction.set_rollback(True)
            told = answer.json()
            if answer.status_code == 422:
                # Without a good body of the route other fields are missing.
                errors = [(error["field"], error["code"]) for error in told["errors"]]
                assert errors, (each, text)
                assert all(name.startswith(each.name) or code in BESIDE for name, code in errors), (each, text, errors)
            elif answer.status_code < 300 and isinstance(told.get(each.name), str):
                known = {text, text.strip(), *([text.lower()] if each.name in ANY_CASE else [])}
                assert told[each.name] in known, (each, text, told[each.name])
                shown += 1
            else:
                assert answer.status_code < 300 or answer.status_code in OTHER, (each, text, told)
    assert shown > 20
