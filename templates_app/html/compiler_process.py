"""The program that `compiling` runs for each source: reads one JSON object, writes one, and ends.

A program of its own because the libraries are native code that overflows the stack on deep nesting, which kills the
process that they run in, and because their time is bounded by nothing. It imports nothing of ours and is started alone.
"""

import json
import resource
import sys

import css_inline
import mrml

MEMORY = 1024**3
SECONDS = 2


def compile_mjml(source: str) -> str:
    """HTML from MJML. Includes find nothing: neither files nor addresses are read."""
    options = mrml.ParserOptions(include_loader=mrml.noop_loader())
    return str(mrml.to_html(source, options).content)


def inline_css(source: str) -> str:
    """Rules of `<style>` moved into the elements that they match; media queries and `:hover` stay where they are."""
    inliner = css_inline.CSSInliner(
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
