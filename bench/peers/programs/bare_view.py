"""A bare DRF view: validation and one INSERT for an email, `many=True` and `bulk_create` for a batch.

It is what a Django project writes first: no key, no rules, no events. gunicorn runs it with settings of its own;
PGHOST, PGDATABASE and PGUSER name the database.
"""

import os
from typing import Any

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "USER": os.environ["PGUSER"],
            "HOST": os.environ["PGHOST"],
            "CONN_MAX_AGE": None,
        }
    },
    # It adds Content-Length, as in every new project; connections are kept then.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
    SECRET_KEY="bench",
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from common.ids import new_id  # noqa: E402


class BareEmail(models.Model):
    """The only row. The benchmark creates the table."""

    id = models.UUIDField(primary_key=True, default=new_id)
    from_address = models.TextField()
    to_address = models.TextField()
    subject = models.TextField()
    text = models.TextField()

    class Meta:
        app_label = "bench"
        managed = False
        db_table = "bench_drf"

    def __str__(self) -> str:
        return self.subject


# Its default manager; the type checker knows only installed apps.
emails: Any = BareEmail._default_manager


class BareEmailInput(serializers.Serializer[BareEmail]):
    from_ = serializers.CharField(source="from_address", max_length=320)
    to = serializers.EmailField(source="to_address")
    subject = serializers.CharField(max_length=998)
    text = serializers.CharField()


class OneEmail(APIView):
    def post(self, request: Request) -> Response:
        form = BareEmailInput(data=request.data)
        form.is_valid(raise_exception=True)
        email = emails.create(**form.validated_data)
        return Response({"id": str(email.pk)}, status=202)


class ManyEmails(APIView):
    def post(self, request: Request) -> Response:
        form: Any = BareEmailInput(data=request.data, many=True)
        form.is_valid(raise_exception=True)
        made = emails.bulk_create([BareEmail(**row) for row in form.validated_data])
        return Response({"data": [{"id": str(email.pk)} for email in made]}, status=202)


urlpatterns = [path("emails", OneEmail.as_view()), path("emails/batch", ManyEmails.as_view())]
application = get_wsgi_application()
