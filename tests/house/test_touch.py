"""Figures to touch: their scripts compute what the package computes, and stand still without a script."""

from __future__ import annotations

import html
import math
import re
from itertools import product

import pytest
import torch
from torch.nn import functional

from resnet_utils.evaluation import calibration
from resnet_utils.reporting import results
from tools import interface
from tools.web import touch

FIGURES = touch.figures()
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
LATIN = re.compile(r"[A-Za-z]{2,}")
NAMES = {"PyTorch", "choose", "judge"}  # a program's, and the record's for its halves


def positions(slider):
    """Every value that a slider can take."""
    count = round((slider.high - slider.low) / slider.step)
    return [round(slider.low + step * slider.step, 9) for step in range(count + 1)]


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
            for word in ("NaN", "undefined", "Infinity", "null", "{"):
                assert word not in one["picture"] + one["says"], (slider.name, word)


def convolved(side, kernel, stride, padding, dilation):
    """Rows that torch's convolution puts out, and which rows of the input any of them reads."""
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
    calls = [("rowsRead", [row, state]) for row in range(out.shape[2])]
    for row, ours in enumerate(touch.ask(FIGURES["convolution"], calls=calls)["calls"]):
        (gradient,) = torch.autograd.grad(out[0, 0, row, 0], x, retain_graph=True)
        torchs = [int(line) for line in gradient[0, 0].sum(dim=1).nonzero()[:, 0]]
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


def descended(rate, walls, momentum, steps):
    """Places of PyTorch's SGD in the valley of chapter 1's room, the start first."""
    place = torch.nn.Parameter(torch.tensor([-8.0, 1.0], dtype=torch.float64))
    optimizer = torch.optim.SGD([place], lr=rate, momentum=momentum)
    found = [place.tolist()]
    for _ in range(int(steps)):
        optimizer.zero_grad()
        (torch.tensor([1.0, walls], dtype=torch.float64) * place**2).sum().div(2).backward()
        optimizer.step()
        found.append(place.tolist())
    return found


def test_a_path_is_that_of_torch_at_every_rate_steepness_and_momentum():
    found = states("descent", "rate", "walls", "momentum")
    assert len(found) == 42 * 5 * 10
    some = found[::49]  # no factor in common with ten momenta or five steepnesses, so all of them come
    paths = touch.ask(FIGURES["descent"], calls=[("path", [state]) for state in some])["calls"]
    for state, path in zip(some, paths, strict=True):
        expected = torch.tensor(descended(**state), dtype=torch.float64)
        torch.testing.assert_close(
            torch.tensor(path, dtype=torch.float64), expected, rtol=1e-9, atol=1e-12, msg=str(state)
        )


def test_the_best_rate_and_the_edge_are_where_the_page_says():
    figure = FIGURES["descent"]

    asked = [*product((10, 50), positions(figure.sliders[0]), (0,)), (50, 0.015, 0.8)]
    given = [dict(zip(("walls", "rate", "momentum"), one, strict=True)) for one in asked]
    paths = touch.ask(figure, calls=[("path", [figure.start | one]) for one in given])["calls"]
    ends = [("height", [path[-1], one["walls"]]) for path, one in zip(paths, given, strict=True)]
    heights = dict(zip(asked, touch.ask(figure, calls=ends)["calls"], strict=True))
    start = {walls: 32 + walls / 2 for walls in (10, 50)}
    for walls in (10, 50):
        below = {rate: heights[walls, rate, 0] for _, rate, _ in asked[:42] if rate < 2 / walls - 1e-9}
        assert abs(min(below, key=below.get) - 2 / (1 + walls)) <= 0.005, "a position beside it, at most"
        above = {rate: heights[walls, rate, 0] for _, rate, _ in asked[:42] if rate > 2 / walls + 1e-9}
        assert min(above.values()) > start[walls], "above the edge it climbs"
    at_the_edge = 25 + (8 * 0.96**40) ** 2 / 2
    assert heights[50, 0.04, 0] == pytest.approx(at_the_edge), "from side to side for ever"
    assert heights[50, 0.015, 0.8] < heights[50, 0.035, 0] / 10, "as in chapter 1"


def recorded_margins():
    """Margins of the record by network and half, each as logits and labels of two classes."""
    for row in results.load("margins").rows:
        for half in ("choose", "judge"):
            margins = torch.tensor(row[half], dtype=torch.float64)
            logits = torch.stack([margins, torch.zeros_like(margins)], dim=1)
            yield row[half], logits, torch.zeros(len(margins), dtype=torch.int64)


