"""The placeholder for the unsubscribe link, `{{ unsubscribe_url }}`, in every form that editors make of it.

Editors percent-encode a link, resolve it against their own address, put `http://` before it, a third brace around it,
or tags and soft hyphens into it. A form that can only mean the placeholder is filled; a damaged one is refused, so that
it never reaches a recipient.
"""

import re
from collections.abc import Iterator

NAME = "unsubscribe_url"
# The first character of a search is written without regard to case: the rest is tried only where one of them stands.
OPEN = r"(?:\{|｛|%(?i:(?:25)?7B)|&(?i:(?:amp;)?(?:#(?:0*123|x0*7b);?|(?:lcub|lbrace);)))"
CLOSE = r"(?:[}｝]|%(?:25)?7D|&(?:amp;)?(?:#(?:0*125|x0*7d);?|(?:rcub|rbrace);))"
# One of these is in every brace: most texts have none, and need no search.
BRACES = "{}｛｝%&"
# What may stand within it and say nothing: blanks in any spelling, characters that are not seen, and tags.
NOISE = (
    r"(?:[\s+]|[\xa0\xad\u200b-\u200f\u2060\ufeff]|%(?:25)?(?:20|2B|A0|09|0A|0D)|&(?:nbsp|shy|#0*160|#xa0|#32);"
    r"|<[^<>]{0,200}>)*+"
)
UNDERSCORE = r"(?:\\?[_＿]|%(?:25)?5F|&#(?:0*95|x0*5f);?|&lowbar;)"
LETTERS = NOISE.join(UNDERSCORE if letter == "_" else letter for letter in NAME)
# From the first brace to the last. `{{-` and `-}}` are Liquid's; more braces are another template language's.
FORM = re.compile(f"{OPEN}(?i:{OPEN}{{1,7}}-?{NOISE}{LETTERS}{NOISE}-?{CLOSE}{{2,8}})")
# A brace at one side of the name, maybe as a tag or a quoted word: in a placeholder, or meant as one.
LEFT = re.compile(f"{OPEN}(?i:{NOISE}[-%]?{NOISE}{LETTERS}|{OPEN}{NOISE}(?:[\"']|&quot;){NOISE}{LETTERS})")
RIGHT = re.compile(f"[uU](?i:{LETTERS[1:]}{NOISE}-?{NOISE}{CLOSE})")
# Every form has this part of the name. It begins with one of the signs, of which there are few.
NAME_END = re.compile(f"(?i:{UNDERSCORE}{NOISE}u{NOISE}r{NOISE}l)")
UNDERSCORES = "_＿%&"
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
# What an editor put before the placeholder because it took it for a relative or an incomplete address.
# In an attribute its scheme may be any, such as that of the editor's own pages.
ADDRESS = re.compile(
    r"""(?:(?<=["'=])[a-z][a-z0-9+.-]{0,40}:[^\s"'<>?#(){}]*|(?:https?:)?//[^\s"'<>?#(){}]*|https?:"""
    r"""|(?<=["'=])\.{0,2}/)\Z""",
    re.IGNORECASE,
)
MAX_ADDRESS = 2_000
# … and behind it.
SLASH = re.compile(r"/(?=[\"'\s<]|\Z)")


def fill_placeholders(body: str, url: str) -> str:
    """`body` with `url` in place of each placeholder, and of an address that was put around it."""
    parts: list[str] = []
    position = 0
    for start, end in find_placeholders(body):
        before = ADDRESS.search(body, max(position, start - MAX_ADDRESS), start)
        behind = SLASH.match(body, end) if before else None
        parts += (body[position : before.start() if before else start], url)
        position = behind.end() if behind else end
    return "".join([*parts, body[position:]]) if parts else body


def find_placeholders(body: str) -> Iterator[tuple[int, int]]:
    """The positions of the placeholders that can be filled, in order."""
    for match in FORM.finditer(body):
        if "<" not in match[0] or has_whole_elements(match[0]):
            yield match.span()


def has_whole_elements(text: str) -> bool:
    """Whether each tag in `text` has its counterpart there, so that nothing is torn apart without them."""
    open_names: list[str] = []
    for slash, name in TAG.findall(text):
        if not slash:
            open_names.append(name.lower())
        elif not open_names or open_names.pop() != name.lower():
            return False
    return not open_names


def has_placeholder(body: str) -> bool:
    """Whether there is a placeholder in `body`, in any form, broken ones too."""
    return any(sign in body for sign in BRACES) and has_name_end(body) and has_brace(body, 0, len(body))


def has_name_end(body: str) -> bool:
    """Whether the name's end is in `body`. Going from sign to sign takes a third of the time of a search by `re`."""
    for sign in UNDERSCORES:
        position = body.find(sign)
        while position >= 0:
            if NAME_END.match(body, position):
                return True
            position = body.find(sign, position + 1)
    return False


def has_brace(body: str, start: int, end: int) -> bool:
    """Whether a brace stands beside the name between `start` and `end`."""
    return bool(LEFT.search(body, start, end) or RIGHT.search(body, start, end))


def has_broken_placeholder(body: str) -> bool:
    """Whether something in `body` was meant as the placeholder and cannot be filled."""
    position = 0
    for start, end in find_placeholders(body):
        if has_brace(body, position, start):
            return True
        position = end
    return has_brace(body, position, len(body))


def describe_broken_placeholder(part: str) -> str:
    """Advice on a placeholder that cannot be filled."""
    if part == "subject":
        return "The unsubscribe link cannot be in a subject."
    return "The placeholder of the unsubscribe link is damaged. Write it as {{ unsubscribe_url }}, without tags inside."
