"""Provider URLs: `smtp://user:password@host:587?tls=starttls`, `smtps://…`, `inbox://127.0.0.1:2525`, `simulator:`."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from providers.models import Kind


class ProviderUrlError(ValueError):
    """A provider's URL cannot be used; the message says why and never repeats the URL, which holds a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a URL's scheme decides: the provider's kind, the port when none is named, and how TLS is used."""

    kind: Kind
    port: int
    tls: str


SCHEMES = {
    "smtp": Scheme(kind=Kind.SMTP, port=587, tls="opportunistic"),
    "smtps": Scheme(kind=Kind.SMTP, port=465, tls="implicit"),
    "inbox": Scheme(kind=Kind.INBOX, port=2525, tls="never"),
    "simulator": Scheme(kind=Kind.SIMULATOR, port=0, tls="never"),
}
TLS_MODES = frozenset({"never", "opportunistic", "starttls", "implicit"})
OPTIONS = frozenset({"tls", "verify", "ca"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAddress:
    """A provider's URL, taken apart. `password` is not shown by repr."""

    kind: Kind
    host: str
    port: int
    username: str
    password: str
    tls: str
    is_certificate_checked: bool
    ca_file: str

    def __repr__(self) -> str:
        return f"ProviderAddress({self.kind}://{self.host}:{self.port})"


def parse_provider_url(url: str) -> ProviderAddress:
    """`url` taken apart, or ProviderUrlError.

    With a user name, TLS is required and the certificate checked unless the URL says otherwise (`?tls=never`,
    `?verify=no`): a password must not go to whoever answers.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProviderUrlError(f"the URL cannot be read: {error}") from None
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None:
        raise ProviderUrlError(f"the scheme must be one of {', '.join(SCHEMES)}")
    if scheme.kind is not Kind.SIMULATOR and not parts.hostname:
        raise ProviderUrlError("a host is missing")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := options.keys() - OPTIONS:
        raise ProviderUrlError(f"unknown option {sorted(unknown)[0]}; known are {', '.join(sorted(OPTIONS))}")
    username = unquote(parts.username or "")
    tls = options.get("tls") or ("starttls" if username and scheme.tls == "opportunistic" else scheme.tls)
    if tls not in TLS_MODES:
        raise ProviderUrlError(f"tls must be one of {', '.join(sorted(TLS_MODES))}")
    return ProviderAddress(
        kind=scheme.kind,
        host=parts.hostname or "",
        port=port or scheme.port,
        username=username,
        password=unquote(parts.password or ""),
        tls=tls,
        is_certificate_checked=options.get("verify", "yes" if tls in {"starttls", "implicit"} else "no") == "yes",
        ca_file=options.get("ca", ""),
    )
