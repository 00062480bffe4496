"""Templates as files, so that they can live in a repository: one folder for each, named by its alias.

ALIAS/template.json     name, layout (an alias), inline_css, default_locale
ALIAS/subject.txt       the parts; a missing file is an empty part
ALIAS/body.html         or body.mjml
ALIAS/body.txt
ALIAS/LOCALE/…          the same parts in another language
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from templates_app.draft_checks import is_alias
from templates_app.languages import BASE, is_locale, normalize_locale
from templates_app.models import PARTS, Template

SETTINGS_FILE = "template.json"
PART_FILES: Mapping[str, str] = {
    "subject": "subject.txt",
    "html": "body.html",
    "mjml": "body.mjml",
    "text": "body.txt",
}
SETTINGS = ("name", "layout", "inline_css", "default_locale")


class FolderError(Exception):
    """A file or folder is not as it must be; the text names it."""


def list_files(template: Template) -> dict[str, str]:
    """A template's files, by path below its folder. The layout is named by its alias, or by its id without one."""
    layout = template.layout
    settings = {
        "name": template.name,
        "layout": (layout.alias or str(layout.pk)) if layout else None,
        "inline_css": template.inline_css,
        "default_locale": template.default_locale or None,
    }
    return build_files(settings, {locale: template.parts_in(locale) for locale in (BASE, *template.locales)})


def list_pushed_files(alias: str, files: Mapping[str, str]) -> dict[str, str]:
    """The files that a pull would write after a push of these. Raises `FolderError`."""
    values = read_values(alias, files)
    settings = {name: values[name] or None for name in SETTINGS} | {"inline_css": values["inline_css"]}
    return build_files(
        settings, {BASE: values} | {normalize_locale(name): it for name, it in values["locales"].items()}
    )


def build_files(settings: Mapping[str, object], languages: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    files = {SETTINGS_FILE: json.dumps(settings, indent=2, ensure_ascii=False) + "\n"}
    for locale, parts in sorted(languages.items()):
        for name, file in PART_FILES.items():
            if text := parts.get(name):
                # An editor ends a line; a subject has none.
                files[f"{locale}/{file}" if locale else file] = f"{text}\n" if name == "subject" else text
    return files


def read_values(alias: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a template from its files, as `fill_draft` takes them. Raises `FolderError`."""
    values: dict[str, Any] = {"alias": alias, **read_settings(alias, files.get(SETTINGS_FILE, "{}"))}
    languages: dict[str, dict[str, str]] = {BASE: dict.fromkeys(PARTS, "")}
    names = {file: name for name, file in PART_FILES.items()}
    for path, text in files.items():
        if path == SETTINGS_FILE:
            continue
        locale, _, file = path.rpartition("/")
        if file not in names or (locale and not is_locale(locale)):
            raise FolderError(f"{alias}/{path}: not a file of a template. Its files are {', '.join(names)}.")
        part = names[file]
        languages.setdefault(locale, {})[part] = text.rstrip("\r\n") if part == "subject" else text
    return {**values, **languages.pop(BASE), "locales": languages}


def read_settings(alias: str, text: str) -> dict[str, Any]:
    where = f"{alias}/{SETTINGS_FILE}"
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{where}: not JSON: {error}") from None
    if not isinstance(given, dict) or set(given) - set(SETTINGS):
        raise FolderError(f"{where}: must be an object with {', '.join(SETTINGS)} only.")
    types = {"name": str, "layout": str, "inline_css": bool, "default_locale": str}
    for name, value in given.items():
        if value is not None and not isinstance(value, types[name]):
            raise FolderError(f"{where}: {name} must be {'true or false' if name == 'inline_css' else 'text'}.")
    return {
        "name": given.get("name") or alias,
        "layout": given.get("layout") or None,
        "inline_css": bool(given.get("inline_css")),
        "default_locale": given.get("default_locale") or "",
    }


def read_folder(folder: Path) -> dict[str, dict[str, str]]:
    """The files of each template below `folder`, by alias. Hidden files are left out. Raises `FolderError`."""
    if not folder.is_dir():
        raise FolderError(f"{folder}: no such folder")
    found: dict[str, dict[str, str]] = {}
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.name.startswith("."):
            if not is_alias(place.name):
                raise FolderError(f"{place}: its name is not an alias")
            found[place.name] = dict(read_files(place))
    return found


def read_files(place: Path) -> Iterator[tuple[str, str]]:
    """Paths below a template's folder, with the files' texts as they are, line ends too."""
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(place).parts):
            check_inside(path, place.parent)
            try:
                yield name, path.read_bytes().decode("utf-8-sig")
            except UnicodeDecodeError:
                raise FolderError(f"{path}: not UTF-8") from None


def check_inside(path: Path, folder: Path) -> None:
    """Raise `FolderError` for a symbolic link that leads out of `folder`: it came with the files of others."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise FolderError(f"{path}: leads out of {folder}")


def write_files(place: Path, files: Mapping[str, str]) -> None:
    """Write a template's files, and remove those of parts that it has no more. Other files stay.

    Raises `FolderError`.
    """
    for name in files:
        check_inside(place / name, place.parent)
    known = {SETTINGS_FILE, *PART_FILES.values()}
    for path in sorted(place.rglob("*")) if place.is_dir() else ():
        if path.is_file() and path.name in known and path.relative_to(place).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def order_by_layout(layouts: Mapping[str, str | None]) -> list[str]:
    """The aliases, each after its layout where that is among them. `layouts` has each template's layout."""
    ordered: list[str] = []
    waiting = dict(layouts)
    while waiting:
        ready = [alias for alias, layout in waiting.items() if layout not in waiting or layout == alias]
        if not ready:
            raise FolderError(f"{', '.join(sorted(waiting))}: these are layouts of each other")
        ordered += ready
        for alias in ready:
            del waiting[alias]
    return ordered
