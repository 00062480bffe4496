"""Paths outside of the API that this package answers."""

from common.routers import api_path
from messages.feedback.views import receive_feedback

urlpatterns = [api_path("feedback/<uuid:pk>/<str:secret>", receive_feedback, name="esp-feedback")]
