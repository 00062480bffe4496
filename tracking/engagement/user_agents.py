"""The table of user agents: what programs that load pixels and follow links call themselves.

It contains public knowledge. A filter that poses as a browser is not here; `networks` and the settled label find it.
"""

import re
from collections.abc import Sequence
from enum import StrEnum


class Actor(StrEnum):
    """The kind of visitor.

    `proxy` fetches an image because a person looks at the mail (Gmail, Yahoo, Outlook.com); `prefetch` fetches it
    whether or not a person ever does (Apple's privacy protection).
    """

    HUMAN = "human"
    SCANNER = "scanner"
    PROXY = "proxy"
    PREFETCH = "prefetch"
    UNKNOWN = "unknown"


# The first match decides, because a scanner may add a browser's name to its own.
_PROGRAMS = (
    # https://support.google.com/mail/answer/145919; the second is what Gmail fetches with ahead of a visit.
    (r"googleimageproxy|ggpht\.com", Actor.PROXY, "Gmail's image proxy"),
    (r"chrome/42\.0\.2311\.135 .*edge/12\.246 mozilla/5\.0", Actor.PREFETCH, "Gmail's prefetch"),
    (r"yahoomailproxy|yahoocachesystem|yahoo! ?slurp-?mail", Actor.PROXY, "Yahoo's image proxy"),
    (r"outlook-?ios-?android-?proxy|outlook-?(?:web-?)?image-?proxy|microsoft\s?office\s?proxy|owa-?proxy",
     Actor.PROXY, "Outlook.com's image proxy"),
    (r"duckduckgo-?email|proton-?(?:mail-?)?(?:image-?)?proxy|fastmail-?(?:image-?)?proxy|hey-?(?:email|proxy)"
     r"|zoho-?mail-?(?:image-?)?proxy|mail\.?ru-?(?:image-?)?proxy|yandex-?(?:mail-?)?(?:image-?)?proxy|camo\b",
     Actor.PROXY, "a mail service's image proxy"),
    (r"barracuda|proofpoint|mimecast|ironport|cisco-?(?:email|secure)|fireeye|trellix|trend\s?micro|sophos|cloudmark"
     r"|bitdefender|fortimail|fortinet|vade\s?(?:secure|retro)|hornetsecurity|spamtitan|mailguard|messagelabs|avanan"
     r"|abnormalsecurity|egress|libra-?esva|retarus|mailmarshal|trustwave|eset\b|kaspersky|drweb|clamav",
     Actor.SCANNER, "mail filter"),
    (r"safelinks|microsoft-?defender|microsoft\s?atp|atp-?safe|zscaler|forcepoint|websense|symantec|broadcom-?email"
     r"|checkpoint|cloudflare-?(?:email|area-?1)|area1|perception-?point|google-?safety|google-?safe-?browsing",
     Actor.SCANNER, "mail filter"),
    (r"bingpreview|microsoft office (?:existence|protocol) discovery|microsoft-webdav|ms-?office\s?existence"
     r"|skypeuripreview|microsoft-?preview|microsoftteams|teams/.*preview|onedrive-?preview",
     Actor.SCANNER, "Microsoft's link check"),
    (r"slackbot|slack-imgproxy|slack-ss|twitterbot|facebookexternalhit|facebot|meta-externalagent|linkedinbot|whatsapp"
     r"|telegrambot|discordbot|viber|line-poker|snap url preview|pinterest|redditbot|tumblr|vkshare|embedly|iframely"
     r"|mastodon|mattermost|rocket\.chat|zulip|synapse|matrix-media|signal-?(?:android|desktop|preview)|nextcloud"
     r"|google-pagerenderer|google-read-aloud|googledocs|google-apps-script|chatgpt|anthropic|claude|perplexity"
     r"|quora link preview|xing-contenttabreceiver|flipboard|trello|notion|opengraph|link-?preview|unfurl",
     Actor.SCANNER, "link preview"),
    (r"\bbot\b|bot[/;)]|\b\w+bot\b|crawl|spider|scanner|scan/|urlscan|virustotal|headless|phantomjs|puppeteer|playwright"
     r"|selenium|webdriver|cypress|lighthouse|pagespeed|ptst/|monitor|uptime|pingdom|checkly|statuscake|site24x7|validator"
     r"|archive\.org|wayback|htmlunit|prerender",
     Actor.SCANNER, "bot"),
    (r"^(?:curl|wget|python|go-http|java|okhttp|libwww|lwp|ruby|php|axios|node|got|undici|apache-?http|httpx|aiohttp"
     r"|urllib|requests|guzzle|faraday|typhoeus|rest-?client|restsharp|postman|insomnia|httpie|reqwest|hyper|dart|perl"
     r"|scrapy|winhttp|microsoft (?:winhttp|url control)|powershell|mozilla/5\.0 \(compatible\)$|jakarta|jersey|unirest"
     r"|elixir|erlang|hackney|finch|ktor|nutch|http_?client|feign|vert\.x|netty|boost|cpp-httplib|lua-resty|w3m-?img)"
     r"|windowspowershell",
     Actor.SCANNER, "HTTP library"),
)  # fmt: skip
PROGRAMS: Sequence[tuple[re.Pattern[str], Actor, str]] = [
    (re.compile(pattern, re.IGNORECASE), actor, reason) for pattern, actor, reason in _PROGRAMS
]

# Programs in which people read mail. They load a pixel when a person opens the mail; filters do not pose as them.
MAIL_PROGRAM = re.compile(
    r"^(?:mail|mobilemail)/[\d.]+ .*cfnetwork|^[\w %.-]+/[\w.-]+ cfnetwork/|thunderbird|betterbird"
    r"|outlook-(?:ios|android)|microsoft outlook|outlook-express|msoffice|ms-office|lotus-notes|applemail|airmail"
    r"|spark(?:desktop)?/|postbox"
    r"|evolution|kmail|geary|claws|the bat|em ?client|samsung ?(?:email|mail)|k-9|fairemail|bluemail|^dalvik/",
    re.IGNORECASE,
)
BROWSER = re.compile(r"mozilla/\d.+(?:applewebkit|gecko|trident|presto)|^opera/", re.IGNORECASE)
# The whole user agent of Apple's privacy protection, which fetches every image of every mail.
BARE = frozenset({"mozilla/5.0", "mozilla/4.0"})
