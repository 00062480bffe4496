"""`templates pull|push|diff FOLDER`: the project's templates as files.

A template is a folder of its alias: `template.json` (name, layout, default_locale, inline_css), `subject.txt`,
`body.html`, `body.txt`, `body.mjml`, and for each language the same files in a folder of its name.
"""

import difflib
import json
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from emailsvc_client.cli.output import Output
from emailsvc_client.client import Client
from emailsvc_client.errors import ConfigurationError
from emailsvc_client.objects import TemplateFields

FACTS = "template.json"
FACT_FIELDS = ("name", "layout", "default_locale", "inline_css")
FILES = {"subject": "subject.txt", "html": "body.html", "text": "body.txt", "mjml": "body.mjml"}
# An alias or a language that is the name of a folder and nothing else.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Files = dict[str, str]


def write_files(template: Mapping[str, Any]) -> Files:
    """Path in the template's folder → text. An empty field has no file."""
    facts = {name: template.get(name) for name in FACT_FIELDS}
    found = {FACTS: json.dumps(facts, indent=2, ensure_ascii=False, sort_keys=True) + "\n"}
    languages = {"": template, **(template.get("locales") or {})}
    for language, content in languages.items():
        folder = f"{check_name(language)}/" if language else ""
        found |= {f"{folder}{file}": content[field] for field, file in FILES.items() if content.get(field)}
    return found


def read_files(files: Files, alias: str) -> TemplateFields:
    """The fields of a draft. A field without a file is empty."""
    try:
        facts = json.loads(files.get(FACTS, "{}"))
    except ValueError as error:
        raise ConfigurationError(f"{alias}/{FACTS} is not JSON: {error}.") from error
    languages = sorted({path.partition("/")[0] for path in files if "/" in path})
    content = {field: files.get(file, "") for field, file in FILES.items()}
    locales = {
        language: {field: files[f"{language}/{file}"] for field, file in FILES.items() if f"{language}/{file}" in files}
        for language in languages
    }
    known = {name: facts[name] for name in FACT_FIELDS if facts.get(name) is not None}
    empty = {"name": alias, "layout": None, "default_locale": None}
    return cast(TemplateFields, {**empty, **known, **content, "locales": locales})


def check_name(name: str) -> str:
    """Raises ConfigurationError for a name that would lead out of its folder."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} cannot be the name of a folder.")
    return name


def read_folder(folder: Path) -> dict[str, Files]:
    """Alias → files, of all templates in the folder."""
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder}.")
    known = {FACTS, *FILES.values()}
    return {
        each.name: {
            path.relative_to(each).as_posix(): path.read_bytes().decode("utf-8")
            for path in sorted(each.rglob("*"))
            if path.is_file() and path.name in known and len(path.relative_to(each).parts) <= 2
        }
        for each in sorted(folder.iterdir())
        if each.is_dir() and NAME.fullmatch(each.name)
    }


def read_service(client: Client) -> dict[str, Files]:
    """Alias → files, of the project's drafts; a template without an alias has no name for a folder."""
    rows = client.iterate(client.list_templates, limit=100)
    return {check_name(row["alias"]): write_files(client.get_template(row["id"])) for row in rows if row["alias"]}


def pull(arguments: Namespace, output: Output, client: Client) -> int:
    """Write the service's drafts into the folder. Other files there stay; a field that is empty loses its file."""
    folder = Path(arguments.folder)
    for alias, files in read_service(client).items():
        old = read_folder(folder).get(alias, {}) if folder.is_dir() else {}
        for path in old.keys() - files.keys():
            (folder / alias / path).unlink()
        for path, text in files.items():
            target = folder / alias / path
            target.parent.mkdir(parents=True, exist_ok=True)
            # As bytes: line ends stay as they are.
            target.write_bytes(text.encode())
        output.show({"alias": alias, "files": sorted(files)}, [f"pulled {alias}"])
    return 0


def push(arguments: Namespace, output: Output, client: Client) -> int:
    """Make the service's drafts what the folder holds, and publish the changed ones with `--publish`."""
    theirs = read_service(client)
    for alias, files in read_folder(Path(arguments.folder)).items():
        fields = read_files(files, alias)
        change = "created" if alias not in theirs else "updated"
        if theirs.get(alias) == write_files(fields):
            change = "unchanged"
        elif alias in theirs:
            client.update_template(alias, **fields)
        else:
            fields["alias"] = alias
            client.create_template(**fields)
        if change != "unchanged" and arguments.publish:
            client.publish_template(alias)
        output.show({"alias": alias, "change": change}, [f"{change} {alias}"])
    return 0


def diff(arguments: Namespace, output: Output, client: Client) -> int:
    """What `push` would change; 1 if it would change something."""
    theirs = read_service(client)
    changed = False
    for alias, files in read_folder(Path(arguments.folder)).items():
        ours = write_files(read_files(files, alias))
        before = theirs.get(alias, {})
        lines = [
            line.rstrip("\n")
            for path in sorted({*ours, *before})
            for line in difflib.unified_diff(
                before.get(path, "").splitlines(keepends=True),
                ours.get(path, "").splitlines(keepends=True),
                f"service/{alias}/{path}",
                f"{arguments.folder}/{alias}/{path}",
            )
        ]
        if lines:
            changed = True
            output.show({"alias": alias, "diff": lines}, lines)
    return 1 if changed else 0
