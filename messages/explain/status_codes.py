"""What enhanced status codes say, in words for people (RFC 3463, its updates, and the IANA registry)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

CHECK_ADDRESS = "Check the address for a typing error, or ask the recipient for another one."
ASK_RECIPIENT = "Reach the recipient in another way: only they, or who runs their mail, can change this."
CHECK_REPUTATION = (
    "Check that SPF, DKIM and DMARC of the sending domain pass, and whether your addresses are on a block list."
)
CHECK_CONTENT = "Look at the content: links, attachments and wording that filters take for spam."
WAIT = "Nothing: it is tried again by itself."


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code says, and what a person can do. `{server}` in the table's words is whoever said it."""

    words: str
    advice: str


# Without the class: 4.2.2 and 5.2.2 name one cause, once for now and once for good.
CODES: Mapping[str, Meaning] = {
    "1.1": Meaning("there is no such mailbox", CHECK_ADDRESS),
    "1.2": Meaning("there is no such mail domain", CHECK_ADDRESS),
    "1.3": Meaning("the address is not written as addresses are", CHECK_ADDRESS),
    "1.6": Meaning("the mailbox has moved and left no new address", CHECK_ADDRESS),
    "1.7": Meaning("the sender's address is not written as addresses are", "Check the sender's address."),
    "1.8": Meaning("the sender's domain cannot be found", "Check the DNS of the sending domain."),
    "1.10": Meaning("the domain says that it takes no mail at all", CHECK_ADDRESS),
    "2.0": Meaning("something is wrong with the mailbox", ASK_RECIPIENT),
    "2.1": Meaning("the mailbox is switched off", ASK_RECIPIENT),
    "2.2": Meaning("the mailbox is full", "Ask the recipient to make room, and send again then."),
    "2.3": Meaning("the message is larger than the mailbox takes", "Send it smaller: put files behind links."),
    "3.0": Meaning("{server} has a fault", WAIT),
    "3.1": Meaning("{server} is full", WAIT),
    "3.2": Meaning("{server} takes no mail just now", WAIT),
    "3.4": Meaning("the message is larger than {server} takes", "Send it smaller: put files behind links."),
    "4.1": Meaning("{server} does not answer", WAIT),
    "4.2": Meaning("the connection to {server} broke", WAIT),
    "4.3": Meaning("a directory that {server} asks did not answer", WAIT),
    "4.4": Meaning("the way to {server} cannot be found", CHECK_ADDRESS),
    "4.5": Meaning("{server} has too much to do", WAIT),
    "4.6": Meaning("the recipient's servers send mail round in a circle", ASK_RECIPIENT),
    "4.7": Meaning("the message was on its way for too long", "Send it again."),
    "5.3": Meaning("the message had too many recipients", WAIT),
    "6.0": Meaning("{server} does not take this content", CHECK_CONTENT),
    "7.0": Meaning("{server} refused it by its policy", CHECK_REPUTATION),
    "7.1": Meaning("{server} does not take mail from this sender, or this message", CHECK_REPUTATION),
    "7.8": Meaning("the provider does not accept our user name and password", "Correct the provider's credentials."),
    "7.20": Meaning("no DKIM signature passed", CHECK_REPUTATION),
    "7.21": Meaning("no DKIM signature that counts passed", CHECK_REPUTATION),
    "7.23": Meaning("SPF does not allow this server to send for the domain", CHECK_REPUTATION),
    "7.25": Meaning("the sending server's address has no name in the DNS", CHECK_REPUTATION),
    "7.26": Meaning("neither SPF nor DKIM passed", CHECK_REPUTATION),
    "7.27": Meaning("the sender's domain says that it sends no mail", "Check the DNS of the sending domain."),
    "7.28": Meaning("there was too much mail of this kind at once", "Send more slowly."),
}

# What some of them mean when they are for now only.
PASSING: Mapping[str, Meaning] = {
    "7.0": Meaning("{server} wants it later, or less of our mail for now", WAIT),
    "7.1": Meaning("{server} asks to come back later, as many do with senders that they do not know yet", WAIT),
}

# For codes that the table lacks, by the subject: the second number.
SUBJECTS: Mapping[str, Meaning] = {
    "1": Meaning("something is wrong with the address", CHECK_ADDRESS),
    "2": Meaning("something is wrong with the mailbox", ASK_RECIPIENT),
    "3": Meaning("{server} has a fault", WAIT),
    "4": Meaning("the network between the servers has a fault", WAIT),
    "5": Meaning("the servers did not understand each other", "Tell who runs this service."),
    "6": Meaning("{server} does not take this content", CHECK_CONTENT),
    "7": Meaning("{server} refused it by its policy", CHECK_REPUTATION),
}

# For replies without an enhanced code (RFC 5321, 4.2.3).
REPLIES: Mapping[int, Meaning] = {
    421: Meaning("{server} is closing, or wants less mail for now", WAIT),
    450: Meaning("the mailbox cannot be used just now", WAIT),
    451: Meaning("{server} has a passing fault", WAIT),
    452: Meaning("{server} has no room just now", WAIT),
    535: Meaning("the provider does not accept our user name and password", "Correct the provider's credentials."),
    550: Meaning("the mailbox does not exist, or may not be written to", CHECK_ADDRESS),
    552: Meaning("the mailbox is full, or the message is too large", ASK_RECIPIENT),
    553: Meaning("the address is not admitted", CHECK_ADDRESS),
    554: Meaning("{server} refused it without saying why", CHECK_REPUTATION),
}


def find_meaning(enhanced_code: str, code: int | None, server: str = "the recipient's server") -> Meaning | None:
    """What the most exact of the two codes says of `server`; None when neither says anything."""
    detail = enhanced_code[2:]
    is_passing = enhanced_code.startswith("4.") if enhanced_code else code is not None and code < 500
    found = CODES.get(detail) or SUBJECTS.get(detail.partition(".")[0]) or REPLIES.get(code or 0)
    if is_passing and (found := PASSING.get(detail, found)):
        found = replace(found, advice=WAIT)
    return found and replace(found, words=found.words.format(server=server))