def test_bins_and_errors_are_those_of_the_package_at_every_temperature():
    temperatures = positions(next(s for s in FIGURES["temperature"].sliders if s.name == "temperature"))
    for margins, logits, labels in recorded_margins():
        assert 0.0 not in margins, "an answer on the border would be right by the order of the classes"
        asked = [
            (what, [margins, t]) for t in temperatures for what in ("reliability", "calibrationError", "loss")
        ]
        answers = iter(touch.ask(FIGURES["temperature"], calls=asked)["calls"])
        for t in temperatures:
            bins, error, loss = next(answers), next(answers), next(answers)
            table = calibration.reliability(logits, labels, temperature=t)
            assert [one["count"] for one in bins] == table.counts.tolist()
            for key, expected in (("confidence", table.confidence), ("accuracy", table.accuracy)):
                ours = [math.nan if one[key] is None else one[key] for one in bins]
                assert ours == pytest.approx(expected.tolist(), abs=1e-12, nan_ok=True)
            of_package = calibration.expected_calibration_error(logits, labels, temperature=t)
            assert error == pytest.approx(of_package, abs=1e-12)
            assert loss == pytest.approx(functional.cross_entropy(logits / t, labels).item(), abs=1e-12)


def test_the_head_with_little_decay_is_too_sure_and_the_one_with_much_too_shy():
    fitted = [calibration.fit_temperature(logits, labels) for _, logits, labels in recorded_margins()]
    decays = results.load("margins").column("weight_decay")
    assert decays == sorted(decays)
    little, middle, much = fitted[:2], fitted[2:4], fitted[4:]
    assert min(little) > 2, "it wants a temperature well above one"
    assert max(abs(one - 1) for one in middle) < 0.3, "this one is nearly right as it is"
    assert max(much) < 0.8, "and one below"
    right = results.load("margins").column("accuracy")
    assert right[0] < min(right[1:]), "the first is wrong more often than the others"
    last = FIGURES["temperature"].sliders[-1]
    assert last.low < min(fitted) < max(fitted) < last.high, "the slider reaches what it is to find"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("- {name: a, label: A, from: 1, to: 3, start: 4}", "start must lie between"),
        ("- {name: a, label: A, from: 1, to: 3, start: 2, step: 2}", "start must be whole steps"),
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


def words_of(one):
    """All that a state shows in words: picture, sentence and values."""
    seen = re.findall(r">([^<>]+)<|aria-label=\"([^\"]*)\"", one["picture"])
    return [*(inner or label for inner, label in seen), one["says"], *one["values"].values()]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_in_chinese_what_it_says_in_english(name):
    """With the same numbers, in whatever order, and the same drawing, without an English word."""
    figure = FIGURES[name]
    some = [state for slider in figure.sliders for state in states(name, slider.name)]
    some += [figure.start | {"side": 5, "padding": 3, "stride": 3, "place": 1}] * (name == "convolution")
    some += [figure.start | {"side": 5, "kernel": 5, "dilation": 3}] * (name == "convolution")
    english = touch.ask(figure, shown=some)["shown"]
    chinese = touch.ask(figure, shown=some, language=interface.CHINESE)["shown"]
    for ours, theirs in zip(english, chinese, strict=True):
        for said, also in zip(words_of(ours), words_of(theirs), strict=True):
            assert sorted(NUMBER.findall(said)) == sorted(NUMBER.findall(also)), (said, also)
            assert set(LATIN.findall(also)) <= NAMES, also
            assert "{" not in also
            assert not re.search(r"[\u3002\uff0c\uff1b]\s", also), also
        bare = [re.sub(r">[^<>]+<|aria-label=\"[^\"]*\"", "><", one["picture"]) for one in (ours, theirs)]
        assert bare[0] == bare[1]
        assert ours["says"] != theirs["says"]


@pytest.mark.parametrize("name", FIGURES)
def test_a_chinese_page_has_a_chinese_figure(name):
    figure = FIGURES[name]
    (still,) = touch.ask(figure, shown=[figure.start], language=interface.CHINESE)["shown"]
    page = touch.markup(figure, still, root="../../", language=interface.CHINESE)
    said = re.sub(r"<script.*?</script>|<[^>]*>", " ", page, flags=re.S)
    assert set(LATIN.findall(said)) <= NAMES | {"JavaScript"}
