"""The meaning of enhanced status codes, in words for people (RFC 3463, its updates, and the IANA registry)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from delivery.judging.codes import name_status
from delivery.judging.terms import About, Reason

CHECK_ADDRESS = "Check the address for a typing error, or ask the recipient for another one."
ASK_RECIPIENT = "Contact the recipient in another way: only they or their mail administrator can fix this."
CHECK_REPUTATION = (
    "Check that SPF, DKIM and DMARC of the sending domain pass, and whether your addresses are on a block list."
)
CHECK_CONTENT = "Check the content for links, attachments and wording that filters regard as spam."
WAIT = "Nothing: the service retries by itself."


# The subject of a refusal, for a sentence with "is about".
SUBJECT_WORDS: Mapping[str, str] = {
    About.RECIPIENT: "the recipient",
    About.SERVER: "the recipient's server or domain",
    About.MESSAGE: "this message",
    About.IDENTITY: "our sending identity (IP address, domain, authentication or reputation)",
    About.PROVIDER: "the provider",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a code, and the advice to a person. `{server}` in the tables stands for the speaker."""

    words: str
    advice: str


# The codes without their class: 4.2.2 and 5.2.2 have the same cause, once transient and once permanent.
CODES: Mapping[str, Meaning] = {
    "1.1": Meaning("there is no such mailbox", CHECK_ADDRESS),
    "1.2": Meaning("there is no such mail domain", CHECK_ADDRESS),
    "1.3": Meaning("the syntax of the address is invalid", CHECK_ADDRESS),
    "1.6": Meaning("the mailbox has moved and left no new address", CHECK_ADDRESS),
    "1.7": Meaning("the syntax of the sender's address is invalid", "Check the sender's address."),
    "1.8": Meaning("the sender's domain cannot be found", "Check the DNS of the sending domain."),
    "1.10": Meaning("the domain declares that it accepts no mail", CHECK_ADDRESS),
    "2.0": Meaning("something is wrong with the mailbox", ASK_RECIPIENT),
    "2.1": Meaning("the mailbox is disabled", ASK_RECIPIENT),
    "2.2": Meaning("the mailbox is full", "Ask the recipient to make room, then resend it."),
    "2.3": Meaning("the message is larger than the mailbox accepts", "Make it smaller: put files behind links."),
    "3.0": Meaning("{server} has a fault", WAIT),
    "3.1": Meaning("{server} is full", WAIT),
    "3.2": Meaning("{server} accepts no mail at the moment", WAIT),
    "3.4": Meaning("the message is larger than {server} accepts", "Make it smaller: put files behind links."),
    "4.1": Meaning("{server} does not answer", WAIT),
    "4.2": Meaning("the connection to {server} broke", WAIT),
    "4.3": Meaning("a directory that {server} needs did not answer", WAIT),
    "4.4": Meaning("the route to {server} cannot be found", CHECK_ADDRESS),
    "4.5": Meaning("{server} is overloaded", WAIT),
    "4.6": Meaning("the recipient's servers have a mail loop", ASK_RECIPIENT),
    "4.7": Meaning("the message was in transit for too long", "Resend it."),
    "5.3": Meaning("the message had too many recipients", WAIT),
    "6.0": Meaning("{server} does not accept this content", CHECK_CONTENT),
    "7.0": Meaning("{server} rejected it by its policy", CHECK_REPUTATION),
    "7.1": Meaning("{server} does not accept this message, or mail from this sender", CHECK_REPUTATION),
    "7.8": Meaning(
        "{server} does not accept our login", "Correct the provider's credentials, if it is the provider's."
    ),
    "7.20": Meaning("no DKIM signature passed", CHECK_REPUTATION),
    "7.21": Meaning("no DKIM signature of an acceptable domain passed", CHECK_REPUTATION),
    "7.23": Meaning("SPF does not allow this server to send for the domain", CHECK_REPUTATION),
    "7.25": Meaning("the sending server's IP address has no valid reverse DNS", CHECK_REPUTATION),
    "7.26": Meaning("neither SPF nor DKIM passed", CHECK_REPUTATION),
    "7.27": Meaning("the sender's domain declares that it sends no mail", "Check the DNS of the sending domain."),
    "7.28": Meaning("there was too much mail of this kind at once", "Send more slowly."),
}

