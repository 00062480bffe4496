from argparse import ArgumentParser

from django.db import transaction

from accounts.services import create_project, write_audit
from common.commands import ServiceCommand


class Command(ServiceCommand):
    help = "Create a project: a tenant with keys, domains and mail of its own."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--contact-email", default="", help="The address that gets this project's notices.")

    def handle(self, *, name: str, contact_email: str, **_: object) -> None:
        with transaction.atomic():
            project = create_project(name=name, contact_email=contact_email)
            write_audit("command", "create_project", project, id=str(project.pk))
        self.emit({"id": project.pk, "name": project.name})
