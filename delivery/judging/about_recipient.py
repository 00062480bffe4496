"""Phrases of rejections caused by the recipient or its domain, in several languages. See `phrases` for the rules."""

from delivery.judging.terms import Reason

_WHO = (
    r"(?:users?|recipients?|addressees?|mail ?box(?:es)?|inbox|accounts?|address(?:es)?|mail ?drops?|members?"
    r"|subscribers?|customers?|alias(?:es)?|local[- ]?part|user ?id|user ?names?|rcpt|destinat(?:ion|ary)s?|persons?"
    r"|e-?mail|login)"
)
_NOT_THERE = (
    r"(?:unknown|not (?:be )?(?:found|known|exist\w*|recogni[sz]ed|listed|valid|registered|available here|our customer"
    r"|a valid|defined|present|located|deliverable|matched)|invalid|undeliverable|non-?exist\w*|unrecogni[sz]ed"
    r"|(?:does|did|do|dose|is|has|could|can)(?: ?n[o']t|nt|n't) (?:be )?(?:exist\w*|found|have|match\w*|resolve)"
    r"|has no mail ?box|no longer (?:exists?|valid|available|in use|in service|active|on (?:this )?server|here|employed"
    r"|works?|with)|(?:has been|was) (?:deleted|removed)|bad|illegal|wrong|ambiguous|undefined)"
)
_UNKNOWN = (
    r"(?:unknown|invalid|no such|bad|non-?exist(?:ent|ing)|illegal|unrecogni[sz]ed|undefined|incorrect|wrong|no valid"
    r"|unresolved|unregistered|not (?:a|an|any|our|your) (?:valid |known |existing |active |registered )?"
    r"|no (?:local |valid |matching |active )?)"
)
_KIND = r"(?:local|virtual|final|delivery|destination|remote|internal|lotus|mail|e-?mail|smtp|to)"
_DOMAIN = r"(?:hosts?(?: ?names?)?|domains?(?: ?names?)?|mail domain|mail server|mx (?:hosts?|records?))"
_CLOSED = (
    r"(?:disabled?|suspended|inactive|de-?activated|locked|frozen|not active|expired|discontinued|archived|terminated"
    r"|on hold|cancell?ed|closed|blocked|dormant|not (?:currently )?(?:activated|enabled))"
)

