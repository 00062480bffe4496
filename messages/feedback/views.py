"""`/feedback/<provider>/<secret>`: the URL to which ESPs post events."""

import hmac
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from uuid import UUID

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from common.errors import ApiError, BadRequestError, BodyTooLargeError, MethodNotAllowedError, NotFoundError
from common.parsers import read_body, read_length
from common.problems import problem_response, to_api_error
from messages.feedback.esp_events import count_results, receive_events
from providers.configuration.model import UnreadableSettingsError
from providers.esp.event_model import UnreadableEventError
from providers.esp.events import LoginError
from providers.esp.signatures import ForgedError, Posted
from providers.esp.sns import NotFetchedError
from providers.models import Provider, ProviderKind

log = structlog.get_logger(__name__)

MAX_BODY = 16 * 1024 * 1024


class ForgedEventError(ApiError):
    """The event is not from the provider: {why}."""

    code = "forged_event"
    status = HTTPStatus.FORBIDDEN


class EventLoginError(ApiError):
    """The provider's events need a login, and this request's login is missing or wrong."""

    code = "event_login"
    status = HTTPStatus.UNAUTHORIZED


class MalformedEventError(BadRequestError):
    """The event cannot be read: {why}."""

    code = "malformed_event"


class LaterError(ApiError):
    """The event cannot be verified at the moment. Retry the request."""

    code = "try_later"
    status = HTTPStatus.SERVICE_UNAVAILABLE


View = Callable[[HttpRequest, UUID, str], HttpResponse]


def keep_secret(view: View) -> View:
    """Convert errors to problem responses and keep Django from logging them: its log holds the path with the secret."""

    @wraps(view)
    def answer(request: HttpRequest, pk: UUID, secret: str) -> HttpResponse:
        try:
            return view(request, pk, secret)
        except Exception as error:  # noqa: BLE001 - logged there, without the path
            response = problem_response(to_api_error(error), request)
            vars(response)["_has_been_logged"] = True
            return response

    return answer


@csrf_exempt  # the secret in the URL and the signature authenticate the request
@keep_secret
def receive_feedback(request: HttpRequest, pk: UUID, secret: str) -> HttpResponse:
    """Record posted events. 2xx means recorded, or about no mail of ours; after other statuses the ESP posts again."""
    provider = find_provider(pk, secret)
    if request.method in {"GET", "HEAD"}:
        # Some ESPs send a GET to check the URL before they accept it in their settings.
        return HttpResponse()
    if request.method != "POST":
        raise MethodNotAllowedError(method=request.method)
    try:
        results = receive_events(provider, read_post(request))
    except LoginError:
        # SNS sends its login only after a 401.
        raise EventLoginError(headers={"WWW-Authenticate": 'Basic realm="events"'}) from None
    except ForgedError as error:
        log.warning("event_forged", provider=provider.name, why=str(error))
        raise ForgedEventError(why=error) from None
    except UnreadableEventError as error:
        log.warning("event_malformed", provider=provider.name, why=str(error))
        raise MalformedEventError(why=error) from None
    except UnreadableSettingsError as error:
        log.warning("provider_unreadable", provider=provider.name, why=str(error))
        raise LaterError(headers={"Retry-After": "300"}) from None
    except NotFetchedError as error:
        log.warning("sns_not_asked", provider=provider.name, why=str(error))
        raise LaterError(headers={"Retry-After": "30"}) from None
    log.info("events_received", provider=provider.name, **count_results(results))
    return JsonResponse({"received": len(results)})


def find_provider(pk: UUID, secret: str) -> Provider:
    """The ESP of this feedback URL. Raises NotFoundError for an unknown provider and for a wrong secret alike."""
    provider = Provider.objects.filter(pk=pk, kind=ProviderKind.ESP).first()
    known = provider.event_secret if provider else ""
    if not hmac.compare_digest(known.encode(), secret.encode()) or provider is None or not known:
        raise NotFoundError
    return provider


def read_post(request: HttpRequest) -> Posted:
    """The post with a body of at most MAX_BODY bytes. Raises BodyTooLargeError."""
    try:
        body = bytes(read_body(request, read_length(request.META), MAX_BODY))  # type: ignore[arg-type]
    except BodyTooLargeError:
        log.warning("events_too_large")
        raise
    return Posted(body=body, headers={name.lower(): value for name, value in request.headers.items()})
