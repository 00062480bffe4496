"""A root urlconf with small views, for tests of middleware and error handlers."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from common import problems
from common.errors import ConflictError, NotFoundError
from common.parsers import MAX_BATCH_BODY, read_array, read_object, read_optional_object


class PartSerializer(serializers.Serializer):
    content = serializers.CharField(max_length=3)


class WholeSerializer(serializers.Serializer):
    name = serializers.CharField()
    to = serializers.ListField(child=serializers.CharField(max_length=5))
    parts = PartSerializer(many=True)

    def validate(self, attrs):
        if attrs["name"] == "conflict":
            raise serializers.ValidationError("Not both.", code="content_conflict")
        return attrs


class OpenView(APIView):
    authentication_classes = ()
    permission_classes = ()


class EchoView(OpenView):
    def post(self, request):
        return Response({"body": read_object(request)})


class ListEchoView(OpenView):
    max_body = MAX_BATCH_BODY

    def post(self, request):
        return Response({"count": len(read_array(request))})


class OptionalView(OpenView):
    def post(self, request):
        return Response({"body": read_optional_object(request)})


class IgnoringView(OpenView):
    def post(self, request):
        return Response({"done": True})


class CheckedView(OpenView):
    def post(self, request):
        WholeSerializer(data=read_object(request)).is_valid(raise_exception=True)
        return Response({})


FAULTS = {
    "conflict": ConflictError(),
    "not-found": NotFoundError(),
    "django-404": Http404("secret name of a table"),
    "denied": PermissionDenied(),
    "suspicious": SuspiciousOperation(),
    "database": OperationalError("could not connect"),
    "bug": ZeroDivisionError("division by zero"),
    "row": IntegrityError("Failing row contains (ann@private.test)"),
    "throttled": exceptions.Throttled(wait=7),
}


class FaultyView(OpenView):
    def get(self, request, kind):
        if kind == "behind-a-row":
            try:
                raise FAULTS["row"]
            except IntegrityError:
                raise RuntimeError("could not store") from None
        raise FAULTS[kind]


def faulty_function(request: HttpRequest, kind: str) -> HttpResponse:
    raise FAULTS[kind]


def read_form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(len(request.POST))


urlpatterns = [
    path("api/v1/echo", EchoView.as_view()),
    path("api/v1/list", ListEchoView.as_view()),
    path("api/v1/optional", OptionalView.as_view()),
    path("api/v1/ignoring", IgnoringView.as_view()),
    path("api/v1/checked", CheckedView.as_view()),
    path("api/v1/faults/<kind>", FaultyView.as_view()),
    path("api/v1/functions/<kind>", faulty_function),
    path("api/v1/form", read_form),
    path("pages/<kind>", faulty_function),
]
handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.not_found
handler500 = problems.server_error
