"""Tests of ``resnet_utils.plotting``."""

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from elsewhere import Elsewhere
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.colors import to_rgb

from resnet_utils.reporting import digest, plotting


@pytest.fixture
def ax():
    _, ax = plt.subplots()
    ax.set(title="Depth", xlabel="layers", ylabel="training loss (nats)")
    yield ax
    plt.close("all")


OKABE_ITO = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000"}


def test_colours_are_okabe_and_itos_and_each_role_has_its_own():
    assert set(plotting.COLORS.values()) - {plotting.COLORS["plain"]} < OKABE_ITO  # plain is a grey
    assert len(set(to_rgb(plotting.COLORS["plain"]))) == 1
    assert len(set(plotting.COLORS.values())) == len(plotting.COLORS)


def test_every_role_has_a_marker_and_a_dash():
    assert set(plotting.COLORS) == set(plotting.MARKERS) == set(plotting.DASHES)


def test_book_style_gives_500_by_310_pixels(ax):
    with mpl.rc_context():
        plotting.use_book_style()
        figure = plt.figure()
        assert tuple(figure.get_size_inches() * figure.dpi) == (500, 310)


def test_curve_draws_the_data_in_the_looks_of_its_role(ax):
    plotting.curve(ax, [1, 2], [3.0, 4.0], role="residual", label="with shortcuts")
    (line,) = ax.lines
    assert line.get_ydata().tolist() == [3.0, 4.0]
    assert (line.get_color(), line.get_marker(), line.get_linestyle()) == ("#0072B2", "o", "-")


def test_curve_takes_the_dash_of_another_role(ax):
    plotting.curve(ax, [1, 2], [3, 4], role="residual", label="training", dash="train")
    assert (ax.lines[0].get_color(), ax.lines[0].get_linestyle()) == ("#0072B2", "--")


def test_few_errors_are_bars_and_many_are_a_band(ax):
    plotting.curve(ax, range(3), np.ones(3), role="plain", label="few", error=np.full(3, 0.5))
    (segments,) = ax.collections
    assert segments.get_segments()[0][:, 1].tolist() == [0.5, 1.5]
    plotting.curve(ax, range(40), np.ones(40), role="plain", label="many", error=np.full(40, 0.25))
    band = ax.collections[1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.75, 1.25)


def test_tensors_of_a_gpu_are_drawn_as_those_of_the_cpu(ax):
    x, y = torch.arange(3), torch.tensor([1.0, 3.0, 2.0], requires_grad=True)
    plotting.curve(ax, Elsewhere(x), Elsewhere(y.detach()), role="plain", label="there", error=Elsewhere(x))
    plotting.curve(ax, x, y, role="plain", label="here", error=x)
    drawn = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert drawn["there"] == drawn["here"] == [1.0, 3.0, 2.0]
    images = torch.arange(32, dtype=torch.uint8).reshape(2, 4, 4)
    figure = plotting.image_grid(Elsewhere(images))
    assert [panel.images[0].get_array().tolist() for panel in figure.axes] == images.tolist()


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([1, 2], {"role": "deep"}, "unknown role 'deep'; roles are plain, residual"),
        ([1, 2], {"role": "plain", "dash": "dots"}, "unknown role 'dots'"),
        ([1, 2, 3], {"role": "plain"}, "same length"),
        ([1, 2], {"role": "plain", "error": [0.1]}, "same length"),
    ],
)
def test_a_wrong_curve_is_refused(ax, y, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.curve(ax, [1, 2], y, label="x", **options)
    assert not ax.lines


@pytest.mark.parametrize("shape", [(5, 3, 8, 8), (5, 1, 8, 8), (5, 8, 8)])
def test_image_grid_shows_each_image_once_in_order(shape):
    images = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    figure = plotting.image_grid(torch.from_numpy(images), columns=3, titles=list("abcde"))
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == list("abcde")
    assert len(figure.axes) == 6  # two rows of three, the last one empty
    for ax, image in zip(shown, images, strict=True):
        expected = image if image.ndim == 2 else np.moveaxis(image, 0, -1).squeeze()
        np.testing.assert_array_equal(ax.images[0].get_array(), expected)
        assert ax.images[0].get_clim() == (0, 255)  # else a dark picture would be stretched
    plt.close(figure)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((2, 3, 4, 4)), {}, "must be uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), {}, r"shape \(2, 4, 4, 3\)"),
        (np.zeros((0, 3, 4, 4), np.uint8), {}, "N > 0"),
        (np.zeros((4, 4), np.uint8), {}, r"\(N, H, W\)"),
        (np.zeros((2, 4, 4), np.uint8), {"titles": ["one"]}, "1 titles for 2 images"),
        (np.zeros((2, 4, 4), np.uint8), {"columns": 0}, "columns must be at least 1"),
        (np.zeros((2, 4, 4), np.uint8), {"scale": 0}, "scale must be above 0, and finite, got 0"),
        (np.zeros((2, 4, 4), np.uint8), {"scale": np.inf}, "scale must be above 0, and finite, got inf"),
    ],
)
def test_wrong_images_are_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.image_grid(images, **options)
    assert not plt.get_fignums()


def test_digest_says_what_is_plotted(ax):
    plotting.curve(ax, [6, 12], [0.27, 0.74], role="plain", label="plain", error=[0.1, 0.1])
    plotting.curve(ax, [6, 12], [0.23, 0.15], role="residual", label="residual")
    ax.scatter([6, 12, 18], [0, 0, 0])
    ax.legend()
    assert digest.digest(ax.figure) == (
        "Depth; x: layers; y: training loss (nats); legend: plain, residual; 2 x line of 2 points; 3 dots"
    )


