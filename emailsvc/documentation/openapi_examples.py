"""Puts the documentation's examples into the OpenAPI document, for Swagger UI and for other tools that read it."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from emailsvc.documentation.calls import EXAMPLES, Example, build_call
from emailsvc.documentation.markdown import SAMPLES
from emailsvc.documentation.pages import HOME, fill_in
from emailsvc.documentation.samples import build_samples

# The document is built once in a process: its days must lie ahead for longer than a process lives.
AHEAD = timedelta(days=90)
METHODS = ("get", "post", "put", "patch", "delete")


def add_examples(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """drf-spectacular's hook: to each operation its body as an example, itself in every language, and a link."""
    for path, item in result["paths"].items():
        for method in METHODS:
            if method in item and item[method]["operationId"] in EXAMPLES:
                add_operation_example(item[method], method, path, EXAMPLES[item[method]["operationId"]])
    return result


def add_operation_example(operation: dict[str, Any], method: str, path: str, example: Example) -> None:
    tag, name = operation["tags"][0], operation["operationId"]
    day = timezone.now().date() + AHEAD
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None and example.body is not None and "examples" not in content:
        content["example"] = json.loads(fill_in(json.dumps(example.body), settings.PUBLIC_URL, day))
    samples = build_samples(build_call(method, path, tag, example), settings.PUBLIC_URL)
    operation["x-codeSamples"] = [
        {"lang": language, "label": label, "source": fill_in(samples[language], settings.PUBLIC_URL, day)}
        for language, label in SAMPLES.items()
    ]
    operation["externalDocs"] = {
        "description": "In curl, JavaScript and Python",
        "url": f"{settings.PUBLIC_URL}{HOME}/api/{tag}#{name}",
    }
