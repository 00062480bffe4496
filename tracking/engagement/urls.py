"""The short paths in messages. A sending domain's tracking host serves only these."""

from django.urls import path

from tracking.engagement import views

# Answered under any host name: a host is asked before it is known, and the answer proves only that this is the service.
PROBE_PREFIX = "/t/probe/"
# The prefixes that `emailsvc.web.tracking_hosts` allows on tracking hosts.
PREFIXES = ("/t/", "/u/", "/static/tracking/")

urlpatterns = [
    path("t/o/<str:text>", views.open_pixel, name="track-open"),
    path("t/c/<str:text>", views.follow_link, name="track-click"),
    path("t/probe/<str:token>", views.answer_host_probe, name="track-probe"),
    path("t/ask", views.answer_certificate_question, name="track-ask"),
    path("u/<str:text>", views.unsubscribe_page, name="unsubscribe"),
]
