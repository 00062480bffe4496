"""Paths in mails: short, and all that a sending domain's tracking host answers."""

from django.urls import path

from tracking.engagement import views

# What `emailsvc.web.tracking_hosts` admits on tracking hosts.
PREFIXES = ("/t/", "/u/", "/static/tracking/")

urlpatterns = [
    path("t/o/<str:text>", views.open_pixel, name="track-open"),
    path("t/c/<str:text>", views.follow_link, name="track-click"),
    path("u/<str:text>", views.unsubscribe_page, name="unsubscribe"),
]
