"""Mail and addresses of strangers are read by our own readers alone: the standard library's guess, fold and recurse."""

import ast

from tests.architecture.sources import find_sources, parse, walk

# `parseaddr` takes `alice@good.test)<bob@evil.test>` for Alice (CVE-2023-27043); `email.mime` checks no header's name.
REFUSED = {
    "email": {"message_from_bytes", "message_from_string", "message_from_file", "message_from_binary_file", "mime"},
    "email.utils": {"parseaddr", "getaddresses"},
}
REFUSED_MODULES = ("email.mime", "email.parser", "email.feedparser")


def find_faults(tree: ast.Module) -> list[str]:
    faults = []
    for node in walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            faults += [f"{module}.{name.name}" for name in node.names if name.name in REFUSED.get(module, ())]
            faults += [module] if module.startswith(REFUSED_MODULES) else []
        elif isinstance(node, ast.Import):
            faults += [name.name for name in node.names if name.name.startswith(REFUSED_MODULES)]
        elif isinstance(node, ast.Attribute) and node.attr in REFUSED["email.utils"]:
            faults.append(node.attr)
    return faults


def test_no_package_reads_mail_or_addresses_by_the_standard_library() -> None:
    faults = {str(path): found for path in find_sources() if (found := find_faults(parse(path)))}
    assert faults == {}


def test_the_search_finds_them() -> None:
    for text in (
        "from email.utils import parseaddr",
        "import email.utils\nemail.utils.getaddresses([])",
        "from email.mime.text import MIMEText",
        "from email import message_from_bytes",
    ):
        assert find_faults(ast.parse(text)), text
