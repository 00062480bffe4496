"""Paths below `/inbox/`: the page, and its JSON with and without a trailing slash."""

from django.urls import path

from common.routers import api_path
from inbox import views
from inbox.guard import is_own_page_or_image

MAIL = "api/messages/<str:mail_id>"

urlpatterns = [
    path("", views.show_page, name="inbox"),
    api_path("api/stream", views.route(GET=views.stream_mail)),
    api_path("api/messages", views.route(GET=views.list_messages, DELETE=views.delete_messages)),
    api_path(MAIL, views.route(GET=views.show_message, DELETE=views.delete_message)),
    api_path(f"{MAIL}/raw", views.route(GET=views.show_raw)),
    api_path(f"{MAIL}/html", views.route(GET=views.show_html)),
    api_path(f"{MAIL}/attachments/<int:index>", views.route(is_own_page_or_image, GET=views.show_attachment)),
]
