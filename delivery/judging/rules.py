"""The one table of judgements: the meaning of each reason, by the party that refused.

`RULES` is looked up with the reason that words and codes name (`delivery.judging.reasons`). `STAGES` holds the replies
whose meaning does not depend on their words.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from delivery.envelope import Outcome
from delivery.judging.terms import About, Reason


@dataclass(frozen=True, slots=True)
class Rule:
    """The meaning of a permanent refusal. A temporary one is always deferred, and never for good."""

    outcome: Outcome
    about: About
    is_for_good: bool = False
    should_slow: bool = False


def _defer(about: About) -> Rule:
    return Rule(Outcome.DEFERRED, about)


def _bounce(about: About, *, is_for_good: bool = False) -> Rule:
    return Rule(Outcome.BOUNCED, about, is_for_good)


def _fail(about: About) -> Rule:
    return Rule(Outcome.FAILED, about)


_GONE = _bounce(About.RECIPIENT, is_for_good=True)
_BUSY = _defer(About.RECIPIENT)
_CLOSED = _bounce(About.RECIPIENT)
_REFUSES_US = Rule(Outcome.DEFERRED, About.PROVIDER, is_for_good=True)
_SLOW_SERVER = Rule(Outcome.DEFERRED, About.SERVER, should_slow=True)
_SLOW_PROVIDER = Rule(Outcome.DEFERRED, About.PROVIDER, should_slow=True)

# For each reason: the rule for the recipient's server and for reports, then the rule for our relay or ESP.
RULES: Mapping[Reason, tuple[Rule, Rule]] = {
    Reason.NO_SUCH_USER: (_GONE, _GONE),
    Reason.HOST_UNKNOWN: (_GONE, _GONE),
    Reason.NO_MAIL_SERVICE: (_GONE, _GONE),
    Reason.MOVED: (_GONE, _GONE),
    Reason.MAILBOX_FULL: (_BUSY, _BUSY),
    Reason.DISABLED: (_CLOSED, _CLOSED),
    Reason.FILTERED: (_CLOSED, _CLOSED),
    Reason.GREYLISTED: (_defer(About.SERVER), _defer(About.PROVIDER)),
    Reason.TOO_MANY: (_defer(About.SERVER), _SLOW_PROVIDER),
    Reason.SENDER_REJECTED: (_bounce(About.IDENTITY), _fail(About.IDENTITY)),
    Reason.AUTHENTICATION: (_bounce(About.IDENTITY), _bounce(About.IDENTITY)),
    Reason.BLOCKED: (_bounce(About.IDENTITY), Rule(Outcome.DEFERRED, About.IDENTITY, is_for_good=True)),
    Reason.LOGIN: (_bounce(About.SERVER), _REFUSES_US),
    Reason.RELAYING: (_bounce(About.SERVER), _REFUSES_US),
    Reason.SPAM: (_bounce(About.MESSAGE), _bounce(About.MESSAGE)),
    Reason.VIRUS: (_bounce(About.MESSAGE), _bounce(About.MESSAGE)),
    Reason.CONTENT: (_fail(About.MESSAGE), _fail(About.MESSAGE)),
    Reason.TOO_BIG: (_fail(About.MESSAGE), _fail(About.MESSAGE)),
    Reason.PROTOCOL: (_fail(About.SERVER), _fail(About.PROVIDER)),
    Reason.POLICY: (_bounce(About.SERVER), _bounce(About.PROVIDER)),
    Reason.NETWORK: (_bounce(About.SERVER), _fail(About.PROVIDER)),
    Reason.SYSTEM: (_bounce(About.SERVER), _fail(About.PROVIDER)),
    Reason.EXPIRED: (_bounce(About.SERVER), _fail(About.SERVER)),
    Reason.UNKNOWN: (_bounce(About.SERVER), _bounce(About.SERVER)),
}

# Replies before the mail, and codes that mean the same with all words: by `stage code` or `stage class`, where `*` is
# any stage. The first rule is for the recipient's server, the second for our relay.
STAGES: Mapping[str, tuple[Rule, Rule]] = {
    "greeting 521": (_bounce(About.SERVER), _SLOW_PROVIDER),  # the host accepts no mail at all (RFC 7504)
    "rcpt 521": (_bounce(About.SERVER), _bounce(About.SERVER)),
    "* 421": (_SLOW_SERVER, _SLOW_PROVIDER),  # the host closes: too many connections, or shutting down
    "* 454": (_SLOW_SERVER, _SLOW_PROVIDER),  # TLS or authentication temporarily unavailable
    "* 530": (_bounce(About.SERVER), _REFUSES_US),  # a login or STARTTLS is required
    "* 535": (_bounce(About.SERVER), _REFUSES_US),  # the login is wrong
    "greeting 5xx": (_SLOW_SERVER, _SLOW_PROVIDER),
    "ehlo 5xx": (_SLOW_SERVER, _SLOW_PROVIDER),
    "tls 5xx": (_defer(About.SERVER), _REFUSES_US),
    "auth 5xx": (_defer(About.SERVER), _REFUSES_US),
}

# Details of permanent codes that are tried again all the same: full, down, busy, out of its directory.
PASSING = frozenset({"2.2", "3.1", "3.2", "3.5", "4.2", "4.3", "4.5"})
# Details of temporary codes that ask for less mail.
SLOWING = frozenset({"3.2", "4.5"})
# Enhanced codes that prove by themselves, without words, that the address is invalid (RFC 3463, RFC 7505).
PROVING = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10"})
# The code that proves it: the domain accepts no mail (RFC 7504).
NO_MAIL = 556
# The code for a host without mail service (RFC 7504). Beside it no enhanced code is about a mailbox.
HOST_CLOSED = 521
