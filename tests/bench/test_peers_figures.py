"""The arithmetic of `./run bench peers`: paired ratios, spreads, the table and the JSON."""

import pytest

from bench.peers.figures import OURS, RATE, Board, Row, Spread, describe_row, draw_row


def build_row(**rates: list[float]) -> Row:
    row = Row(name="deliver")
    for side, values in rates.items():
        for value in values:
            row.add(side, {RATE: value})
    return row


def test_a_ratio_pairs_the_rounds_before_the_median_is_taken():
    row = build_row(emailsvc=[100, 400, 900], Postfix=[50, 100, 300])
    assert row.ratios("Postfix") == [2, 4, 3]
    assert Spread.of(row.ratios("Postfix")) == Spread(median=3, least=2, most=4)


def test_a_peer_that_lacks_a_round_has_no_ratio():
    assert build_row(emailsvc=[100, 400], Postfix=[50]).ratios("Postfix") == []


def test_a_peer_that_was_not_measured_has_no_ratio():
    assert build_row(emailsvc=[100]).ratios("Postfix") == []


def test_a_figure_that_the_system_cannot_measure_is_left_out():
    row = Row(name="deliver")
    row.add(OURS, {RATE: 100, "cpu_ms": None})
    assert row.figures == {OURS: {RATE: [100]}}


def test_the_table_shows_every_spread_the_ratio_and_what_was_skipped():
    row = build_row(emailsvc=[1200, 1500], Postfix=[400, 300])
    row.skipped["Haraka"] = "needs nodejs"
    text = "\n".join(draw_row(row))
    assert "1,350 [1,200-1,500] /s" in text
    assert "350 [300-400] /s   ours ×4.00 [3.00-5.00]" in text
    assert "skipped: needs nodejs" in text


def test_the_json_has_each_round_and_the_ratios():
    described = describe_row(build_row(emailsvc=[100, 300], Postfix=[50, 100]))
    assert described["sides"]["emailsvc"][RATE] == {
        "unit": "/s",
        "median": 200,
        "min": 100,
        "max": 300,
        "rounds": [100, 300],
    }
    assert described["ratios"]["Postfix"]["rounds"] == [2, 3]
    assert OURS not in described["ratios"]


def test_a_row_that_was_not_asked_for_takes_no_figures():
    board = Board(["list"])
    board.add("claim", OURS, {RATE: 1})
    board.skip("claim", "Postfix", "not asked for")
    board.add("list", OURS, {RATE: 1})
    assert list(board.rows) == ["list"]
    assert board.rows["list"].values(OURS, RATE) == [1]


def test_an_unknown_figure_cannot_be_printed():
    row = Row(name="deliver")
    row.add(OURS, {"speed": 1})
    with pytest.raises(KeyError):
        draw_row(row)
