"""Paths with and without a trailing slash."""

from types import ModuleType

import pytest
from django.test import Client
from django.urls import include, path, reverse
from drf_spectacular.generators import SchemaGenerator
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.viewsets import ProjectView
from common import problems
from common.routers import ApiRouter, api_path

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


class ThingViewSet(ProjectView, ViewSet):
    unaudited = frozenset({"create", "batch", "cancel"})
    authentication_classes = ()
    permission_classes = ()
    lookup_field = "id"

    def list(self, request):
        return Response("list")

    def create(self, request):
        return Response("create")

    def retrieve(self, request, id):
        return Response(str(id))

    @action(detail=True, methods=["post"])
    def cancel(self, request, id):
        return Response("cancel")

    @action(detail=False, methods=["post"])
    def batch(self, request):
        return Response("batch")


router = ApiRouter()
router.register("things", ThingViewSet, basename="thing")
plain = ThingViewSet.as_view({"get": "list"})
urls = ModuleType("urls")
urls.urlpatterns = [path("api/v1/", include([*router.urls, api_path("plain", plain, name="plain")]))]
urls.handler404 = problems.not_found
pytestmark = pytest.mark.urls(urls)


@pytest.mark.parametrize(
    ("method", "route", "answer"),
    [
        ("get", "things", "list"),
        ("post", "things", "create"),
        ("get", f"things/{ID}", ID),
        ("post", f"things/{ID}/cancel", "cancel"),
        ("post", "things/batch", "batch"),
        ("get", "plain", "list"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_both_forms_are_served(method, route, answer, slash):
    response = getattr(Client(), method)(f"/api/v1/{route}{slash}")
    assert (response.status_code, response.json()) == (200, answer)


@pytest.mark.parametrize(
    "route", ["things//", "things/5", "things/abc/cancel", f"things/{ID}x", "plain//", "", "thing"]
)
def test_anything_else_is_404(route):
    response = Client().get(f"/api/v1/{route}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_links_have_no_slash():
    assert reverse("thing-list") == "/api/v1/things"
    assert reverse("thing-cancel", kwargs={"id": ID}) == f"/api/v1/things/{ID}/cancel"


def test_the_document_has_each_path_once_and_without_a_slash():
    schema = SchemaGenerator(urlconf=urls).get_schema(public=True)
    expected = {"/things", "/things/{id}", "/things/{id}/cancel", "/things/batch", "/plain"}
    assert set(schema["paths"]) == {f"/api/v1{route}" for route in expected}