def test_digest_with_digits_holds_the_values(ax):
    plotting.curve(ax, [1, 2], [0.274, -0.0001], role="plain", label="plain")
    ax.bar(["a", "b"], [1.0, 2.5])
    text = digest.digest(ax.figure, digits=2)
    assert "line of 2 points (0.27, 0.00)" in text
    assert "2 bars (1.00, 2.50)" in text


def test_digest_of_a_long_line_holds_only_its_ends(ax):
    ax.plot(np.arange(100))
    assert "line of 100 points (0 ... 99)" in digest.digest(ax.figure, digits=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda ax: ax.set_title("Other"),
        lambda ax: ax.set_xlabel("Other"),
        lambda ax: ax.set_ylabel("Other"),
        lambda ax: ax.legend(["Other"]),
        lambda ax: ax.plot([1, 2]),
        lambda ax: ax.lines[0].set_data([1, 2, 3], [1, 2, 3]),
        lambda ax: ax.figure.suptitle("Other"),
        lambda ax: ax.text(0, 0, "Other"),
        lambda ax: ax.bar([1], [1]),
        lambda ax: ax.imshow([[1]]),
    ],
)
def test_digest_changes_with_the_figure(ax, change):
    ax.plot([1, 2])
    before = digest.digest(ax.figure)
    change(ax)
    assert digest.digest(ax.figure) != before


def test_effects_stand_in_order_from_the_top_with_their_intervals_and_a_line_at_zero(ax):
    plotting.effects(ax, {"first": (1.5, 2.5), "second": (-4.0, 2.0)})
    low, high = ax.get_ylim()
    heights = {
        label.get_text(): row for label, row in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)
    }
    assert (heights["first"] - heights["second"]) * (high - low) > 0  # matplotlib's axis runs downward here
    drawn = {bar.lines[0].get_ydata()[0]: bar.lines[2][0].get_segments()[0] for bar in ax.containers}
    assert drawn[heights["first"]][:, 0].tolist() == [1.5, 2.5]
    assert drawn[heights["second"]][:, 0].tolist() == [-4.0, 2.0]
    assert any(list(line.get_xdata()) == [0, 0] for line in ax.lines)


def test_digest_of_a_grid_is_one_line():
    figure = plotting.image_grid(np.zeros((4, 8, 6), np.uint8), titles=["cat", "dog", "dog", "cat"])
    assert digest.digest(figure) == "4 pictures of 8 x 6; titles: cat, dog, dog, cat"
    assert digest.digest(figure, titles=False) == "4 pictures of 8 x 6"
    plt.close(figure)


def test_in_a_notebook_a_figure_is_svg_and_named_as_matplotlib_names_it(ax, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(mpl, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    ax.plot([1, 2])
    named = repr(ax.figure)
    plotting.finish(ax.figure)
    (data,) = shown
    assert set(data) == {"image/svg+xml", "text/plain"}
    assert data["text/plain"] == named
    assert f'aria-label="{capsys.readouterr().out.strip()}"' in data["image/svg+xml"]
    assert not plt.get_fignums(), "else the notebook shows it once more"


def test_finish_prints_the_digest_and_closes_the_figure(ax, capsys):
    ax.plot([1, 2])
    plotting.finish(ax.figure)
    assert capsys.readouterr().out == "Depth; x: layers; y: training loss (nats); line of 2 points\n"
    assert not plt.get_fignums()


@pytest.mark.parametrize("letter", ["x", "y"])
def test_an_axis_without_a_label_is_refused(ax, letter):
    ax.plot([1, 2])
    ax.set(**{f"{letter}label": ""})
    with pytest.raises(ValueError, match=f"the {letter} axis of panel 'Depth' has no label"):
        plotting.finish(ax.figure)


def test_a_shared_label_is_enough(capsys):
    figure, axes = plt.subplots(2, 1, sharex=True, sharey=True)
    for panel in axes:
        panel.plot([1, 2])
    axes[1].set(xlabel="epoch")
    figure.supylabel("loss (nats)")
    plotting.finish(figure)
    assert "x: epoch" in capsys.readouterr().out


def test_names_that_the_book_s_font_has_stay_as_they_are(capsys):
    assert plotting.readable(["cat", "Löwe", "costs $5 or $6"]) == ["cat", "Löwe", r"costs \$5 or \$6"]
    assert capsys.readouterr().out == ""


def test_names_that_no_font_has_become_numbers_with_a_legend(monkeypatch, capsys):
    monkeypatch.setattr(plotting, "_wide_fonts", lambda: [])
    assert plotting.readable(["小猫", "dog"]) == ["1", "2"]
    assert capsys.readouterr().out == "1 = 小猫\n2 = dog\n"


def font_of(signs, path):
    """A font whose letters are empty; not every Matplotlib brings one that has Chinese signs."""
    names = {ord(sign): f"uni{ord(sign):04X}" for sign in signs}
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", *names.values()])
    font.setupCharacterMap(names)
    font.setupGlyf({name: TTGlyphPen(None).glyph() for name in font.font.getGlyphOrder()})
    font.setupHorizontalMetrics(dict.fromkeys(font.font.getGlyphOrder(), (1000, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupPost()
    font.save(path)
    return plotting.mpl_fonts.FontEntry(fname=str(path), name="Kittens")


def test_a_font_that_has_the_signs_becomes_the_second_choice(monkeypatch, tmp_path):
    family = plt.rcParams["font.family"]
    other, entry = font_of("小", tmp_path / "other.ttf"), font_of("小猫", tmp_path / "both.ttf")
    monkeypatch.setattr(plotting, "_wide_fonts", lambda: [other, entry])
    assert plotting.readable(["小猫", "dog"]) == ["小猫", "dog"]
    assert plt.rcParams["font.family"] == ["DejaVu Sans", entry.name]
    plt.rcParams["font.family"] = family
