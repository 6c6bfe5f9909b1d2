"""Figures to touch: their scripts compute what the package computes, and stand still without a script."""

from __future__ import annotations

import html
from itertools import product

import pytest
import torch
from torch.nn import functional

from resnet_utils.reporting import results
from tools import touch

FIGURES = touch.figures()


def positions(slider):
    """Every value that a slider can take."""
    count = round((slider.high - slider.low) / slider.step)
    return [slider.low + step * slider.step for step in range(count + 1)]


def states(name, *names):
    """Every combination of the named sliders of a figure; the others stay where they start."""
    figure = FIGURES[name]
    ways = product(*(positions(slider) for slider in figure.sliders if slider.name in names))
    order = [slider.name for slider in figure.sliders if slider.name in names]
    return [figure.start | dict(zip(order, way, strict=True)) for way in ways]


def test_every_script_has_its_page_and_every_page_its_script():
    scripts = {path.stem for path in touch.LIVE.glob("*.js") if "Touch.register(" in path.read_text("utf-8")}
    assert FIGURES.keys() <= scripts
    pages = {path.stem for path in touch.PAGES.glob("*.md")}
    assert FIGURES.keys() == pages
    listed = set(touch.project.toc_pages())
    assert {f"book/touch/{name}" for name in pages} <= listed


@pytest.mark.parametrize("name", FIGURES)
def test_every_slider_changes_what_is_shown_and_nothing_is_no_number(name):
    figure = FIGURES[name]
    for slider in figure.sliders:
        shown = touch.ask(figure, shown=states(name, slider.name))["shown"]
        assert len({(one["picture"], one["says"]) for one in shown}) > 1, slider.name
        for one in shown:
            for word in ("NaN", "undefined", "Infinity", "null"):
                assert word not in one["picture"] + one["says"], (slider.name, word)


def convolved(side, kernel, stride, padding, dilation):
    """Rows that torch's convolution puts out, and the rows of the input that any of them reads."""
    x = torch.zeros(1, 1, side, 1, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(1, 1, kernel, 1, dtype=torch.float64)
    try:
        out = functional.conv2d(x, weight, stride=(stride, 1), padding=(padding, 0), dilation=(dilation, 1))
    except RuntimeError:
        return 0, [False] * side  # the window does not fit
    out.sum().backward()
    return out.shape[2], (x.grad[0, 0, :, 0] > 0).tolist()


def test_places_and_unread_squares_are_those_of_torch_at_every_position():
    found = states("convolution", "side", "kernel", "stride", "padding", "dilation")
    assert len(found) == 8 * 5 * 3 * 4 * 3
    calls = [(what, [state]) for state in found for what in ("places", "everRead")]
    answers = iter(touch.ask(FIGURES["convolution"], calls=calls)["calls"])
    for state in found:
        given = {key: int(value) for key, value in state.items() if key != "place"}
        assert (next(answers), next(answers)) == convolved(**given), given


def test_the_rows_that_a_place_reads_are_those_of_torch():
    state = {"side": 9, "kernel": 3, "stride": 2, "padding": 1, "dilation": 2, "place": 1}
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64, requires_grad=True)
    out = functional.conv2d(x, torch.ones(1, 1, 3, 3, dtype=torch.float64), stride=2, padding=1, dilation=2)
    for row in range(out.shape[2]):
        (gradient,) = torch.autograd.grad(out[0, 0, row, 0], x, retain_graph=True)
        torchs = [int(line) for line in gradient[0, 0].sum(dim=1).nonzero()[:, 0]]
        ours = touch.ask(FIGURES["convolution"], calls=[("rowsRead", [row, state])])["calls"][0]
        assert [line for line in ours if 0 <= line < 9] == torchs


def test_the_last_place_of_the_output_can_be_chosen_and_no_later_one():
    (shown,) = touch.ask(FIGURES["convolution"], shown=[FIGURES["convolution"].start | {"place": 25}])[
        "shown"
    ]
    assert "row 5, column 5" in shown["says"]
    assert "rows 5, 6 and 7, columns 5, 6 and 7" in shown["says"]


def test_losses_in_the_page_are_those_of_the_record():
    record = results.load("degradation_conv")
    figure = FIGURES["degradation"]
    depths = sorted(set(record.column("depth")))
    assert positions(figure.sliders[0]) == depths
    assert positions(figure.sliders[1]) == list(range(1, len(record.rows[0]["curve"]) + 1))
    calls = [("curve", [figure.data["rows"], depth, kind]) for depth, kind in product(depths, (False, True))]
    curves = iter(touch.ask(figure, calls=calls)["calls"])
    for depth, kind in product(depths, (False, True)):
        kept = record.column("curve", {"depth": depth, "residual": kind})
        means = torch.tensor(kept, dtype=torch.float64).mean(dim=0).tolist()
        assert next(curves) == pytest.approx(means, abs=1e-12), "the same sums in another order"


def test_what_the_page_says_to_see_about_depth_is_so():
    record = results.load("degradation_conv")

    def mean(depth, residual, step):
        kept = record.column("curve", {"depth": depth, "residual": residual})
        return sum(curve[step - 1] for curve in kept) / len(kept)

    depths, last = (20, 32, 44, 56), len(record.rows[0]["curve"])
    assert mean(56, True, 2) > mean(56, False, 2), "after two passes a deep residual net is not ahead"
    for step in range(2, last + 1):
        plain = [mean(depth, False, step) for depth in depths]
        assert plain == sorted(plain), "the deeper plain net is the worse one nearly from the beginning"
    deepest = [mean(56, False, step) for step in range(1, last + 1)]
    assert deepest == sorted(deepest, reverse=True), "it falls in every pass"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("- {name: a, label: A, from: 1, to: 3, start: 4}", "start must lie between"),
        ("- {name: a, label: A, from: 1, to: 3, begin: 2}", "a list of sliders is wanted"),
        ("- {name: a, from: 1, to: 3, start: 2}", "a list of sliders is wanted"),
        ("a: 1", "a list of sliders is wanted"),
    ],
)
def test_sliders_that_are_none_are_refused(body, said):
    with pytest.raises(ValueError, match=said):
        touch.read("convolution", {}, body)


def test_a_record_that_is_not_there_is_refused():
    body = "- {name: a, label: A, from: 1, to: 3, start: 1}"
    with pytest.raises(ValueError, match="no record 'nothing'"):
        touch.read("degradation", {"record": "nothing", "columns": "depth"}, body)
    with pytest.raises(ValueError, match="columns"):
        touch.read("degradation", {"record": "degradation_conv", "columns": "height"}, body)


def test_a_figure_is_whole_without_its_script():
    figure = FIGURES["degradation"]
    (still,) = touch.ask(figure, shown=[figure.start])["shown"]
    page = touch.markup(figure, still, root="../../")
    assert still["picture"] in page
    assert html.escape(still["says"]) in page
    assert "<fieldset disabled>" in page, "sliders that would do nothing cannot be moved"
    for slider in figure.sliders:
        assert f'<label for="touch-degradation-{slider.name}">{slider.label}</label>' in page
    assert page.count("</script>") == 3, "data cannot end its own script"
    assert 'src="../../live/degradation.js"' in page
