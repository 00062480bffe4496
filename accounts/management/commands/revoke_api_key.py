from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.db import transaction

from accounts.management.project_command import describe_row
from accounts.models import ApiKey
from accounts.services import revoke_api_key, write_audit
from common.commands import ServiceCommand
from common.ids import parse_id


class Command(ServiceCommand):
    help = "Revoke an API key, immediately and permanently."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", metavar="ID_OR_PREFIX")

    def handle(self, *, key: str, **_: object) -> None:
        with transaction.atomic():
            revoked = revoke_api_key(find_key(key))
            write_audit("command", "revoke_api_key", revoked, id=str(revoked.pk))
        self.emit(describe_row(revoked))


def find_key(text: str) -> ApiKey:
    keys = ApiKey.objects.select_related("project")
    match list(keys.filter(pk=key_id) if (key_id := parse_id(text)) else keys.filter(prefix=text.removesuffix("…"))):
        case [key]:
            return key
        case []:
            raise CommandError("The key does not exist.")
    raise CommandError("Several keys have this prefix; give the key's id.")
