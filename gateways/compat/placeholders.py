"""Templates of Mustache and Handlebars as Liquid, in which ours are written: their placeholders, not their blocks."""

import re

from gateways.compat.rewriting import reject

# Values are escaped in our HTML, where `{{{ }}}` would leave that to the caller.
UNESCAPED = re.compile(r"\{\{\{\s*([^{}]*?)\s*\}\}\}")
COMMENT = re.compile(r"\{\{!--.*?--\}\}|\{\{![^}]*\}\}", re.DOTALL)
BLOCK = re.compile(r"\{\{~?\s*(?:[#/^>&=]|else\b|this\b|\.)[^{}]{0,60}")
IN_LIQUID = "Blocks and lists are written in Liquid here, such as {% if name %} and {% for item in list %}."


def to_liquid(field: str, text: str) -> str:
    """The text in Liquid. Raises InvalidFieldsError for a block, which would otherwise reach recipients as it is."""
    bare = COMMENT.sub("", text)
    if found := BLOCK.search(bare):
        reject(field, f"{found[0].strip()[:60]}: {IN_LIQUID}", "not_supported")
    return UNESCAPED.sub(r"{{ \1 }}", bare)
