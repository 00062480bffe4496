"""What refusals have in common: their words without addresses, hosts, numbers and ids.

A cause that is not the recipient (a new filter, a broken directory, a block list with a new text) shows as many
refusals that are alike, at several domains, with words that the tables do not know.
"""

import re

from delivery.addresses import ADDRESS_PATTERN
from delivery.judging.phrases import MAX_WORDS, read_plainly
from delivery.judging.terms import Reason

# Clear words for these reasons concern one mailbox, whatever else is refused at the same time. A domain "does not
# exist" for all recipients when the DNS is broken, so that those words are no proof in a mass.
_OF_ONE_MAILBOX = frozenset({Reason.NO_SUCH_USER, Reason.MOVED})
# Longer ones are ids.
MAX_LETTERS = 24
MAX_COUNT = 40

_ADDRESS = re.compile(rf"(?:https?|ftp)://\S{{1,500}}|<[^<>\s]{{1,300}}>|{ADDRESS_PATTERN}", re.IGNORECASE)
# A name with a dot, and everything with a digit: hosts, IP addresses, codes, times, queue ids.
_CHANGING = re.compile(r"[^\W_][\w-]*(?:\.[\w-]+)+|\S*[0-9:]\S*")
_WORD = re.compile(r"[^\W\d_]+")


def names_mailbox(text: str) -> bool:
    """Whether the words say clearly that this one mailbox does not exist."""
    return read_plainly(text) in _OF_ONE_MAILBOX


def find_common_words(text: str, address: str) -> str:
    """The words of a refusal of `address` in lower case, without what differs between recipients and times.

    `""` when nothing remains: such refusals are not alike.
    """
    words = _ADDRESS.sub(" ", text[:MAX_WORDS].lower())
    words = _CHANGING.sub(" ", words)
    local, _, domain = address.lower().rpartition("@")
    own = {*_WORD.findall(local), *_WORD.findall(domain)}
    kept = [word for word in _WORD.findall(words) if word not in own and len(word) <= MAX_LETTERS]
    return " ".join(kept[:MAX_COUNT])
