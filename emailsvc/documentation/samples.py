"""One request in curl, JavaScript and Python: complete programs that a reader may copy and run.

The key and the ids come from environment variables, so that what is shown is, letter for letter, what the tests run.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, urlencode

_VARIABLE = re.compile(r"\{([A-Z_]+)\}")


class ResponseKind(Enum):
    """What an answer is, and so what is done with it."""

    JSON = "json"
    EMPTY = "empty"
    FILE = "file"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCall:
    """A request. `path` may hold environment variables as `{EMAIL_ID}`; `file` is where an answer of bytes goes."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    kind: ResponseKind = ResponseKind.JSON
    file: str = ""

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query, safe=':@*,')}" if self.query else self.path

    @property
    def has_variables(self) -> bool:
        return bool(_VARIABLE.search(self.path))


def read_call(text: str, *, file: str = "") -> SampleCall:
    """A request as pages write it: a line of method and target, headers, and behind an empty line JSON.

    Its answer is kept in `file` where one is named.
    """
    head, _, body = text.partition("\n\n")
    first, *headers = head.strip().splitlines()
    method, target = first.split()
    path, _, query = target.partition("?")
    kind = ResponseKind.FILE if file else ResponseKind.EMPTY if method == "DELETE" else ResponseKind.JSON
    return SampleCall(
        method=method,
        path=path,
        query=dict(parse_qsl(query)),
        headers=dict(header.split(": ", 1) for header in headers),
        body=json.loads(body) if body.strip() else None,
        kind=kind,
        file=file,
    )


def build_samples(call: SampleCall, base: str) -> dict[str, str]:
    """Language → program, for the service at `base`."""
    return {
        "bash": build_curl(call, base),
        "javascript": build_javascript(call, base),
        "python": build_python(call, base),
    }


def build_curl(call: SampleCall, base: str) -> str:
    url = base + _VARIABLE.sub(r"$\1", call.target)
    # Stopped when it has shown how events come; it would go on for ever.
    options = {ResponseKind.FILE: f"-f -o {call.file}", ResponseKind.STREAM: "-iN --max-time 2"}.get(call.kind, "-i")
    lines = [f'curl {options} "{url}"' if set(url) & set("$?&*") else f"curl {options} {url}"]
    if call.method != "GET" and not (call.method == "POST" and call.body is not None):
        lines[0] = lines[0].replace("curl ", f"curl -X {call.method} ", 1)
    lines.append('-H "Authorization: Bearer $EMAILSVC_KEY"')
    if call.body is not None:
        lines.append('-H "Content-Type: application/json"')
    lines += [f'-H "{name}: {value}"' for name, value in call.headers.items()]
    if call.body is not None:
        lines.append(f"-d '{spell(call.body, JSON, depth=1, taken=4)}'")
    return " \\\n  ".join(lines) + "\n"


def build_javascript(call: SampleCall, base: str) -> str:
    url = base + _VARIABLE.sub(r"${process.env.\1}", call.target)
    quote = "`" if call.has_variables else '"'
    headers = ["Authorization: `Bearer ${process.env.EMAILSVC_KEY}`"]
    if call.body is not None:
        headers.append('"Content-Type": "application/json"')
    headers += [f'"{name}": "{value}"' for name, value in call.headers.items()]
    options = [f'method: "{call.method}"'] if call.method != "GET" else []
    options.append(
        f"headers: {{ {headers[0]} }}" if len(headers) == 1 else "headers: {\n    " + ",\n    ".join(headers) + ",\n  }"
    )
    if call.body is not None:
        options.append(f"body: JSON.stringify({spell(call.body, JAVASCRIPT, depth=1, taken=22)})")
    request = f"const answer = await fetch({quote}{url}{quote}, {{\n  " + ",\n  ".join(options) + ",\n});\n"
    return JAVASCRIPT_HEADS.get(call.kind, "") + request + JAVASCRIPT_ENDS[call.kind].replace("FILE", call.file)


JAVASCRIPT_HEADS = {ResponseKind.FILE: 'import { writeFile } from "node:fs/promises";\n\n'}
JAVASCRIPT_ENDS = {
    ResponseKind.JSON: "console.log(answer.status, await answer.json());\n",
    ResponseKind.EMPTY: "console.log(answer.status);\n",
    ResponseKind.FILE: (
        'await writeFile("FILE", Buffer.from(await answer.arrayBuffer()));\nconsole.log(answer.status);\n'
    ),
    ResponseKind.STREAM: """\
console.log(answer.status);
for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
  console.log(chunk);
  break; // Leave this out to go on listening.
}
""",
}


