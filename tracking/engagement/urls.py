"""The short paths in messages. A sending domain's tracking host serves only these."""

from django.urls import path

from tracking.engagement import views

# The prefixes that `emailsvc.web.tracking_hosts` allows on tracking hosts.
PREFIXES = ("/t/", "/u/", "/static/tracking/")

urlpatterns = [
    path("t/o/<str:text>", views.open_pixel, name="track-open"),
    path("t/c/<str:text>", views.follow_link, name="track-click"),
    path("u/<str:text>", views.unsubscribe_page, name="unsubscribe"),
]
