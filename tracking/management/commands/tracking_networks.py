from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import CommandError

from common.commands import ServiceCommand
from tracking.engagement.networks import NetworksError, Table, find_in, list_networks, read_address, read_tables


class Command(ServiceCommand):
    help = "List the networks of mail filters and image proxies, or the one of an address; checks the operator's file."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "address", metavar="IP", nargs="?", default="", help="Show only the network of this address."
        )

    def handle(self, *, address: str, **_: object) -> None:
        table = self.read()
        if not address:
            for network, row in list_networks(table):
                self.emit({"network": network, "label": row.kind, "name": row.name})
            return
        if read_address(address) is None:
            raise CommandError(f"{address} is not an IP address.")
        if known := find_in(table, address):
            found = {"address": address, "label": known.kind, "name": known.name}
            self.emit(found, f"{address} {known.kind} {known.name}")
        else:
            self.emit({"address": address, "label": None, "name": None}, f"{address} is not known")

    def read(self) -> Table:
        path = settings.TRACKING_NETWORKS_FILE
        try:
            return read_tables(path)
        except NetworksError as error:
            raise CommandError(f"{path}: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path}: {error}") from None
