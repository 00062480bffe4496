"""The client of emailsvc: `Client`, `AsyncClient`, their errors, files to attach, and the check of webhooks."""

from emailsvc_client.async_client import AsyncClient
from emailsvc_client.client import Client
from emailsvc_client.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    EmailsvcError,
    ForbiddenError,
    InvalidFieldsError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    UnreachableError,
)
from emailsvc_client.files import attach
from emailsvc_client.webhooks import InvalidSignatureError, Webhook

__all__ = [
    "ApiError",
    "AsyncClient",
    "AuthenticationError",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "EmailsvcError",
    "ForbiddenError",
    "InvalidFieldsError",
    "InvalidSignatureError",
    "NotFoundError",
    "RateLimitedError",
    "ServerError",
    "UnreachableError",
    "Webhook",
    "attach",
]
