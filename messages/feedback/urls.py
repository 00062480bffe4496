"""This package's paths outside the API."""

from common.routers import api_path
from messages.feedback.views import receive_feedback

urlpatterns = [api_path("feedback/<uuid:pk>/<str:secret>", receive_feedback, name="esp-feedback")]
