"""What scripts of clients in Python share. It needs nothing that is installed.

Each step is a function that is run at once; its result is told as a line of JSON.
"""

import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

GIVEN: dict[str, Any] = json.loads(os.environ["EMAILSVC"])
PASSED, PARTIAL, UNSUPPORTED, FAILED = "passed", "partial", "unsupported", "failed"
# A picture of one dot.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "e221bc330000000049454e44ae426082"
)
PDF = b"%PDF-1.4 \x00\xff\x80 not really"
Function = Callable[[], object]


def tell(kind: str, call: str, result: str, detail: str = "") -> None:
    sys.stdout.write(json.dumps({"kind": kind, "call": call, "result": result, "detail": detail}) + "\n")
    sys.stdout.flush()


def step(kind: str, call: str, *, result: str = PASSED, detail: str = "") -> Callable[[Function], Function]:
    """Runs the function as a step: it has failed if it raises. `result` is what it shows if it does not."""

    def run(function: Function) -> Function:
        try:
            function()
        except Exception:  # noqa: BLE001  a step's fault is its result; the others are run
            tell(kind, call, FAILED, traceback.format_exc()[-1500:])
        else:
            tell(kind, call, result, detail)
        return function

    return run


def partial(kind: str, call: str, detail: str) -> Callable[[Function], Function]:
    return step(kind, call, result=PARTIAL, detail=detail)


def unsupported(kind: str, call: str, detail: str = "") -> Callable[[Function], Function]:
    """The function checks that the client tells the refusal as an error of its service."""
    return step(kind, call, result=UNSUPPORTED, detail=detail)


def address(name: str) -> str:
    """An address that no other step and no other client has."""
    return f"{name}.{GIVEN['client'].strip('@').replace('/', '-')}@rcpt.test"


def fetch(path: str) -> Any:
    with urllib.request.urlopen(f"{GIVEN['url']}{path}", timeout=60) as answer:
        return json.loads(answer.read())


def arrived(to: str) -> dict[str, Any]:
    """The mail that the inbox got for an address, taken apart."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = fetch(f"/inbox/api/messages?{urlencode({'to': to, 'wait': 10})}")["data"]
        if found:
            mail: dict[str, Any] = fetch(f"/inbox/api/messages/{found[0]['id']}")
            return mail
    raise AssertionError(f"no mail for {to}")


def check_files(mail: dict[str, Any], names: set[str], cid: str = "logo") -> None:
    """The file and the inline picture came whole."""
    files = {file["filename"]: file for file in mail["attachments"]}
    assert set(files) == names, files
    sizes = {file["content_type"]: file["size"] for file in files.values()}
    assert sizes == {"application/pdf": len(PDF), "image/png": len(PNG)}, files
    assert {file["content_id"].strip("<>") for file in files.values() if file["content_id"]} == {cid}, files


def raised(function: Function, kind: type[Exception]) -> Any:
    """The exception that a call raises; it must be of this kind."""
    try:
        found = function()
    except kind as error:
        return error
    raise AssertionError(f"nothing was raised, but answered: {found!r}")


def until_limited(function: Function, kind: type[Exception]) -> Any:
    """The exception of a key that may make one request a second."""
    for _ in range(10):
        try:
            function()
        except kind as error:
            return error
    raise AssertionError("nothing was limited")
