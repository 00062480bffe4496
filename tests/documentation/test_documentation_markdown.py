"""Markdown rendering: code, tabs, requests in every language, literals."""

import ast

from emailsvc.documentation.markdown import Site, read_document
from emailsvc.documentation.samples import JAVASCRIPT, JSON, PYTHON, spell

PAGE = """\
# Title

Lead <b>bold</b>.

## A *part*

```bash
a '<'
```

```python
b = 1
```

See [another](other.md#part).

```json
{}
```
"""
REQUEST = """\
# Title

```http needs=x
POST /api/v1/a/{EMAIL_ID}?b=c
Idempotency-Key: k

{"a": null, "b": [1, "x"]}
```
"""


def test_markdown_shows_html_as_text_and_samples_as_tabs():
    document = read_document(PAGE, Site(base="http://x.test", link_to=lambda name: f"/p/{name}", fill=str))
    assert (document.title, document.headings[0].anchor) == ("Title", "a-part")
    assert "&lt;b&gt;" in document.html
    assert document.html.count('class="tabs"') == 1
    assert document.html.count('class="pane"') == 2
    assert 'href="/p/other#part"' in document.html
    assert [block.language for block in document.blocks] == ["bash", "python", "json"]


def test_a_request_is_shown_in_every_language():
    site = Site(base="http://x.test", link_to=str, fill=str)
    curl, javascript, python = read_document(REQUEST, site).blocks
    assert "http://x.test/api/v1/a/$EMAIL_ID?b=c" in curl.code
    assert '-H "Idempotency-Key: k"' in curl.code
    assert '{ a: null, b: [1, "x"] }' in javascript.code
    assert '{"a": None, "b": [1, "x"]}' in python.code
    assert {block.needs["needs"] for block in (curl, javascript, python)} == {"x"}
    ast.parse(python.code)


def test_literals_are_broken_where_they_are_long():
    value = {"text": "x" * 60, "other": "y" * 40, "on": True, "none": [], "a-b": 1.5}
    assert ast.literal_eval(spell(value, PYTHON)) == value
    assert spell(value, PYTHON).count("\n") == 6
    assert '"a-b": 1.5' in spell(value, JAVASCRIPT)
    assert spell({"a": 1}, JSON) == '{"a": 1}'
