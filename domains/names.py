"""The one form in which a domain name is stored and compared: A-labels in lower case, without a final dot."""

import re

import idna

# RFC 1035, 2.3.4 allows 253 characters; the longest name that we put below a domain needs 32 of them.
MAX_LENGTH = 253 - 32
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class DomainNameError(ValueError):
    """The text is not a domain name that could send mail; the message says why, for the person who typed it."""


def canonical_name(text: str) -> str:
    """`"Bücher.Example."` → `"xn--bcher-kva.example"`, by IDNA 2008 with the mapping of UTS 46.

    Look-alikes stay what they are: a Cyrillic `о` gives another name. DomainNameError for anything else than at least
    two labels of letters, digits and hyphens, and for addresses such as `127.0.0.1`.
    """
    try:
        name = idna.encode(text.strip(), uts46=True, std3_rules=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise DomainNameError("This is not a domain name. It looks like example.com.") from None
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > MAX_LENGTH:
        raise DomainNameError(f"The domain name is longer than {MAX_LENGTH} characters.")
    if len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise DomainNameError("This is not a domain name. It looks like example.com.")
    if labels[-1].isdigit():
        raise DomainNameError("This is an address, not a domain name.")
    return name
