"""Phrases of rejections caused by the sender, its host or this mail. See `phrases` for the rules."""

from delivery.judging.terms import Reason

_NO = r"(?:reject\w*|denied|refus\w+|block\w*|not (?:allowed|accepted|permitted|valid|exist|found|verified))"

# Matched before the phrases about the recipient.
ABOUT_US: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (
        # Exchange, for groups and mailboxes that take mail from some senders only, and challenges to the sender.
        Reason.FILTERED,
        (
            r"\bresolver\.rst\.|\bdelivery restrict\w+|\b(?:sending )?to this (?:group|list|distribution)",
            r"\brequires? (?:your |a |sender )?(?:confirm\w+|verification|challenge)\b|\bmust (?:first )?be confirmed",
            r"\b(?:please |must )?(?:confirm|verify) (?:that )?(?:you are|your (?:identity|message|mail|e-?mail))",
            r"\bchallenge[- ]?response|\bpersonal (?:black|block) ?list",
            r"\bsuppress(?:ed|ion)\b|\bpreviously (?:bounced|unsubscribed|complained)",
            r"\bblocked by (?:the )?(?:recipient|user|addressee)",
        ),
    ),
    (
        Reason.VIRUS,
        (
            r"\bvirus(?:es)?\b(?!.{0,15}(?:scanner|wall|gateway))",
            r"\bmalware\b|\binfected\b|\btrojan\b|\bworm\b|\bphishing\b",
        ),
    ),
    (
        Reason.AUTHENTICATION,
        (
            r"\bspf\b|\bdkim\b|\bdmarc\b|\bdomainkeys?\b|\bsender[- ]?id\b",
            r"\bunauthenticated\b|\bnotauthenticated",
            r"\bsender policy framework\b|\bfails? authentication|\bauthentication (?:checks?|information|results?)",
            r"\b(?:message|mail|e-?mail|domain|from)\b.{0,40}\bauthentication\b.{0,20}\b(?:fail\w*|checks?|unsuccessful)",
        ),
    ),
    (
        Reason.LOGIN,
        (
            r"\bauthentication\b.{0,40}\b(?:require\w*|fail\w*|invalid|error|unsuccessful|needed|first)",
            r"\b(?:require|need|must|please|turn on)\w*\b.{0,30}\b(?:smtp )?auth(?:enticat\w+|orization)?\b",
            r"\bauthenticate (?:first|yourself|before)|\bnot (?:logged|authenticated)\b|\bcheck mail (?:first|before)",
            r"\buser ?name and password",
            r"\b(?:bad|invalid|incorrect|wrong) (?:login|password|credentials?|user ?name or)",
            r"\bstarttls\b|\btls\b.{0,40}\b(?:require\w*|fail\w*|handshake|error|not)",
            r"\bcertificate\b|\bencryption (?:needed|required)|\bpop before smtp",
        ),
    ),
    (
        Reason.RELAYING,
        (
            r"\brelay(?:ing|ed)?\b.{0,40}\b(?:denied|not|prohibited|disallowed|restricted|refused|blocked|rejected|forbidden)",
            r"\b(?:unable|not (?:allowed|permitted|authorized|able)|cannot|can't|refus\w+|forbidden)\b.{0,20}\brelay",
            r"\b(?:no|not an? (?:open )?|don't|do not|insecure mail|open) relay(?:ing)?\b(?! recipient)",
            r"\bfor relaying\b|\brcpthosts\b|\blist of (?:allowed|permitted) recipient hosts",
            r"\bnot (?:a )?(?:local|hosted here|gateway)\b.{0,30}\b(?:domain|host)|\bgateway user",
        ),
    ),
    (
        Reason.TOO_MANY,
        (
            r"\b(?:daily|hourly|sending|outgoing|outbound)\b.{0,30}\bquota",
            r"\btoo many (?:unknown|invalid|bad) (?:users?|recipients?|addresses)",
            r"\btoo many (?:\w+ ){0,2}(?:connect\w+|recipients?|sessions?|errors?|commands|requests|rcpts?)",
            r"\btoo many (?:messages|e?-?mails?)\b(?! (?:in|on)\b)",
            r"\b(?:rate|frequency|connection|concurren\w+|sending|hourly|daily|volume)\b.{0,20}\blimit|\bthrottl\w+",
            r"\b(?:maximum|exceed\w*)\b.{0,40}\b(?:connections|rate|recipients|per (?:hour|day|minute|message))",
            r"\btoo (?:fast|frequent\w*|quickly)|\bunusual rate|\bdeferred due to user complaints",
            r"\breceiv\w+ (?:mail|messages?|e-?mails?) (?:at a rate|too)|\breceiv\w+ too (?:many|much)",
            r"\b(?:rate|volume)\b.{0,30}\b(?:exceed\w*|too high)|\bexceed\w*.{0,40}\brate\b|\bfrequency limited",
            r"\bdelivery rate|\bunexpected volume|\b(?:daily|hourly) (?:message |sending |receive )?limit",
        ),
    ),
    (
        Reason.GREYLISTED,
        (r"\bgr[ae]y ?-?list(?:ed|ing)?\b|\bpostgrey\b|\bsqlgrey\b",),
    ),
    (
        Reason.BLOCKED,
        (
            r"\b(?:black|block|deny|drop) ?-?list(?:ed|ing|s)?\b|\b[rd]nsbl\b|\brbl\b|\brhsbl\b",
            r"\b(?:black|block) ?listed\b|\bbl\.\w+|\bin an? rbl\b|\blisted (?:at|in|by|on) \S+\.\S+",
            r"\bspamhaus|\bspamcop|\bsorbs\b|\bbarracuda ?central|\buceprotect|\bsenderscore|\babuseat|\bsurbl|\buribl",
            r"\b(?:ip|host|network|server|client|mta|connection|domain|sender|address|you|messages? from)\b.{0,60}"
            r"\b(?:is|are|was|been|were|be|currently|temporarily|permanently)\b.{0,15}\b(?:blocked|banned|listed)\b",
            r"\bblocked (?:using|by|ip|for|(?:because|due)(?!.{0,30}\b(?:content|attach\w+|file)))\b",
            r"\bbanned\b|\breputation\b|\btrust(?:ed)? score",
            r"\breverse (?:dns|lookup|mapping|resolution)|\bptr\b|\brdns\b|\bfcrdns\b|\bno reverse\b",
            r"\bvalid (?:hostname|fqdn)|\bcannot find your (?:reverse )?host ?name",
            r"\bno host ?name (?:was )?(?:found )?for",
            r"\b(?:host ?name|ip(?: address)?) (?:reverse )?look ?up\b|\bnxdomain for \d|\bhost ?names? for your ip",
            r"\bhosts? \[?\d{1,3}(?:\.\d{1,3}){3}\]?.{0,12}\b(?:unknown|not found|invalid|resolve)",
            r"\byour ip\b.{0,40}\b(?:resolve|invalid|unknown|no)\b|\bunauthori[sz]ed hosts?\b",
            r"\bunknown (?:client )?hosts?:? \[?\d{1,3}(?:\.\d{1,3}){3}|\bclient (?:host ?)?name\b",
            r"\b(?:my|your|helo|ehlo) (?:host ?)?name (?:was |is )?(?:rejected|invalid|not)|\bhelo name\b",
            r"\bclient (?:host|ip|address)?\b.{0,30}\b(?:rejected|blocked|denied|refused)",
            r"\bdynamic(?:ally)?\b.{0,25}\b(?:ip|host|address|dns|assigned|range)|\bresidential\b|\bdialup",
            r"\b(?:bad|invalid|need|reject\w*) (?:helo|ehlo|hello)|\b(?:in|of|your) (?:helo|ehlo|hello)\b",
            r"\b(?:helo|ehlo)\b.{0,40}\b(?:reject\w*|invalid|not|denied|forged|match|unknown)",
            rf"\byour (?:ip|host|server|network|mail ?server|mta|provider|isp)\b.{{0,60}}\b(?:{_NO}|poor|bad|suspect)",
            r"\bban(?:ned)? (?:sending )?ip|\b(?:sending|source|sender|connecting|remote|client) ip\b.{0,60}"
            r"\b(?:reject\w*|denied|refus\w+|block\w*|ban\w*|listed|reputation|not)|\bip is (?:rejected|hangup)",
            r"\bpart of their network is on our\b|\b(?:messages?|mail|e-?mails?) from \[?\d{1,3}(?:\.\d{1,3}){3}\b",
            r"\b(?:ip(?: address)?|client)\b.{0,40}"
            r"\b(?:not (?:allowed|permitted|authori[sz]ed)|denied|refused|rejected)",
            r"\b(?:no|refuse\w*|reject\w*|deny|denied) (?:more )?(?:mail |connections? )?"
            r"from (?:your|this|the) (?:ip|host|server|network|address)",
            r"\byour (?:isp|provider)(?:'s)?\b.{0,20}\b(?:server|relay|smarthost)|\bserver of your (?:isp|provider)",
            r"\bconnection (?:rejected|denied|not allowed|refused by policy)",
        ),
    ),
    (
        Reason.SENDER_REJECTED,
        (
            rf"\bsender(?:'s)?\b.{{0,40}}\b(?:{_NO}|invalid|unknown|failed|verif\w+|unresolv\w+|nonexist\w*"
            r"|doesn't exist|does not exist|can not)",
            r"\bsender(?:'s)?\b.{0,40}\b(?:null ?mx|no mx)\b",
            r"\bdomain of sender|\bsender domain|\b(?:invalid|bad|unknown|unverified|forged|illegal) (?:mail )?sender",
            r"\b(?:envelope[- ](?:from|sender)|return[- ]path|reverse[- ]path|from address|mail from)\b.{0,60}"
            rf"\b(?:{_NO}|invalid|unknown|verif\w+|resol\w+|bad)",
            r"\b(?:cannot|could not|couldn't|can't|unable to) (?:verify|resolve|find)\b.{0,30}\b(?:sender|from)\b",
            r"\b(?:not|don't|doesn't|won't) accept(?:ing|ed)?\b.{0,30}\b(?:mail|messages?|e-?mails?)\b.{0,20}\bfrom\b",
            rf"\byour (?:e-?mail )?(?:domain|address) (?:is|was|has been) (?:{_NO}|invalid|not)",
            r"\bsending domain\b.{0,40}\b(?:not|invalid|unresolv\w+)",
            r"\byour (?:sending |e?-?mail )?domain\b.{0,40}\b(?:not|n't|invalid|unknown|nxdomain|unresolv\w+|no)\b",
            r"\b(?:can't|cannot|could not|couldn't|unable to|fail\w* to) (?:find|resolve|verify|look ?up) your\b",
            r"\bcall(?:out|back|ahead)\b|\bsender ?verif\w+|\bverif\w+ (?:(?:of|failed|for|the|envelope) ){0,3}sender",
            r"(?<!recipient )\bverification failed for\b|\bwhile verifying\b|\bsrs\b|\bforge(?:d|ry)\b|\bspoof\w*",
            rf"\b(?:{_NO}|unknown|invalid|verif\w+|failed)\b.{{0,12}}\b(?:sender|return[- ]path|mail from)\b",
            r"\bdomain of your (?:e-?mail )?address\b|\bfrom domain\b",
            r"\b(?:mx records?|domain) (?:for|in|of) your\b|\bfake sender|\bsender (?:is )?(?:fake|unvalidated)",
            r"\b(?:address|format|syntax)\b.{0,12}\bof (?:the )?sender\b",
            r"\bhost denies the sender|\bnot owned by user",
        ),
    ),
    (
        Reason.SPAM,
        (
            r"\bspam(?:s|my|med|mer|mers|mish|ming|assassin|iness|score)?\b",
            r"\bunsolicited\b|\bjunk(?: ?mail)?\b|\bube\b|\buce\b|\bbulk (?:e-?)?mail\b|\bcontent filter\w*",
            r"\b(?:message|mail) (?:content )?(?:looks|appears|seems) (?:like|to be)",
        ),
    ),
    (
        Reason.TOO_BIG,
        (
            r"\b(?:message|mail|e-?mail|body|attachments?|file|content|data)\b(?!box)(?![^:;]{0,40}queue)[^:;]{0,40}"
            r"\b(?:too (?:large|big|long)|larger than|oversize\w*)\b",
            r"\b(?:message|mail|e-?mail|header|attachment|content|body)\b(?!box).{0,25}\b(?:size|length)\b.{0,40}"
            r"\b(?:exceed\w*|limit|over|larger|maximum)",
            r"\b(?:exceed\w*|over|above|larger than)\b.{0,40}\b(?:message|mail) (?:size|length)",
            r"\bmax(?:imum)? (?:message|mail) size|\b(?:message|mail) (?:is )?too (?:long|big|large)",
            r"\bfixed maximum|\brecipsizelimit|\btoo (?:large|big) (?:for|to)\b",
        ),
    ),
)

