"""Our TLS contexts: the same on each Python, and with either kind of authority."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from delivery.tls import make_client_context, make_server_context, make_unchecked_context
from tests.certificates import CertificateAuthority, Kind

NAME = "server.test"


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[int]:
    """A port where one handshake after the other is taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=shake_hands, args=(listener, context))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Wakes the thread, which a close alone would leave in `accept`.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(connection, server_side=True) as encrypted:
                encrypted.recv(1)
        except OSError:
            connection.close()


def connect(port: int, context: ssl.SSLContext, name: str = NAME) -> str:
    """The protocol that was agreed on. SSLError when it was none."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as line,
        context.wrap_socket(line, server_hostname=name) as encrypted,
    ):
        return encrypted.version() or ""


@pytest.mark.parametrize(
    ("context", "is_checked"),
    [(make_client_context(), True), (make_unchecked_context(), False)],
    ids=["checked", "unchecked"],
)
def test_a_context_says_the_same_on_each_python(context: ssl.SSLContext, is_checked: bool) -> None:
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert context.verify_flags == ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert (context.check_hostname, context.verify_mode is ssl.CERT_REQUIRED) == (is_checked, is_checked)
    assert not context.options & ssl.OP_IGNORE_UNEXPECTED_EOF
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert {"TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "AES128-GCM-SHA256"} <= names
    assert [name for name in names if "PSK" in name or "SRP" in name or "NULL" in name or "ADH" in name] == []
    assert context.security_level == 2


@pytest.mark.parametrize("kind", Kind)
def test_authorities_of_both_kinds_are_trusted(tmp_path: Path, kind: Kind) -> None:
    authority = CertificateAuthority(tmp_path, kind)
    with serving(authority.issue(NAME)) as port:
        assert connect(port, make_client_context(str(authority.ca_file))) == "TLSv1.3"


@pytest.mark.parametrize("kind", Kind)
def test_strangers_are_not(tmp_path: Path, kind: Kind) -> None:
    authority = CertificateAuthority(tmp_path, kind)
    (tmp_path / "other").mkdir()
    other = CertificateAuthority(tmp_path / "other", kind)
    with serving(authority.issue(NAME)) as port:
        for trusted, name in ((str(other.ca_file), NAME), ("", NAME), (str(authority.ca_file), "other.test")):
            with pytest.raises(ssl.SSLCertVerificationError):
                connect(port, make_client_context(trusted), name)
        assert connect(port, make_unchecked_context(), "other.test") == "TLSv1.3"


@pytest.mark.parametrize("kind", Kind)
def test_the_authority_that_is_named_may_be_signed_by_another(tmp_path: Path, kind: Kind) -> None:
    root = CertificateAuthority(tmp_path, kind, name="root")
    below = CertificateAuthority(tmp_path, kind, name="below", parent=root)
    with serving(below.issue(NAME)) as port:
        assert connect(port, make_client_context(str(below.ca_file))) == "TLSv1.3"
        # The root alone is not enough: the server does not send what is between.
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(port, make_client_context(str(root.ca_file)))


def test_a_servers_own_certificate_may_be_named(tmp_path: Path) -> None:
    file = CertificateAuthority(tmp_path).issue_file(NAME)
    with serving(make_server_context(file)) as port:
        assert connect(port, make_client_context(str(file))) == "TLSv1.3"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_without_a_file_the_authorities_are_openssls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv(variable, str(authority.ca_file if variable == "SSL_CERT_FILE" else authority.make_folder()))
    with serving(authority.issue(NAME)) as port:
        assert connect(port, make_client_context()) == "TLSv1.3"


def test_a_path_that_is_not_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for make in (make_client_context, make_server_context):
        with pytest.raises(OSError):
            make(str(tmp_path / "none.pem"))
        with pytest.raises(OSError, match="No such file"):
            make(str(tmp_path / "missing.pem"))
