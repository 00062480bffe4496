"""The command line `emailsvc`."""

import argparse
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence

from emailsvc_client.cli import account_commands, agent_commands, email_commands, event_commands, template_commands
from emailsvc_client.cli.output import Output
from emailsvc_client.client import Client
from emailsvc_client.configuration import find_account, find_account_file, read_saved_account
from emailsvc_client.errors import EmailsvcError

# It takes the options, the output, and a client unless it is one of `ALONE`.
Command = Callable[..., int]
ALONE: tuple[Command, ...] = (account_commands.login, agent_commands.serve_mcp)


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="emailsvc", description="Send and look up mail of an emailsvc service.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print JSON, one object a line")

    def add(
        name: str, text: str, run: Command, to: "argparse._SubParsersAction[ArgumentParser]" = commands
    ) -> ArgumentParser:
        made = to.add_parser(name, help=text, description=text, parents=[shared], allow_abbrev=False)
        made.set_defaults(run=run)
        return made

    kept = "Keep the URL and the key of a service; the key is asked for, or read from stdin."
    login = add("login", kept, account_commands.login)
    login.add_argument("--url", required=True)
    send = add("send", "Send an email.", email_commands.send)
    email_commands.add_email_options(send)
    send.add_argument("--idempotency-key", metavar="KEY")
    email_commands.add_email_options(
        add("dry-run", "Show what sending would do; send nothing.", email_commands.dry_run)
    )
    listing = add("list", "List emails, newest first.", email_commands.list_emails)
    for name in ("status", "to", "tag", "q", "after"):
        listing.add_argument(f"--{name}")
    listing.add_argument("--limit", type=int, default=20)
    add("show", "Show an email.", email_commands.show).add_argument("id")
    add("explain", "Explain the state of an email.", email_commands.explain).add_argument("id")
    tail = add("tail", "Print events as they happen.", event_commands.tail)
    listen = add("listen", "Post events to a program on this machine, signed.", event_commands.listen)
    listen.add_argument("--forward-to", required=True, metavar="URL")
    listen.add_argument(
        "--secret", default=os.environ.get("EMAILSVC_WEBHOOK_SECRET"), help="whsec_…; by default a new one"
    )
    for each in (tail, listen):
        each.add_argument("--types", nargs="+", metavar="TYPE")
        each.add_argument("--after", metavar="EVENT")
    mcp = add("mcp", "Serve tools for agents by MCP, over stdio or HTTP.", agent_commands.serve_mcp)
    agent_commands.add_options(mcp)
    templates = commands.add_parser("templates", help="Templates as files.").add_subparsers(
        required=True, metavar="VERB"
    )
    for name, run in TEMPLATE_VERBS.items():
        made = add(name, (run.__doc__ or "").splitlines()[0], run, templates)
        made.add_argument("folder")
        if name == "push":
            made.add_argument("--publish", action="store_true", help="publish what changed")
    domains = commands.add_parser("domains", help="Sending domains.").add_subparsers(required=True, metavar="VERB")
    verify = add("verify", "Look up the DNS records of a domain, or of all.", account_commands.verify_domains, domains)
    verify.add_argument("domain", nargs="?", help="its name or id")
    return parser


TEMPLATE_VERBS: dict[str, Command] = {
    "pull": template_commands.pull,
    "push": template_commands.push,
    "diff": template_commands.diff,
}


def main(words: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 for a refusal or a difference, 2 for a wrong command line, 130 after Ctrl-C."""
    arguments = build_parser().parse_args(words)
    output = Output(is_json=arguments.json)
    try:
        run: Command = arguments.run
        if run in ALONE:
            return run(arguments, output)
        account = find_account(saved=read_saved_account(find_account_file()))
        with Client(account.url, account.api_key) as client:
            return run(arguments, output, client)
    except (EmailsvcError, OSError, ValueError) as error:
        output.tell(f"emailsvc: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