ABOUT_RECIPIENT: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (
        Reason.MAILBOX_FULL,
        (
            r"\b(?:over|exceed\w*|out of|beyond|above)\b.{0,40}"
            r"\b(?:quota|mail ?box|storage|disk space|allotted|allocat\w+)",
            r"\bquota\b.{0,60}\b(?:exceed\w*|full|reached|violat\w+|limit|over|has been|used|error)|\bquotaexceed\w*",
            r"\b(?:mail ?box|inbox|mail ?drop|mail ?folder|mail ?spool|mail ?dir|storage|account|user|recipient)\b"
            r"[^:;]{0,60}\b(?:full|too (?:large|big)|over ?quota|out of space)\b",
            r"\bfull mail ?box\b|\bmail ?box\b.{0,40}\bexceed",
            r"\bexceed\w*.{0,30}\b(?:allowed|maximum) (?:mail ?box )?size",
            r"\b(?:not enough|insufficient|no|out of|lack of)\b.{0,20}"
            r"\b(?:mail ?box|storage|disk|user) ?(?:space|room|quota|storage|capacity)",
            r"\bno (?:disk )?space left|\bover ?quota\b|\bdisk ?(?:space )?quota|\bdisk (?:is )?full",
            r"\b(?:number|amount) of (?:messages|mails?|stored mail)\b.{0,60}\b(?:exceed|limit)",
            r"\b(?:mail ?box|user|recipient|account|storage) quota\b",
            r"\bover (?:(?:its|his|their|the|storage|size) ){0,2}limit\b",
            r"\btoo much mail data|\btoo many messages (?:in|on)\b",
        ),
    ),
    (
        Reason.MOVED,
        (
            r"\bha(?:s|ve) moved\b|\breplaced by\b|\bnot our customer\b|\bplease (?:try|use) (?:the )?(?:new|forward)",
            rf"\b{_WHO}\b.{{0,40}}\b(?:has )?(?:changed|been replaced)\b|\bnew (?:e-?mail )?address\b",
        ),
    ),
    (
        Reason.DISABLED,
        (
            rf"\b{_WHO}\b.{{0,60}}\b{_CLOSED}\b",
            rf"\b(?:disabled|suspended|inactive|expired|locked|closed|frozen|archived|deactivated|blocked) {_WHO}\b",
            rf"\b{_WHO}\b.{{0,30}}\b(?:temporarily|currently) (?:unavailable|out of service)",
            r"\bnot accepting (?:messages|mail|e-?mail)\b(?! (?:with|from))",
        ),
    ),
    (
        Reason.FILTERED,
        (
            r"\brecipient(?:'s)? (?:preferences|settings|filter)|\bfiltered\b|\bdelivery restrict\w+",
            r"\brestricted (?:address|recipient|group|list)|\bwhite ?-?list|\ballowed ?senders?\b",
            rf"\b{_WHO}\b[^:;.]{{0,40}}\b(?:reject\w*|refus\w+|(?:not|doesn't) (?:accept|want|wish|receiv)\w*"
            r"|only accepts?)\b[^:;.]{0,30}\b(?:mail|messages?|you|from|this|your)\b",
            r"\b(?:permission|authori[sz]ed|allowed|permitted|privileges?)\b.{0,20}\b(?:to )?(?:send|post|contact)\b",
            r"\b(?:not|non|isn't|aren't) (?:a )?member\b|\bmembers? only|\bmust be (?:a )?(?:member|subscrib\w+)",
        ),
    ),
    (
        # A temporary DNS failure proves nothing about the domain.
        Reason.NETWORK,
        (
            r"\bservfail\b|\bdns (?:soft|temporary|server) (?:error|fail\w*)|\bname ?server (?:time\w*|fail\w*|error)",
            r"\bdns (?:error|problem|trouble|issue|query failed)|\bmalformed or unexpected name server reply",
            r"\b(?:look(?:ing)? ?up|resol\w+|name service|name server|dns|query)\b.{0,60}"
            r"\b(?:try again|tempora\w+|timed? ?out|servfail|server failure|name look ?up failure)\b",
            r"\bnot found, try again|\b(?:tempora\w+|transient)\b.{0,40}\b(?:look ?up|resol\w+|dns|name serv)",
            r"\btoo many hops|\bhop count|\bmail (?:is |forwarding )?loop\w*|\brouting loop|\bdelivered-to loop",
            r"\bloops? (?:back|detected|between)",
        ),
    ),
    (
        # A delivery program that cannot write says "no such user" of its own machine's accounts.
        Reason.SYSTEM,
        (
            r"\b(?:can't|cannot|could not|couldn't|unable to|failed to) "
            r"(?:create|open|append|write|lock|chdir|fork|execute)\b",
        ),
    ),
    (
        Reason.NO_MAIL_SERVICE,
        (
            r"\bdomain\b.{0,30}\b(?:not|doesn't|never|no longer) accepts? (?:any )?(?:e-?)?mail\b(?! from)",
            r"\bnull ?mx\b|\bno smtp service\b|\bmx or srv record indicated no|\bmx 0 \.",
        ),
    ),
    (
        Reason.HOST_UNKNOWN,
        (
            rf"\b{_DOMAIN}\b[^:;]{{0,50}}\b(?:unknown|not (?:found|valid|exist|reachable|resolved)|invalid|nxdomain"
            r"|(?:does|did|is|do)(?: not|n't) (?:exist\w*|resolve)|non-?exist\w*|no such|has no mx)",
            rf"\b(?:unknown|no such|non-?existent|bad|invalid|illegal|unresolvable|unroute?able|undefined|no) "
            rf"(?:(?:remote|mail|e-?mail|recipient(?:'s)?|destination) )?{_DOMAIN}\b(?! policy)",
            r"\bnxdomain\b|\bnonexistentdomain|\bunroute?able (?:mail )?(?:address|domain)|\bhost not found",
            r"\bno route (?:found )?to (?:the )?(?:domain|address)\b|\bnon-?existent hosts?\b",
            r"\b(?:unable|could not|couldn't|cannot|can't|failed) (?:to )?(?:look ?up|find|locate|resolve)\b.{0,30}"
            r"\b(?:host|domain|mail exchanger|mx|name)",
            r"\b(?:couldn't find|no|non-?existent) (?:a |any )?(?:mail exchanger|mx record|mx or a|a record|mail host)",
            r"(?:^|[\s:])(?:[\w-]{1,63}\.){1,6}[a-z]{2,18} does(?: not|n't) exist",
        ),
    ),
    (
        Reason.NO_SUCH_USER,
        (
            rf"(?<!ip )\b{_WHO}\b(?! (?:has )?reject).{{0,50}}\b{_NOT_THERE}\b",
            rf"\b{_WHO}\b:? unknown\b|\bunknown:? {_WHO}|\b{_WHO} deleted\b",
            rf"\b{_UNKNOWN} ?(?:or (?:illegal|invalid|missing|misspelled|inactive) )?(?:{_KIND} ){{0,3}}{_WHO}\b",
            r"\bno such\b.{0,30}\b(?:here|person|name|one)\b|\bno (?:mail ?box|one) (?:here )?by that name",
            rf"\b(?:does|do|did|has|have|is|are|was) ?(?:not|n't|nt) (?:have )?(?:an?|any)\b.{{0,40}}\b{_WHO}\b",
            rf"\b(?:there is|have|has|had) no\b.{{0,20}}\b{_WHO}\b|\bexist\w* here\b|\bbad destination mail",
            r"\b(?:wasn't|isn't|not|couldn't be) (?:be )?found (?:at|in|on|by)\b|\brecip(?:ient)?notfound",
            r"\b(?:can't|cannot) find\b|\bname is not recogni[sz]ed|\bunknown in (?:local|virtual|relay)\b",
            r"\bnot (?:be )?(?:listed |found )?in (?:\w+ ){0,2}(?:directory|address book|database|list)\b",
            r"\bunknown (?:rcpt|to address|address error|e-?mail|name|local)|\bchkusr\b",
            r"\bnot listed in\b",
            r"\bno longer (?:works?|employed|with|at|active|a valid|in use|valid|exists?)\b",
        ),
    ),
    (
        Reason.EXPIRED,
        (
            r"\bretry time(?:out)?\b.{0,30}\b(?:exceeded|reached)|\bexpired\b|\bfailed \d+ attempts|\bgiving up after",
            r"\bqueue\b.{0,20}\btoo long|\bnot yet been delivered\b",
            r"\b(?:not|un) ?(?:been )?(?:be )?delivered (?:for|after|within|in) (?:\w+ than )?\d+",
            r"\bdelivery time\b.{0,20}\bexceeded|\bstill undelivered|\bdelayed\b|\bwill (?:keep trying|be retried)",
            r"\bmax(?:imum)? (?:delivery |retry |queue )?(?:time|attempts|age|retries)",
            r"\b(?:could not|unable to) (?:be delivered|deliver)\b.{0,30}\b\d+ (?:seconds|minutes|hours?|days?)",
        ),
    ),
)

VAGUELY_ABOUT_RECIPIENT: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (
        Reason.NO_SUCH_USER,
        (
            r"\b(?:recipient|rcpt|destination|address|user|mail ?box)\b.{0,20}\b(?:rejected|refused)\b",
            # RFC 5321's own text for 550, which servers also give for refusals of other kinds.
            r"\b(?:address|user|account|mail ?box)\b.{0,20}\b(?:unavailable|not available)",
            r"\b(?:does )?not exist|\bno valid recipients",
            r"\brejected recipient|\bundeliverable address",
        ),
    ),
    (Reason.FILTERED, (r"\bnot (?:accepted|permitted|allowed|wanted)\b",)),
    (
        Reason.POLICY,
        (r"\b(?:reject\w*|refus\w+|den(?:y|ied)|not (?:accept|allow|permit)\w*|blocked|discarded)\b",),
    ),
)
