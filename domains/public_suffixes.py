"""Names below which registries register domains, such as `co.uk`: nobody sends from them.

The Public Suffix List (https://publicsuffix.org) says which. Its names of hosting companies do not count: the company
itself may send from its own name.
"""

from functools import cache

from publicsuffixlist import PublicSuffixList


@cache
def _read_list() -> PublicSuffixList:
    """The list, as the package has it: reading it costs 20 ms, once."""
    return PublicSuffixList(only_icann=True)


def is_public_suffix(name: str) -> bool:
    """Whether this name, as A-labels in lower case, is a top-level domain or another public suffix."""
    return bool(_read_list().is_public(name))


def find_registered_domain(name: str) -> str:
    """The domain that was registered: `google.com` for `alt1.aspmx.l.google.com`; the name itself if there is none."""
    return str(_read_list().privatesuffix(name) or name)


def name_mailbox_provider(host: str, domain: str) -> str:
    """The domain of the mail exchanger that was looked up; else the recipient's domain stands for it."""
    bare = host.partition("[")[0].partition(":")[0].rstrip(".").lower()
    return find_registered_domain(bare) if bare else domain
