"""`login` and `domains`."""

import getpass
import os
import sys
from argparse import Namespace
from uuid import UUID

from emailsvc_client.cli.output import Output
from emailsvc_client.client import Client
from emailsvc_client.configuration import KEY, Account, clean_url, find_account_file, save_account
from emailsvc_client.errors import ConfigurationError
from emailsvc_client.objects import Domain


def login(arguments: Namespace, output: Output) -> int:
    """Check a key and keep it. The key is never an argument: every user of the machine can read those."""
    account = Account(url=clean_url(arguments.url), api_key=read_key())
    with Client(account.url, account.api_key) as client:
        me = client.get_me()
    path = find_account_file()
    save_account(account, path)
    project = (me["project"] or {}).get("name", "")
    output.show(
        {"url": account.url, "project": me["project"], "file": str(path)}, [f"Logged in to {project} at {account.url}."]
    )
    return 0


def read_key() -> str:
    """From the environment, a prompt, or a line of stdin."""
    key = os.environ.get(KEY) or (getpass.getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline())
    if not key.strip():
        raise ConfigurationError("There is no API key.")
    return key.strip()


def verify_domains(arguments: Namespace, output: Output, client: Client) -> int:
    """Look up the records of one domain or of all; 1 if one of them is not verified."""
    domains = [find_domain(client, arguments.domain)] if arguments.domain else list(client.iterate(client.list_domains))
    is_good = True
    for each in domains:
        domain = client.verify_domain(each["id"])
        is_good &= domain["status"] == "verified"
        output.show(domain, describe_domain(domain))
    return 0 if is_good else 1


def find_domain(client: Client, ref: str) -> Domain:
    """By id or name."""
    try:
        return client.get_domain(str(UUID(ref)))
    except ValueError:
        rows = client.list_domains(name=ref)["data"]
    if not rows:
        raise ConfigurationError(f"There is no domain {ref}.")
    return rows[0]


def describe_domain(domain: Domain) -> list[str]:
    fields = ("status", "purpose", "type", "name", "value")
    records = ["  " + "  ".join(str(each[name]) for name in fields) for each in domain["records"]]
    return [f"{domain['name']}: {domain['status']}", *records]
