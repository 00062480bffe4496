from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from rest_framework.exceptions import ValidationError

from accounts.management.project_command import ProjectCommand
from accounts.models import Project
from accounts.services import write_audit
from common.errors import ApiError, NotFoundError
from common.validation import list_field_errors
from templates_app.folders import (
    FolderError,
    list_files,
    list_pushed_files,
    order_by_layout,
    read_folder,
    read_values,
    write_files,
)
from templates_app.models import Template, Version
from templates_app.publishing import build_version, keep_publication
from templates_app.serializers import TemplateInput
from templates_app.services import create_template, find_template, update_template


class Command(ProjectCommand):
    help = (
        "Keep a project's templates as files: pull writes them to FOLDER/ALIAS/, push makes the drafts like the files "
        "(all or none), diff shows what a push would change."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["pull", "push", "diff"])
        parser.add_argument("folder", metavar="FOLDER", type=Path)
        parser.add_argument("--publish", action="store_true", help="With push: publish the changed drafts too.")

    def handle(self, *, action: str, folder: Path, publish: bool, **options: Any) -> None:
        project = self.find_project(options)
        actions: Mapping[str, Callable[[], None]] = {
            "pull": lambda: self.pull(project, folder),
            "push": lambda: self.push(project, folder, publish=publish),
            "diff": lambda: self.show_differences(project, folder),
        }
        try:
            actions[action]()
        except FolderError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from None

    def pull(self, project: Project, folder: Path) -> None:
        """Write each template that has an alias. Folders of other templates stay."""
        for template in list_named(project):
            files = list_files(template)
            write_files(folder / str(template.alias), files)
            self.emit({"template": template.alias, "files": len(files)}, f"{template.alias}: {len(files)} files")

    def push(self, project: Project, folder: Path, *, publish: bool) -> None:
        """Create and change drafts. Templates that have no folder stay as they are."""
        found = {alias: check_fields(alias, read_values(alias, files)) for alias, files in read_folder(folder).items()}
        order = order_by_layout({alias: values["layout"] for alias, values in found.items()})
        changed: list[tuple[Template, str]] = []
        with transaction.atomic():
            for alias in order:
                template, result = store(project, alias, found[alias])
                if result != "unchanged":
                    changed.append((template, result))
                    write_audit("command", f"{result}_template", template, project=project.name)
                else:
                    self.emit({"template": alias, "result": result}, f"{alias}: {result}")
        for template, result in changed:
            values: dict[str, object] = {"template": template.alias, "result": result}
            if publish:
                # Its layout may just have been published.
                current = find_template(project, str(template.pk))
                values["version"] = name_error(str(template.alias), partial(publish_draft, current)).number
            told = f", version {values['version']}" if publish else ""
            self.emit(values, f"{template.alias}: {result}{told}")

    def show_differences(self, project: Project, folder: Path) -> None:
        """Print what differs, from the project's drafts to the files."""
        files = {alias: list_pushed_files(alias, given) for alias, given in read_folder(folder).items()}
        drafts = {str(template.alias): list_files(template) for template in list_named(project)}
        for alias in sorted(files.keys() | drafts.keys()):
            there, here = drafts.get(alias), files.get(alias)
            if there is None or here is None:
                place = "the folder" if there is None else "the project"
                self.emit({"template": alias, "only_in": place.split()[1]}, f"{alias}: only in {place}")
                continue
            for name in sorted(there.keys() | here.keys()):
                if there.get(name, "") != here.get(name, ""):
                    self.show_file(alias, name, there.get(name, ""), here.get(name, ""))

    def show_file(self, alias: str, name: str, there: str, here: str) -> None:
        lines = unified_diff(
            there.splitlines(), here.splitlines(), f"project/{alias}/{name}", f"folder/{alias}/{name}", lineterm=""
        )
        self.emit({"template": alias, "file": name}, "\n".join(lines) or f"{alias}/{name}: the line ends differ")


def list_named(project: Project) -> list[Template]:
    return list(project.templates.current().exclude(alias=None).select_related("layout").order_by("alias"))


def check_fields(alias: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields within the limits of the API: lengths, and characters that cannot be stored or sent."""
    try:
        return dict(TemplateInput().run_validation(values))
    except ValidationError as error:
        reasons = [f"{each.field}: {each.message}" for each in list_field_errors(error)]
        raise CommandError(f"{alias}: {' '.join(reasons)}") from None


def store(project: Project, alias: str, values: Mapping[str, Any]) -> tuple[Template, str]:
    """Make the draft like the files. Returns it with `add`, `change` or `unchanged`."""
    try:
        template = find_template(project, alias)
    except NotFoundError:
        return name_error(alias, lambda: create_template(project, values)), "add"
    before = list_files(template)
    changed = name_error(alias, lambda: update_template(template, values))
    return changed, "unchanged" if list_files(changed) == before else "change"


def name_error(alias: str, act: Callable[[], Any]) -> Any:
    """The result of `act`; its error names the template."""
    try:
        return act()
    except ApiError as error:
        reasons = [f"{each.field}: {each.message}" for each in error.errors] or [error.detail]
        raise CommandError(f"{alias}: {' '.join(reasons)}") from None


def publish_draft(template: Template) -> Version:
    """Publish the draft, with its entry of the audit log."""
    made = build_version(template)
    with transaction.atomic():
        version = keep_publication(template, made, None)
        write_audit("command", "publish_template", template, project=template.project.name, version=version.number)
    return version
