"""Asking an ESP whether it knows us, by a question that costs nothing and sends nothing."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urljoin

from delivery.http_client import BrokenError, HttpClient, HttpRequest, HttpResult, UnreachableError
from providers.esp.http_adapter import HttpAdapter
from providers.esp.model import Esp
from providers.esp.payloads import open_backend
from providers.esp.replies import describe_http_result

# Keys that may send and nothing else: the answer is no, and proves that the key is known.
_ONLY_SENDS = re.compile(r"restricted_api_key|only send|AccessDenied|not authorized to perform", re.IGNORECASE)


class NoCredentialsFoundError(Exception):
    """Nothing was asked, for want of credentials."""


def probe_esp(esp: Esp, settings: Mapping[str, str], client: HttpClient) -> tuple[bool, str]:
    """Whether the ESP takes our credentials, and what was seen. ValueError for settings that cannot be used."""
    with closing(HttpAdapter(client)) as adapter:
        backend = open_backend(esp, settings, adapter)
        try:
            return judge_login_answer(esp, ask(esp, backend, settings, adapter))
        except (UnreachableError, BrokenError) as error:
            return False, str(error)
        except NoCredentialsFoundError:
            return False, "no credentials were found on this machine"


def ask(esp: Esp, backend: Any, settings: Mapping[str, str], adapter: HttpAdapter) -> HttpResult:
    """Put the question. UnreachableError, BrokenError, NoCredentialsFoundError."""
    if esp.probe:
        headers = [build_login(esp, settings), ("Accept", "application/json"), ("User-Agent", "emailsvc")]
        with adapter.calling():
            return adapter.carry(HttpRequest(method="GET", url=urljoin(backend.api_url, esp.probe), headers=headers))
    assert esp.ask is not None, f"{esp.name} has neither a path nor a question to probe by"
    with adapter.calling() as call:
        try:
            esp.ask(backend)
        except (UnreachableError, BrokenError):
            raise
        except Exception as error:
            # What the library makes of an answer is of no use here.
            if call.answer is None:
                raise NoCredentialsFoundError from error
    assert call.answer is not None
    return call.answer


def build_login(esp: Esp, settings: Mapping[str, str]) -> tuple[str, str]:
    """The header that the ESP knows us by."""
    name, template = esp.login
    value = template.format_map(settings)
    scheme, _, login = value.partition(" ")
    return name, f"Basic {b64encode(login.encode()).decode()}" if scheme == "Basic" else value


def judge_login_answer(esp: Esp, answer: HttpResult) -> tuple[bool, str]:
    if 200 <= answer.status < 300:
        try:
            json.loads(answer.body)
        except (ValueError, RecursionError):
            return False, f"whatever answers there is not {esp.title}"
        return True, "knows our credentials"
    if answer.status in {401, 403} and _ONLY_SENDS.search(answer.text[:4000]):
        return True, "knows our credentials, which may send and not ask; whether they may, the first mail will tell"
    return False, f"HTTP {answer.status}: {describe_http_result(answer)}"
