"""The program that `compiling` runs for each source: it reads one JSON object, writes one, and ends.

It is a separate program because the libraries are native code: deep nesting overflows their stack, which kills the
process, and nothing limits their time. It imports nothing of ours.
"""

import json
import resource
import sys
from importlib import import_module

MEMORY = 1024**3
SECONDS = 2


def compile_mjml(source: str) -> str:
    """HTML from MJML. Includes are disabled: neither files nor URLs are read."""
    # Either library alone is needed for a source, and MJML's is an extra.
    mrml = import_module("mrml")
    options = mrml.ParserOptions(include_loader=mrml.noop_loader())
    return str(mrml.to_html(source, options).content)


def inline_css(source: str) -> str:
    """Move rules of `<style>` into the matching elements; media queries and `:hover` stay in place."""
    inliner = import_module("css_inline").CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=True, remove_inlined_selectors=True, keep_link_tags=True
    )
    return str(inliner.inline(source))


OPERATIONS = {"compile_mjml": compile_mjml, "inline_css": inline_css}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    request = json.load(sys.stdin)
    try:
        answer = {"result": OPERATIONS[request["operation"]](request["source"])}
    except (OSError, ValueError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