def build_python(call: SampleCall, base: str) -> str:
    url = base + _VARIABLE.sub(r"{os.environ['\1']}", call.target)
    headers = ['"Authorization": f"Bearer {os.environ[\'EMAILSVC_KEY\']}"']
    headers += [f'"{name}": "{value}"' for name, value in call.headers.items()]
    arguments = [
        f'{"f" if call.has_variables else ""}"{url}"',
        "headers={" + headers[0] + "}"
        if len(headers) == 1
        else "headers={\n        " + ",\n        ".join(headers) + ",\n    }",
    ]
    if call.body is not None:
        arguments.append(f"json={spell(call.body, PYTHON, depth=1, taken=5)}")
    if call.kind is ResponseKind.STREAM:
        arguments.insert(0, f'"{call.method}"')
    joined = "\n    " + ",\n    ".join(arguments) + ",\n"
    imports = (
        "import os\n" + ("from pathlib import Path\n" if call.kind is ResponseKind.FILE else "") + "\nimport httpx\n\n"
    )
    verb = "stream" if call.kind is ResponseKind.STREAM else call.method.lower()
    request = f"httpx.{verb}({joined})"
    return imports + PYTHON_ENDS[call.kind].replace("REQUEST", request).replace("FILE", call.file)


PYTHON_ENDS = {
    ResponseKind.JSON: "answer = REQUEST\nprint(answer.status_code, answer.json())\n",
    ResponseKind.EMPTY: "answer = REQUEST\nprint(answer.status_code)\n",
    ResponseKind.FILE: 'answer = REQUEST\nPath("FILE").write_bytes(answer.content)\nprint(answer.status_code)\n',
    ResponseKind.STREAM: """\
with REQUEST as answer:
    print(answer.status_code)
    for line in answer.iter_lines():
        print(line)
        break  # Leave this out to go on listening.
""",
}


WIDTH = 88
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """How a language writes values: keys, what is no container, its indentation, and a comma behind the last member."""

    key: Callable[[str], str]
    atom: Callable[[object], str]
    indent: int
    has_last_comma: bool
    is_spaced: bool = False


def spell_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def spell_python_atom(value: object) -> str:
    return repr(value) if value is None or isinstance(value, bool | int | float) else spell_text(value)


def spell_javascript_key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else spell_text(key)


JSON = Notation(key=spell_text, atom=spell_text, indent=2, has_last_comma=False)
PYTHON = Notation(key=spell_text, atom=spell_python_atom, indent=4, has_last_comma=True)
JAVASCRIPT = Notation(key=spell_javascript_key, atom=spell_text, indent=2, has_last_comma=True, is_spaced=True)


def spell(value: object, notation: Notation, *, depth: int = 0, taken: int = 0) -> str:
    """`value` as source code. `depth` is how deep its line is indented, `taken` how much of that line is used."""
    match value:
        case dict() if value:
            members = [
                f"{notation.key(key)}: {spell(each, notation, depth=depth + 1, taken=len(key) + 4)}"
                for key, each in value.items()
            ]
            return wrap("{}", members, notation, depth=depth, taken=taken)
        case list() if value:
            members = [spell(each, notation, depth=depth + 1) for each in value]
            return wrap("[]", members, notation, depth=depth, taken=taken)
        case dict() | list():
            return json.dumps(value)
    return notation.atom(value)


def wrap(brackets: str, members: list[str], notation: Notation, *, depth: int, taken: int) -> str:
    opening, closing = brackets[0], brackets[1]
    space = " " if notation.is_spaced and opening == "{" else ""
    line = f"{opening}{space}{', '.join(members)}{space}{closing}"
    if "\n" not in line and notation.indent * depth + taken + len(line) <= WIDTH:
        return line
    inner, outer = (" " * notation.indent * level for level in (depth + 1, depth))
    end = "," if notation.has_last_comma else ""
    return f"{opening}\n{inner}" + f",\n{inner}".join(members) + f"{end}\n{outer}{closing}"