# Matched when neither clear phrases nor codes name a reason.
VAGUELY_ABOUT_US: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (
        Reason.CONTENT,
        (
            r"\b(?:content|attachment|header|subject|mime|body|character ?set|8-?bit)\b.{0,60}"
            rf"\b(?:{_NO}|not supported|invalid|error|prohibited|malformed|bad|illegal)",
            r"\b(?:invalid|malformed|bad|illegal|multiple|missing) (?:header|mime|content|attachment|message)",
        ),
    ),
    (
        Reason.POLICY,
        (
            # Beside a code for "no such mailbox" it still tells of this mail.
            rf"\b(?:your|this) (?:message|mail|e-?mail)\b.{{0,25}}\b{_NO}|\b(?:message|mail|e-?mail) {_NO}",
            rf"\b{_NO} (?:this |your )?(?:message|mail)\b(?! ?box)|^access denied",
            r"\bpolic(?:y|ies)\b|\bprohibited\b|\bforbidden\b|\bviolat\w+|\bsecurity\b|\badministrative\w*|\bunacceptable",
        ),
    ),
    (
        Reason.NETWORK,
        (
            r"\bconnect(?:ion)?\b.{0,60}"
            r"\b(?:refused|timed? ?out|reset|lost|dropped|closed|fail\w*|broken|aborted|interrupt\w*)",
            r"\blost connection|\bno route\b|\btimed? ?out\b",
            r"\b(?:network|host|server|mx|destination)\b.{0,30}"
            r"\b(?:unreachable|error|unavailable|down|not respond\w*|no answer|not answer\w*)",
            r"\b(?:unable|not|couldn't|cannot|can't|fail\w*|impossible)\b.{0,20}\b(?:connect|contact|establish|reach)",
            r"\bname server|\bdns\b|\blook ?up\b|\btry (?:again|later)|\btemporar\w+|\btransient|\bbusy\b|\bdeferred\b",
        ),
    ),
    (
        Reason.SYSTEM,
        (
            r"\b(?:system|config\w*|internal|local|server|software|program\w*|i/o|disk|database|ldap|mailer|operating)\b"
            r".{0,30}\b(?:error|fail\w*|problem|fault|unavailable)",
            r"\bservice\b.{0,20}\b(?:unavailable|not available|refused?)",
            r"\binsufficient\b|\bout of memory|\bresources\b|\bpermission denied",
            r"\bcommand (?:died|output|failed|time)|\bexit (?:code|status)|\bmisconfig\w+",
            r"\b(?:can't|cannot|could not|couldn't|unable to) "
            r"(?:create|open|append|write|update|lock|fork|execute|save|store|process|deliver to)",
        ),
    ),
    (
        Reason.PROTOCOL,
        (
            r"\bsyntax\b|\b(?:bad|improper|invalid|wrong) (?:command )?sequence|\bcommand\b.{0,20}\b(?:not|un)\b",
            r"\bnot implemented|\bprotocol error|\bneed (?:rcpt|mail)|\bsmtputf8|\bargument",
        ),
    ),
)
