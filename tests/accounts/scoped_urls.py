"""A root urlconf with views under scopes."""

from django.urls import include, path
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from accounts.scopes import EMAILS_READ, EMAILS_SEND, NO_SCOPE, STATS_READ
from common import problems
from common.routers import ApiRouter, api_path


class ThingViewSet(ViewSet):
    scopes = {"list": EMAILS_READ, "create": EMAILS_SEND, "cancel": EMAILS_SEND, "retrieve": EMAILS_READ}
    lookup_field = "id"

    def list(self, request):
        return Response({"project": request.user.project.name, "prefix": request.auth.prefix})

    def create(self, request):
        return Response({})

    def retrieve(self, request, id):
        return Response({})

    @action(detail=True, methods=["post"])
    def cancel(self, request, id):
        return Response({})


class PlainView(APIView):
    scopes = {"get": STATS_READ, "post": NO_SCOPE}

    def get(self, request):
        return Response({})

    def post(self, request):
        return Response({})


class ForgetfulView(APIView):
    def get(self, request):
        return Response({})


class HalfViewSet(ViewSet):
    scopes = {"list": "emails:raed"}

    def list(self, request):
        return Response({})

    def create(self, request):
        return Response({})


class OpenView(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request):
        return Response({})


router = ApiRouter()
router.register("things", ThingViewSet, basename="thing")
good = [*router.urls, api_path("plain", PlainView.as_view()), api_path("open", OpenView.as_view())]
bad = [
    api_path("forgetful", ForgetfulView.as_view()),
    api_path("half", HalfViewSet.as_view({"get": "list", "post": "create"})),
]
urlpatterns = [path("api/v1/", include("accounts.urls")), path("api/v1/", include([*good, *bad]))]
handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.not_found
handler500 = problems.server_error
