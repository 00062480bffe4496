"""A real Postfix on loopback, with its own folders and ports: a relay that reports on mail.

Mail for `final.test` ends here (mailboxes `one` and `two`), for a domain of `routes` at another server of this machine,
mail for `down.test` waits for a server that is not there, and reports go where docs/operations.md has them go: for
`reports.test` by LMTP, for hosts named `bounce` by SMTP. The system's own Postfix is not touched.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pwd import getpwnam
from textwrap import dedent

from emailsvc.launcher.ports import held_port
from tests.needs import find_program

PROGRAM = find_program("postfix")
SERVICES = """
    pickup    unix       n - n 60  1 pickup
    cleanup   unix       n - n -   0 cleanup
    qmgr      unix       n - n 300 1 qmgr
    rewrite   unix       - - n -   - trivial-rewrite
    bounce    unix       - - n -   0 bounce
    defer     unix       - - n -   0 bounce
    trace     unix       - - n -   0 bounce
    flush     unix       n - n -   0 flush
    proxymap  unix       - - n -   - proxymap
    smtp      unix       - - n -   - smtp
    lmtp      unix       - - n -   - lmtp
    relay     unix       - - n -   - smtp
    error     unix       - - n -   - error
    retry     unix       - - n -   - error
    virtual   unix       - n n -   - virtual
    anvil     unix       - - n -   1 anvil
    scache    unix       - - n -   1 scache
    postlog   unix-dgram n - n -   1 postlogd
"""


@dataclass(frozen=True, kw_only=True)
class Postfix:
    """One that runs."""

    port: int
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def list_mails(self, mailbox: str) -> list[str]:
        """What lies in a mailbox of final.test."""
        return [path.read_text() for path in sorted((self.folder / "mail" / mailbox / "new").glob("*"))]


@contextmanager
def running_postfix(routes: Mapping[str, int], report_port: int) -> Iterator[Postfix]:
    """`routes` are the ports of SMTP servers, by domain; `report_port` is the report listener's."""
    assert PROGRAM
    with tempfile.TemporaryDirectory(prefix="postfix-") as name, held_port() as port, held_port() as down:
        folder = Path(name)
        folder.chmod(0o755)
        write_configuration(folder, port, {"down.test": down, **routes}, report_port)
        command = [PROGRAM, "-c", str(folder / "etc")]
        subprocess.run([*command, "start"], check=True, capture_output=True, timeout=20)
        try:
            yield Postfix(port=port, folder=folder)
        finally:
            subprocess.run([*command, "abort"], check=False, capture_output=True, timeout=20)


def write_configuration(folder: Path, port: int, routes: Mapping[str, int], report_port: int) -> None:
    owner = getpwnam("postfix")
    for part in ("etc", "queue", "data", "mail"):
        (folder / part).mkdir()
    for part in ("data", "mail"):
        shutil.chown(folder / part, owner.pw_uid, owner.pw_gid)
    (folder / "etc/master.cf").write_text(f"127.0.0.1:{port} inet n - n - - smtpd\n" + dedent(SERVICES))
    (folder / "etc/transport").write_text("".join(f"{name} smtp:[127.0.0.1]:{at}\n" for name, at in routes.items()))
    (folder / "etc/report_hosts").write_text(r"/^reports\.test$/ OK" + "\n" + r"/^bounce\./ OK" + "\n")
    (folder / "etc/report_routes").write_text(
        rf"/^(b\+[a-z2-7]{{42}}|abuse|complaints|fbl)@reports\.test$/ lmtp:[127.0.0.1]:{report_port}" + "\n"
        rf"/^b\+[a-z2-7]{{42}}@bounce\./ smtp:[127.0.0.1]:{report_port}" + "\n"
    )
    (folder / "etc/listed_only").write_text("reports.test reject_unlisted_recipient\n")
    (folder / "etc/mailboxes").write_text("one@final.test one/\ntwo@final.test two/\n")
    (folder / "etc/main.cf").write_text(
        dedent(f"""
            compatibility_level = 3.6
            queue_directory = {folder}/queue
            data_directory = {folder}/data
            maillog_file = {folder}/log
            maillog_file_prefixes = {folder}
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            smtp_dns_support_level = disabled
            myhostname = relay.test
            mydestination =
            alias_maps =
            mynetworks = 127.0.0.0/8
            transport_maps = regexp:{folder}/etc/report_routes texthash:{folder}/etc/transport
            relay_domains = regexp:{folder}/etc/report_hosts
            relay_recipient_maps = regexp:{folder}/etc/report_routes
            virtual_mailbox_domains = final.test
            virtual_mailbox_base = {folder}/mail
            virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
            virtual_uid_maps = static:{owner.pw_uid}
            virtual_gid_maps = static:{owner.pw_gid}
            smtpd_reject_unlisted_recipient = no
            smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/etc/listed_only
            smtpd_peername_lookup = no
            queue_run_delay = 1s
            minimal_backoff_time = 1s
            maximal_backoff_time = 1s
            delay_warning_time = 1s
        """)
    )
