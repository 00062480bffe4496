"""The canonical form in which domain names are stored and compared, equal to the domain of a parsed address."""

import re

from common.addresses import AddressError, parse_address
from domains.public_suffixes import is_public_suffix

# RFC 1035, 2.3.4 allows 253 characters; the longest name that we add below a domain needs 32 of them.
MAX_LENGTH = 253 - 32
# Characters that could end the domain in the text of an address.
FOREIGN = re.compile(r"""[\s@<>"'(),:;\\\[\]]""")


class DomainNameError(ValueError):
    """The text is not a usable domain name. The message is shown to the user."""


def canonical_name(text: str) -> str:
    """`"Bücher.Example."` → `"xn--bcher-kva.example"`: A-labels in lower case, without the final dot of zone files.

    The result equals the domain that `parse_address` returns for a sender. Look-alikes are not merged: a Cyrillic `о`
    gives a different name.
    """
    bare = text.strip().removesuffix(".")
    if FOREIGN.search(bare):
        raise DomainNameError("This is not a domain name. It looks like example.com.")
    try:
        name = parse_address(f"postmaster@{bare}").domain
    except AddressError as error:
        if error.code == "reserved_domain":
            raise DomainNameError("Mail cannot be sent from this domain: its name is reserved (RFC 6761).") from None
        raise DomainNameError("This is not a domain name. It looks like example.com.") from None
    if len(name.rpartition(".")[2]) < 2:
        raise DomainNameError("A top-level domain has at least two letters.")
    if is_public_suffix(name):
        raise DomainNameError(f"{name} is a public suffix, below which others have their domains. Add your own domain.")
    if len(name) > MAX_LENGTH:
        raise DomainNameError(f"The domain name is longer than {MAX_LENGTH} characters.")
    return name
