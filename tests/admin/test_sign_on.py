"""Single sign-on, with an issuer on loopback that signs its tokens."""

import json
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Identity, Membership
from accounts.people import oidc
from accounts.people.roles import Role
from accounts.people.services import create_user, give_role

pytestmark = pytest.mark.django_db
BEGIN, BACK = "/admin/login/sso/", "/admin/login/sso/back/"


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class Issuer(ThreadingHTTPServer):
    """Answers discovery, keys and the token endpoint; `claims` is what it says of the person."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.signer, self.alg = self.key, "ES256"
        self.claims: dict[str, object] = {}
        self.challenge = ""
        self.asked: list[str] = []

    def answer(self, path: str, form: dict[str, str], authorization: str) -> dict[str, object]:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "go", "token_endpoint": "token", "jwks_uri": "keys"}
            return {"issuer": self.url, **{name: f"{self.url}/{part}" for name, part in names.items()}}
        if path == "/keys":
            numbers = self.key.public_key().public_numbers()
            parts = {"x": encode(numbers.x.to_bytes(32, "big")), "y": encode(numbers.y.to_bytes(32, "big"))}
            return {"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", **parts}]}
        is_right = encode(sha256(form["code_verifier"].encode()).digest()) == self.challenge
        if authorization != f"Basic {b64encode(b'client:secret').decode()}" or form["code"] != "good" or not is_right:
            return {"error": "invalid_grant"}
        return {"id_token": self.sign()}

    def sign(self) -> str:
        head = encode(json.dumps({"alg": self.alg, "kid": "a"}).encode())
        signed = f"{head}.{encode(json.dumps(self.claims).encode())}"
        r, s = decode_dss_signature(self.signer.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.reply({}, "")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        self.reply(form, self.headers.get("Authorization", ""))

    def reply(self, form: dict[str, str], authorization: str) -> None:
        answer = self.server.answer(self.path, form, authorization)
        body = json.dumps(answer).encode()
        self.send_response(400 if "error" in answer else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer(settings) -> Iterator[Issuer]:
    with Issuer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        settings.OIDC_ISSUER = server.url
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "client", "secret"
        settings.OIDC_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        oidc.find_client.cache_clear()
        yield server
        oidc.find_client().close()
        oidc.find_client.cache_clear()
        oidc._kept.clear()
        server.shutdown()
        thread.join()


def sign_on(issuer: Issuer, browser: Client | None = None, *, state: str = "", code: str = "good", **claims: object):
    """One round; returns the last answer and the browser."""
    browser = browser or Client()
    sent = browser.get(f"{BEGIN}?next=/admin/mail/message/")
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}
    issuer.challenge = query["code_challenge"]
    issuer.claims = {
        "iss": issuer.url,
        "aud": "client",
        "sub": "42",
        "nonce": query["nonce"],
        "exp": time.time() + 60,
        "email": "ann@x.test",
        "email_verified": True,
        **claims,
    }
    return browser.get(BACK, {"state": state or query["state"], "code": code}), browser


def why(browser: Client) -> str:
    return browser.get("/admin/login/").content.decode()


@pytest.fixture
def ann(project) -> User:
    user = create_user(name="ann", email="Ann@X.test", password=None)
    give_role("test", user, project, Role.SUPPORT)
    return user


def test_a_person_with_a_verified_address_signs_in_and_stays_the_same_person(issuer, ann):
    assert "Single sign-on" in Client().get("/admin/login/").content.decode()
    answer, browser = sign_on(issuer)
    assert answer["Location"] == "/admin/mail/message/"
    assert browser.get("/admin/mail/message/").status_code == 200
    assert Identity.objects.get().user == ann
    # The issuer's own name counts from now on, not the address.
    answer, browser = sign_on(issuer, email="other@x.test", email_verified=False)
    assert browser.get("/admin/mail/message/").status_code == 200
    assert issuer.asked.count("/keys") == 1


WRONG_CLAIMS = [
    ({"nonce": "another"}, "another sign-in"),
    ({"aud": "another"}, "another client"),
    ({"aud": ["client", "b"], "azp": "b"}, "another client"),
    ({"iss": "https://evil.test"}, "another issuer"),
    ({"exp": 1}, "expired"),
    ({"sub": ""}, "nobody"),
    ({"email_verified": False}, "not verified"),
    ({"email_verified": "true"}, "not verified"),
    ({"email": "stranger@x.test"}, "no account"),
]


def test_what_proves_nothing_opens_nothing(issuer, ann):
    for claims, said in WRONG_CLAIMS:
        answer, browser = sign_on(issuer, **claims)
        assert (answer["Location"], said in why(browser)) == ("/admin/login/", True), claims
    for wrong, said in (({"state": "x"}, "another sign-in"), ({"code": "bad"}, "invalid_grant")):
        _, browser = sign_on(issuer, **wrong)
        assert said in why(browser)
    issuer.signer = ec.generate_private_key(ec.SECP256R1())
    assert "none of the issuer" in why(sign_on(issuer)[1])
    issuer.signer, issuer.alg = issuer.key, "none"
    assert "algorithm" in why(sign_on(issuer)[1])
    assert not Identity.objects.exists()
    assert Client().get(BACK, {"state": "", "code": "good"})["Location"] == "/admin/login/"


def test_a_stranger_gets_the_default_role_if_there_is_one(issuer, settings, project):
    settings.OIDC_DEFAULT_ROLE, settings.OIDC_DEFAULT_PROJECT = "support", "Acme"
    settings.OIDC_EMAIL_DOMAINS = ["y.test"]
    assert "your domain" in why(sign_on(issuer)[1])
    _, browser = sign_on(issuer, email="new@y.test")
    assert browser.get("/admin/mail/message/").status_code == 200
    row = Membership.objects.get()
    assert (row.user.email, row.project, row.role) == ("new@y.test", project, "support")
    assert not row.user.has_usable_password()


def test_the_issuers_second_factor_counts_and_others_are_asked_for(issuer, ann, settings):
    settings.SECOND_FACTOR_ROLES = ["support"]
    _, browser = sign_on(issuer, amr=["pwd", "otp"])
    assert browser.get("/admin/mail/message/").status_code == 200
    _, browser = sign_on(issuer, amr=["pwd"])
    assert browser.get("/admin/mail/message/")["Location"] == "/admin/account/authenticator/"


def test_an_issuer_in_a_private_network_is_not_asked_unless_it_may_be(issuer, settings):
    settings.OIDC_ALLOWED_NETWORKS = []
    oidc.find_client.cache_clear()
    browser = Client()
    assert browser.get(BEGIN)["Location"] == "/admin/login/"
    assert "cannot be reached" in why(browser)
    assert issuer.asked == []


def test_without_an_issuer_there_is_no_such_page():
    assert Client().get(BEGIN).status_code == 404
    assert "Single sign-on" not in Client().get("/admin/login/").content.decode()
