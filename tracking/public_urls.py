"""Paths in mails: short, and all that a sending domain's tracking host answers."""

from django.urls import path

from tracking import public

# What `emailsvc.hosts` admits on tracking hosts.
PREFIXES = ("/t/", "/u/", "/static/tracking/")

urlpatterns = [
    path("t/o/<str:text>", public.open_pixel, name="track-open"),
    path("t/c/<str:text>", public.follow_link, name="track-click"),
    path("u/<str:text>", public.unsubscribe_page, name="unsubscribe"),
]
