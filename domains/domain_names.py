"""The one form in which a domain name is stored and compared: that of a parsed address's domain."""

import re

from common.addresses import AddressError, parse_address

# RFC 1035, 2.3.4 allows 253 characters; the longest name that we put below a domain needs 32 of them.
MAX_LENGTH = 253 - 32
# What could end the domain in the text of an address.
FOREIGN = re.compile(r"""[\s@<>"'(),:;\\\[\]]""")


class DomainNameError(ValueError):
    """The text is not a domain name that mail could come from; the message says so to the person who typed it."""


def canonical_name(text: str) -> str:
    """`"Bücher.Example."` → `"xn--bcher-kva.example"`: A-labels in lower case, without the final dot of zone files.

    By construction the same as `parse_address` makes of a sender's domain. Look-alikes stay what they are: a Cyrillic
    `о` gives another name.
    """
    bare = text.strip().removesuffix(".")
    if FOREIGN.search(bare):
        raise DomainNameError("This is not a domain name. It looks like example.com.")
    try:
        name = parse_address(f"postmaster@{bare}").domain
    except AddressError as error:
        if error.code == "reserved_domain":
            raise DomainNameError("No mail can come from this domain: its name is reserved (RFC 6761).") from None
        raise DomainNameError("This is not a domain name. It looks like example.com.") from None
    if len(name.rpartition(".")[2]) < 2:
        raise DomainNameError("No top-level domain has a single letter.")
    if len(name) > MAX_LENGTH:
        raise DomainNameError(f"The domain name is longer than {MAX_LENGTH} characters.")
    return name
