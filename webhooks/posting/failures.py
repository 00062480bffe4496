"""Why a post had no answer, in words for people."""

import ssl
from collections.abc import Iterator

import httpcore

MAX_WORDS = 300

# What the network and the other side may do; anything else is a fault of ours.
EXPECTED = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)

# In the order of the chain, the innermost cause last; the first that is known is told.
FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "The certificate could not be verified"),
    (ssl.SSLError, "TLS failed"),
    (ConnectionRefusedError, "The connection was refused"),
    (ConnectionError, "The connection was cut"),
    (httpcore.ConnectTimeout, "Nobody answered at this address"),
    (httpcore.ConnectError, "The connection could not be made"),
    (httpcore.TimeoutException, "The answer took too long"),
    (httpcore.ProtocolError, "The answer was not HTTP"),
    (httpcore.NetworkError, "The connection was cut"),
    (OSError, "The network failed"),
)


def describe_failure(error: BaseException) -> str:
    """Why there was no answer, in one sentence for people."""
    causes = [error, *walk_causes(error)]
    for kind, words in FAILURES:
        for cause in causes:
            if isinstance(cause, kind):
                detail = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
                return f"{words}: {detail}."[:MAX_WORDS]
    return f"The post failed: {type(error).__name__}."


def walk_causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
