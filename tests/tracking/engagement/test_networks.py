"""The table of networks: the shipped one, the operator's file, and what is wrong in it."""

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.commands.running import run
from tracking.engagement.networks import (
    SHIPPED,
    NetworkKind,
    Networks,
    NetworksError,
    find_neighbourhood,
    list_networks,
    parse_networks,
)


def test_every_row_of_the_shipped_table_is_found_by_its_own_address(settings):
    settings.TRACKING_NETWORKS_FILE = ""
    networks = Networks()
    rows = list(list_networks(parse_networks(SHIPPED.read_text())))
    assert len(rows) > 50
    for network, row in rows:
        first = network.split("/")[0]
        assert networks.find(first) is not None, network
        assert ip_address(first)
        assert row.name


def test_an_operators_file_is_read_again_when_it_changes(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("tracking.engagement.networks.FRESH_SECONDS", 0.0)
    path = tmp_path / "networks.txt"
    path.write_text("# ours\n192.0.2.0/24 scanner our gateway\n104.47.1.0/24 human our office\n")
    settings.TRACKING_NETWORKS_FILE = str(path)
    networks = Networks()
    assert networks.find("192.0.2.7").name == "our gateway"
    assert networks.find("104.47.1.7").kind is NetworkKind.HUMAN
    assert networks.find("104.47.2.7").kind is NetworkKind.SCANNER
    path.write_text("192.0.2.0/24 proxy our proxy\n")
    os.utime(path, ns=(1, 1))
    assert networks.find("192.0.2.7").kind is NetworkKind.PROXY
    path.write_text("not a network\n")
    os.utime(path, ns=(2, 2))
    assert networks.find("192.0.2.7").kind is NetworkKind.PROXY


@pytest.mark.parametrize("line", ["192.0.2.1/24 scanner x", "192.0.2.0/24 robot x", "192.0.2.0/24", "x scanner y"])
def test_a_wrong_line_is_named(line):
    with pytest.raises(NetworksError, match="line 2"):
        parse_networks(f"\n{line}\n")


@pytest.mark.parametrize("ip", ["", "x", "10.0.0.1", "2001:db8::1"])
def test_an_unknown_address_has_no_row(settings, ip):
    settings.TRACKING_NETWORKS_FILE = ""
    assert Networks().find(ip) is None


def test_an_address_counts_as_its_network():
    assert find_neighbourhood("203.0.113.9") == find_neighbourhood("::ffff:203.0.113.200") == "203.0.113.0/24"
    assert find_neighbourhood("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert find_neighbourhood("") == ""


@pytest.mark.django_db
def test_the_command_shows_an_address_and_refuses_a_wrong_file(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)
    settings.TRACKING_NETWORKS_FILE = ""
    status, rows, _ = run("tracking_networks", "40.93.0.1", "--json", package="tracking")
    found = {"address": "40.93.0.1", "label": "scanner", "name": "Exchange Online Protection"}
    assert (status, rows) == (0, [found])
    assert "203.0.113.1 is not known" in run("tracking_networks", "203.0.113.1", package="tracking")[1]
    assert run("tracking_networks", "x", package="tracking")[0] != 0
    path: Path = tmp_path / "networks.txt"
    path.write_text("wrong")
    settings.TRACKING_NETWORKS_FILE = str(path)
    status, _, error = run("tracking_networks", package="tracking")
    assert status != 0
    assert "line 1" in error
