"""The geometry of charts, without a page."""

import pytest
from bs4 import BeautifulSoup
from django.template.loader import render_to_string

from emailsvc.admin_site.overview.charts import HEIGHT, ChartForm, Series, draw, write_seconds

STEPS = ["00:00", "01:00", "02:00", "03:00"]


def series(name, *values):
    return Series(name=name, tone=name, values=values)


def test_overlaid_bars_stand_on_the_ground_and_stacked_ones_on_each_other():
    given = [series("a", 10, 0, 0, 0), series("b", 5, 0, 0, 0)]
    overlaid = draw("k", "T", ChartForm.OVERLAID, STEPS, given)
    assert [bars.path for bars in overlaid.bars] == [
        "M15.00 160.00v-160.00h120.00v160.00z",
        "M15.00 160.00v-80.00h120.00v80.00z",
    ]
    stacked = draw("k", "T", ChartForm.STACKED, STEPS, given)
    assert [bars.path for bars in stacked.bars] == [
        "M15.00 160.00v-80.00h120.00v80.00z",
        "M15.00 80.00v-40.00h120.00v40.00z",
    ]
    assert [mark.text for mark in stacked.heights] == ["20", "10", "0"]


def test_a_line_is_cut_where_there_is_no_value_and_a_single_value_is_seen():
    chart = draw("k", "T", ChartForm.LINES, STEPS, [series("a", 1, 1, None, 1)])
    assert [line.points.split() for line in chart.lines] == [["75.0,0.0", "225.0,0.0"], ["487.5,0.0", "562.5,0.0"]]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((0.02, 0.5), ["1 s", "100 ms", "10 ms"]),
        ((0.2, 7200.0), ["10 h", "10 min", "10 s", "100 ms"]),
        ((5.0, 5.0), ["10 s", "1 s"]),
        ((None, None), ["10 s", "1 s"]),
    ],
)
def test_an_axis_of_times_has_round_labels_around_the_values(values, labels):
    chart = draw("k", "T", ChartForm.TIMES, STEPS[:2], [series("a", *values)])
    assert [mark.text for mark in chart.heights] == labels
    heights = [float(point.split(",")[1]) for line in chart.lines for point in line.points.split()]
    assert all(0 <= height <= HEIGHT for height in heights)


def test_a_chart_is_told_in_words_and_as_a_table_of_the_steps_with_values():
    chart = draw("k", "T", ChartForm.STACKED, STEPS, [series("a", 0, 1200, 0, 3), series("b", 0, 0, 0, 0)])
    assert chart.summary == "a: 1,203 in all, at most 1,200; b: none."
    assert chart.rows == [("01:00", ("1,200", "0")), ("03:00", ("3", "0"))]
    assert chart.tips[1].text == "01:00: a 1,200, b 0"
    assert draw("k", "T", ChartForm.STACKED, STEPS, [series("a", 0, 0, 0, 0)]).is_empty


def test_names_of_customers_stay_text_in_the_drawing_and_the_table():
    name = "<script>alert(1)</script>\" onload='x'"
    chart = draw("k", name, ChartForm.STACKED, [f"{step}<i>" for step in STEPS], [series(name, 0, 1200, 0, 3)])
    page = BeautifulSoup(render_to_string("emailsvc/overview/chart.html", {"chart": chart}), "html.parser")
    assert not page.find_all("script")
    assert [tip.get_text() for tip in page.select("rect.chart-tip title")] == [tip.text for tip in chart.tips]
    cells = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.select("tbody tr")]
    assert cells == [["01:00<i>", "1,200"], ["03:00<i>", "3"]]


@pytest.mark.parametrize(
    ("value", "text"), [(0.18, "180 ms"), (1.0, "1 s"), (90.0, "1.5 min"), (36000.0, "10 h"), (8_640_000.0, "100 d")]
)
def test_times_are_written_short(value, text):
    assert write_seconds(value) == text
