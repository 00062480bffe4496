"""Routes below /api/v1."""

from accounts.views import MeView
from common.routers import api_path

urlpatterns = [api_path("me", MeView.as_view(), name="me")]
