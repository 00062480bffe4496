"""What all views of other services' APIs share."""

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework.response import Response

from accounts.viewsets import ProjectViewSet

ExceptionHandler = Callable[[Exception, dict[str, Any]], Response]


class CompatViewSet(ProjectViewSet):
    """A resource in another service's form. It is not in our OpenAPI document, since that service documents it."""

    schema = None
    # Gives errors that service's form.
    handler: ClassVar[ExceptionHandler]

    def get_exception_handler(self) -> ExceptionHandler:
        return type(self).handler