# The judged reasons (`delivery.judging`), for replies whose codes name another cause, or none.
REASONS: Mapping[str, Meaning] = {
    Reason.NO_SUCH_USER: Meaning("there is no such mailbox", CHECK_ADDRESS),
    Reason.HOST_UNKNOWN: Meaning("there is no such mail domain", CHECK_ADDRESS),
    Reason.NO_MAIL_SERVICE: Meaning("the domain declares that it accepts no mail", CHECK_ADDRESS),
    Reason.MOVED: Meaning("the mailbox has moved", CHECK_ADDRESS),
    Reason.MAILBOX_FULL: Meaning("the mailbox is full", "Ask the recipient to make room, then resend it."),
    Reason.DISABLED: Meaning("the mailbox is disabled", ASK_RECIPIENT),
    Reason.FILTERED: Meaning("the recipient's own rules reject it", ASK_RECIPIENT),
    Reason.SENDER_REJECTED: Meaning("{server} does not accept the sender's address", CHECK_REPUTATION),
    Reason.AUTHENTICATION: Meaning("SPF, DKIM or DMARC of the sender's domain did not pass", CHECK_REPUTATION),
    Reason.LOGIN: Meaning("{server} wants a login or encryption", "Tell the operator of this service."),
    Reason.RELAYING: Meaning("{server} does not take mail for this domain", CHECK_ADDRESS),
    Reason.BLOCKED: Meaning("{server} does not accept mail from our IP address", CHECK_REPUTATION),
    Reason.GREYLISTED: Meaning("{server} asks for a later attempt, as many servers do for unknown senders", WAIT),
    Reason.SPAM: Meaning("{server} regards it as spam", CHECK_CONTENT),
    Reason.VIRUS: Meaning("{server} found a virus in it", CHECK_CONTENT),
    Reason.TOO_BIG: Meaning("the message is larger than {server} accepts", "Make it smaller: put files behind links."),
    Reason.TOO_MANY: Meaning("there was too much mail at once", WAIT),
}

# The same, said of the service's own account at a provider.
OF_OUR_ACCOUNT: Mapping[str, Meaning] = {
    Reason.DISABLED: Meaning("{server} has disabled the account of this service", "Ask the provider for the cause."),
}

# Other meanings of some codes when they are transient.
PASSING: Mapping[str, Meaning] = {
    "7.0": Meaning("{server} wants the message later, or less mail for now", WAIT),
    "7.1": Meaning("{server} asks for a later attempt, as many servers do for unknown senders", WAIT),
}

# The fallback for codes outside the table: the meaning of the subject, which is the second number.
SUBJECTS: Mapping[str, Meaning] = {
    "1": Meaning("something is wrong with the address", CHECK_ADDRESS),
    "2": Meaning("something is wrong with the mailbox", ASK_RECIPIENT),
    "3": Meaning("{server} has a fault", WAIT),
    "4": Meaning("the network between the servers has a fault", WAIT),
    "5": Meaning("the servers did not understand each other", "Tell the operator of this service."),
    "6": Meaning("{server} does not accept this content", CHECK_CONTENT),
    "7": Meaning("{server} rejected it by its policy", CHECK_REPUTATION),
}

# For replies without an enhanced code (RFC 5321, 4.2.3).
REPLIES: Mapping[int, Meaning] = {
    421: Meaning("{server} is shutting down, or wants less mail for now", WAIT),
    450: Meaning("the mailbox is unavailable at the moment", WAIT),
    451: Meaning("{server} has a transient fault", WAIT),
    452: Meaning("{server} has no room at the moment", WAIT),
    535: Meaning("{server} does not accept our login", "Correct the provider's credentials, if it is the provider's."),
    550: Meaning("the mailbox does not exist, or accepts no mail from this sender", CHECK_ADDRESS),
    552: Meaning("the mailbox is full, or the message is too large", ASK_RECIPIENT),
    553: Meaning("the address is not allowed", CHECK_ADDRESS),
    554: Meaning("{server} rejected it without a reason", CHECK_REPUTATION),
}


def find_meaning(
    enhanced_code: str, code: int | None, server: str = "the recipient's server", reason: str = "", *, about: str = ""
) -> Meaning | None:
    """The meaning of a reply, with `server` filled in; None if it is unknown. The judged `reason` counts more than the
    codes: servers say 5.1.1 for a full mailbox. Where both agree, the more precise code speaks.
    """
    ours = OF_OUR_ACCOUNT.get(reason) if about == About.PROVIDER else None
    judged = ours or REASONS.get(reason)
    if judged and (ours or name_status(enhanced_code) != reason):
        return replace(judged, words=judged.words.format(server=server))
    detail = enhanced_code[2:]
    is_passing = enhanced_code.startswith("4.") if enhanced_code else code is not None and code < 500
    found = CODES.get(detail) or SUBJECTS.get(detail.partition(".")[0]) or REPLIES.get(code or 0)
    if is_passing and (found := PASSING.get(detail, found)):
        found = replace(found, advice=WAIT)
    return found and replace(found, words=found.words.format(server=server))
