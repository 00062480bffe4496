"""What the server reads of plain heads by itself is what gunicorn reads of them."""

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create

from emailsvc.web.serving.heads import RequestHead, build_environ, read_plain

ADDRESSES = (("192.0.2.7", 4711), ("127.0.0.1", 8000))
# Those that an environ has of the request itself.
OWN = {"wsgi.errors", "wsgi.input", "wsgi.early_hints", "gunicorn.socket"}
PLAIN = [
    b"Host: mail.test\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 2",
    b"host:mail.test\r\nX-Empty:\r\nX-Spaced: \t a b\tc \t\r\nX-Latin: caf\xe9",
    b"Host: a\r\nUser-Agent: x:y:z\r\nConnection: close\r\nTransfer-Encoding: chunked",
]
ODD = [
    b"Host: a\r\nAccept: a\r\nAccept: b\r\nACCEPT: c",
    b"Host: a\r\nX_Under: 1\r\nX-Under: 2",
    b"Host: a\r\nSCRIPT_NAME: /admin\r\nREMOTE_ADDR: 10.0.0.1",
    b"Host: a\r\nExpect: 100-continue\r\nContent-Length: 3",
    b"Host: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 10.0.0.1",
]
REFUSED = [
    b"Host: a\r\nHost: b",
    b"Host: a\r\nContent-Type: a/b\r\ncontent-type: c/d",
    b"Host: a\r\nNo colon",
    b"Host: a\r\n: no name",
    b"Host: a\r\nX-Folded: a\r\n b",
    b"Host: a\r\nSpace : a",
    b"Host: a\r\nX-Nul: a\x00b",
    b"Host: a\r\nX-Bare: a\rb",
    b"Host: a\r\nX-Del: a\x7fb",
    b"Host: a\r\nN\xe4me: b",
    b"Host: a\r\nExpect: a-miracle",
    b"Host: a\r\nContent-Length: 2\r\nContent-Length: 2",
    b"Host: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
    b"Host: a\r\nX-Long: " + b"x" * 9_000,
    b"Host: a\r\n" + b"\r\n".join(b"X-%d: 1" % number for number in range(200)),
]
LINES = [b"POST /api/v1/emails HTTP/1.1", b"GET /a%20b/%C3%A9?x=%20&y HTTP/1.1", b"GET //double/x HTTP/1.1"]


def parse(kind: Any, line: bytes, head: bytes) -> Any:
    cfg = Config()
    cfg.set("forwarded_allow_ips", "")
    return kind(cfg, IterUnreader([line + b"\r\n" + head + b"\r\n\r\n"]), ADDRESSES[0])


def make_environ(request: Any) -> dict[str, Any]:
    return {key: value for key, value in create(request, None, *ADDRESSES, request.cfg)[1].items() if key not in OWN}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("head", PLAIN + ODD)
def test_a_request_is_read_as_gunicorn_reads_it(line: bytes, head: bytes) -> None:
    theirs = parse(Request, line, head)
    theirs._expected_100_continue = False
    # The second time the line is known.
    for _ in range(2):
        ours = parse(RequestHead, line, head)
        assert ours.headers == theirs.headers
        assert ours.should_close() == theirs.should_close()
        environ = build_environ(ours, None, ADDRESSES, ours.cfg)
        assert {key: value for key, value in environ.items() if key not in OWN} == make_environ(theirs)


@pytest.mark.parametrize("head", REFUSED)
def test_a_head_that_gunicorn_refuses_is_refused_alike(head: bytes) -> None:
    with pytest.raises(ParseException) as theirs:
        parse(Request, LINES[0], head)
    with pytest.raises(type(theirs.value)) as ours:
        parse(RequestHead, LINES[0], head)
    assert str(ours.value) == str(theirs.value)


def test_plain_heads_are_read_by_us_and_others_are_left_to_gunicorn() -> None:
    assert all(read_plain(head, 100, 8190) for head in PLAIN)
    assert not any(read_plain(head, 100, 8190) for head in [ODD[0], ODD[1], ODD[3]])
