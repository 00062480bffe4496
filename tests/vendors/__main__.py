"""`./run test clients [--only NAME]… [--json] [--write]`: other services' clients against a running service.

The clients are unmodified packages of pinned versions, from the registries of Python and Node; they are kept in
`var/clients`. Each runs its script, in an environment of its own, against one service that is started for all of them.
What cannot be installed here is not run, and is counted. Exit status 1 if a call has failed, or if the tables of the
documentation tell something else.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.vendors.catalogue import CLIENTS, VendorClient
from tests.vendors.commands import MissingPackagesError
from tests.vendors.packages import install
from tests.vendors.report import Outcome, find_differences, show_summary, show_table, write_tables
from tests.vendors.running import run_script
from tests.vendors.stand import NotReadyError, Stand, running_stand

AT_ONCE = 3


def main(arguments: Sequence[str]) -> int:
    options = read_options(arguments)
    clients = [client for client in CLIENTS if not options.only or client.name in options.only]
    try:
        outcomes = try_all(clients)
    except NotReadyError as error:
        sys.stderr.write(f"run: clients: the service does not come up: {error}\n")
        return 1
    if options.json:
        for outcome in outcomes:
            sys.stdout.write(json.dumps(outcome.as_json()) + "\n")
    else:
        sys.stdout.write(show_table(outcomes))
    if options.write:
        write_tables(outcomes)
    differences = find_differences(outcomes)
    sys.stderr.write(show_summary(outcomes, differences))
    return int(bool(differences) or any(outcome.failures for outcome in outcomes))


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run test clients", description=(__doc__ or "").split("\n\n")[0])
    names = [client.name for client in CLIENTS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", action="store_true", help="print one JSON line for each client")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/ from this run")
    return parser.parse_args(arguments)


def try_all(clients: Sequence[VendorClient]) -> list[Outcome]:
    """Install what is missing, then start the service if there is anything to run against it."""
    folders, missing = {}, {}
    for client in clients:
        try:
            folders[client.name] = install(client)
        except MissingPackagesError as error:
            missing[client.name] = str(error)
    if not folders:
        return [Outcome(client=client, missing=missing[client.name]) for client in clients]
    # Scripts mostly wait for mail to arrive.
    with running_stand() as stand, ThreadPoolExecutor(AT_ONCE) as pool:
        run = [
            pool.submit(try_one, client, folders[client.name], stand) for client in clients if client.name in folders
        ]
        done = {outcome.client.name: outcome for outcome in (each.result() for each in run)}
    return [done.get(client.name) or Outcome(client=client, missing=missing[client.name]) for client in clients]


def try_one(client: VendorClient, folder: object, stand: Stand) -> Outcome:
    sys.stderr.write(f"run: clients: {client.name}\n")
    return Outcome(client=client, steps=run_script(client, folder, stand))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
