"""Amazon SNS, which carries SES's events: whose message it is, and whether we asked for it.

Anybody with an AWS account can have SNS post to anybody, well signed: the signature proves that a message is SNS's, and
the list of topics that it is ours. Source: AWS, "Verifying the signatures of Amazon SNS messages".
"""

import re
import threading
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from delivery.http_client import BrokenError, HttpClient, HttpRequest, HttpSeconds, UnreachableError
from delivery.ssrf import Guard
from providers.esp.signatures import ForgedError

# What a URL has to lead to, whole and nothing else: no port, no user, no other host that only begins like it.
_HOST = r"https://sns\.(?P<region>[a-z]{2}(?:-[a-z]+){1,3}-\d{1,2})\.amazonaws\.com(?:\.cn)?"
CERTIFICATE = re.compile(_HOST + r"/SimpleNotificationService-[0-9a-zA-Z]{1,64}\.pem")
CONFIRMATION = re.compile(_HOST + r"/\?[A-Za-z0-9=&%:._~-]{1,2000}")

_SHOWN = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_ASKED = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
# What is signed of each type of message, in this order.
SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": _SHOWN,
    "SubscriptionConfirmation": _ASKED,
    "UnsubscribeConfirmation": _ASKED,
}
HASHES: Mapping[str, Callable[[], HashAlgorithm]] = {"1": SHA1, "2": SHA256}
MAX_CERTIFICATES = 50


class NotFetchedError(Exception):
    """SNS could not be asked just now; it will post again."""


def fetch(url: str) -> bytes:
    """What SNS has at `url`, or NotFetchedError. The port to the network."""
    try:
        answer = find_client().call(HttpRequest(method="GET", url=url))
    except (UnreachableError, BrokenError) as error:
        raise NotFetchedError(str(error)) from None
    if answer.status != 200:
        raise NotFetchedError(f"HTTP {answer.status}")
    return answer.body


@cache
def find_client() -> HttpClient:
    """The address is SNS's by the patterns above; the guard is for a DNS that lies."""
    return HttpClient(Guard(), seconds=HttpSeconds(connect=5.0, write=5.0, answer=5.0))


class Sns:
    """Checks messages, and confirms subscriptions to topics that we know. Keeps certificates."""

    def __init__(self, fetch: Callable[[str], bytes] = fetch) -> None:
        self._fetch = fetch
        self._certificates: OrderedDict[str, x509.Certificate] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, message: Mapping[str, Any], topics: frozenset[str]) -> None:
        """ForgedError unless the message is of one of `topics` and signed by SNS; NotFetchedError."""
        topic = message.get("TopicArn")
        if not isinstance(topic, str) or topic not in topics:
            raise ForgedError("the topic is not one of this provider's sns_topics")
        names = SIGNED.get(str(message.get("Type")))
        url, version = message.get("SigningCertURL"), HASHES.get(str(message.get("SignatureVersion")))
        if names is None or version is None or not isinstance(url, str):
            raise ForgedError("it is not a message of SNS")
        match = CERTIFICATE.fullmatch(url)
        if match is None or match["region"] != find_region(topic):
            raise ForgedError("the certificate is not at an address of SNS in the topic's region")
        try:
            key = self._find_key(url)
            signature = b64decode(str(message.get("Signature")), validate=True)
            key.verify(signature, build_signed(message, names), padding.PKCS1v15(), version())
        except (InvalidSignature, ValueError, UnicodeError):
            raise ForgedError("the signature is wrong") from None

    def confirm(self, message: Mapping[str, Any]) -> None:
        """Confirm the subscription that a checked message asks for; ForgedError, NotFetchedError."""
        url, topic = str(message.get("SubscribeURL")), str(message.get("TopicArn"))
        match = CONFIRMATION.fullmatch(url)
        query = parse_qs(urlsplit(url).query)
        is_ours = query.get("TopicArn") == [topic] and query.get("Action") == ["ConfirmSubscription"]
        if match is None or match["region"] != find_region(topic) or not is_ours:
            raise ForgedError("the address to confirm at is not one of SNS for this topic")
        self._fetch(url)

    def _find_key(self, url: str) -> rsa.RSAPublicKey:
        with self._lock:
            certificate = self._certificates.get(url)
        if certificate is None:
            certificate = x509.load_pem_x509_certificate(self._fetch(url))
            with self._lock:
                self._certificates[url] = certificate
                while len(self._certificates) > MAX_CERTIFICATES:
                    self._certificates.popitem(last=False)
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise ForgedError("the certificate's key is of another kind")
        if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
            raise ForgedError("the certificate is not valid now")
        return key


def find_region(topic: str) -> str:
    """The region of `arn:aws:sns:eu-west-1:123456789012:name`."""
    parts = topic.split(":")
    return parts[3] if len(parts) == 6 else ""


def build_signed(message: Mapping[str, Any], names: tuple[str, ...]) -> bytes:
    lines = [f"{name}\n{message[name]}\n" for name in names if isinstance(message.get(name), str)]
    return "".join(lines).encode()


sns = Sns()
