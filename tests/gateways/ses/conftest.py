"""boto3's SESv2 client, led to Django's test client without a socket."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import get_session
from django.test import Client

from accounts.models import SigningPair
from accounts.signing.pairs import create_signing_pair
from messages.sending.worker_state import close_worker_state
from providers.routing.selection import routes
from tests.conftest import ApiClient

BASE = "/compat/ses"
# It has read AWS's descriptions once for all tests.
LOADER = create_loader()
EMAILS = f"{BASE}/v2/email/outbound-emails"


class Answer:
    """The body of a response, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self) -> Iterator[bytes]:
        yield self.content


def send_in_process(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """Answers botocore's `before-send` event."""
    parts = urlsplit(request.url)
    # botocore's values may be bytes.
    headers = {
        str(name): value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
    }
    body = request.body or b""
    answer = Client(raise_request_exception=False).generic(
        request.method,
        f"{parts.path}?{parts.query}" if parts.query else parts.path,
        body.encode() if isinstance(body, str) else body,
        content_type=headers.pop("Content-Type", ""),
        headers={**headers, "Host": parts.netloc},
    )
    return AWSResponse(request.url, answer.status_code, dict(answer.headers), Answer(answer.content))


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    routes.forget()
    yield
    close_worker_state()


@pytest.fixture
def pair(api: ApiClient) -> SigningPair:
    assert api.key is not None
    return create_signing_pair(api.key)


@pytest.fixture
def connect() -> Callable[..., Any]:
    """A client of boto3 with the pair, or with other credentials."""

    def build(pair: SigningPair, **changes: str) -> Any:
        credentials = {"aws_access_key_id": pair.access_key_id, "aws_secret_access_key": str(pair.secret)}
        core = get_session()
        core.register_component("data_loader", LOADER)
        client = boto3.Session(botocore_session=core).client(
            "sesv2",
            region_name="eu-west-1",
            endpoint_url=f"http://testserver{BASE}",
            config=Config(retries={"total_max_attempts": 1}),
            **(credentials | changes),
        )
        client.meta.events.register("before-send.sesv2", send_in_process)
        return client

    return build


@pytest.fixture
def ses(pair: SigningPair, connect: Callable[..., Any]) -> Any:
    return connect(pair)
