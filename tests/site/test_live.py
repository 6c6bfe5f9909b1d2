"""The pages with a network in them, in a real browser: their numbers, switches, requests and keyboard."""

from __future__ import annotations

import io
import json
import re

import in_browser
import numpy as np
import pytest
import torch
from PIL import Image

from resnet_utils import data, deployment
from resnet_utils.analysis.lesions import Switchable
from resnet_utils.files import atomic
from resnet_utils.reporting import results
from tools import patience, project
from tools.web import live, vendor

LIVE = project.ROOT / "site" / "live"
NETWORKS = LIVE / "networks"
KINDS = ("residual", "plain")
PLACES = ("stem", "layer1", "layer2", "layer3", "layer4")
PAGES = {"lesions": "lesions.js", "feature_maps": "feature_maps.js"}
MOST_BYTES = 20_000_000


@pytest.fixture(scope="module")
def networks():
    """Both classifiers as Python reads them, with switches."""
    return {kind: deployment.Classifier.load(NETWORKS / f"{kind}.safetensors") for kind in KINDS}


class Visit:
    """A page in the browser, and what it has asked for and complained of."""

    def __init__(self, browser, site, name, **options):
        self.page = browser.new_context(**options).new_page()
        self.page.set_default_timeout(1000 * patience.seconds(120))
        self.asked, self.wrong = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.goto(f"{site}/book/live/{name}.html")

    def load(self):
        """Press the button by keyboard, and wait until a first answer is there."""
        self.page.locator(".live[data-state=waiting]").wait_for()
        self.page.locator(".live-button").focus()
        self.page.keyboard.press("Enter")
        self.page.locator(".live[data-state=ready]").wait_for()
        return self

    def hand_in(self, pixels, name="picture.png"):
        """Choose a picture, an array (H, W, 3 or 4), as a PNG; wait for its answer."""
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        before = self.page.locator(".live-seen").evaluate("canvas => canvas.toDataURL()")
        self.page.set_input_files(
            "#live-file", {"name": name, "mimeType": "image/png", "buffer": content.getvalue()}
        )
        self.page.wait_for_function(
            "before => document.querySelector('.live-seen').toDataURL() !== before", arg=before
        )
        return content.getvalue()

    def numbers(self, kind):
        """Logits and probability of the answer that the page shows for a network."""
        text = self.page.locator(f"[data-network={kind}]").text_content()
        found = re.fullmatch(
            r"Logits: cat (\S+), dog (\S+)\. Temperature: (\S+)\. Probability of (cat|dog): (\S+)\.", text
        )
        return torch.tensor([float(found[1]), float(found[2])]), found[4], float(found[5])

    def settled(self, kind, wanted):
        """Wait until the page shows ``wanted`` logits, to 1e-4."""
        for _ in range(100):
            logits = self.numbers(kind)[0]
            if (logits - wanted).abs().max() < 1e-4:
                return True
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{kind}: the page says {logits}, the notebook {wanted}")


@pytest.fixture(scope="module")
def cutting(browser, site):
    return Visit(browser, site, "lesions").load()


def odd_picture(height, width, channels=3, seed=0):
    """Random large spots of colour, so that scaling has something to do."""
    generator = np.random.Generator(np.random.PCG64(seed))
    small = generator.integers(0, 256, (7, 9, channels), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def logits_of(classifier, picture, multipliers=None):
    """What PyTorch says about a PNG's bytes: (2,), before the temperature."""
    pixels = torch.from_numpy(data.read_picture(picture, classifier.size).copy())
    mean, std = (torch.tensor(values)[:, None, None] for values in (classifier.mean, classifier.std))
    net = Switchable(classifier.model)
    with torch.inference_mode():
        return net(((pixels / 255 - mean) / std)[None], *(multipliers or net.usual()))[0]


def test_before_the_click_no_network_and_no_picture_of_it_is_fetched(browser, site):
    for name, script in PAGES.items():
        visit = Visit(browser, site, name)
        visit.page.locator(".live[data-state=waiting]").wait_for()
        visit.page.wait_for_timeout(500)
        asked = {url.removeprefix(f"{site}/") for url in visit.asked}
        ours = {url for url in asked if url.startswith(("live/", "vendor/onnxruntime-web/"))}
        assert f"live/{script}" in ours
        scripts = {url for url in ours if url.endswith((".js", ".css"))}
        assert ours - scripts <= {"live/still/maps.png"}, "what stands there without a script"
        assert sum((LIVE / url.removeprefix("live/")).stat().st_size for url in scripts) < 40_000


def test_all_that_is_fetched_is_the_sites_own_and_weighs_what_the_button_says(browser, site):
    visit = Visit(browser, site, "lesions")
    label = visit.page.locator(".live-button").text_content()
    visit.load()
    assert all(url.startswith((site, "blob:", "data:")) for url in visit.asked), visit.asked
    assert visit.wrong == []
    parts = [path for path in NETWORKS.iterdir() if path.suffix in (".onnx", ".safetensors")]
    parts += list(vendor.provide(runtime()).iterdir())
    size = sum(path.stat().st_size for path in parts)
    assert size < MOST_BYTES
    assert label == f"Load the two networks (about {size / 1e6:.0f} MB)"
    small = size - sum((NETWORKS / f"plain{end}").stat().st_size for end in (".onnx", ".safetensors"))
    assert f"(about {small / 1e6:.0f} MB)" in (LIVE / "feature_maps.js").read_text(encoding="utf-8")


def runtime():
    return next(package for package in vendor.packages("site") if package.name == "onnxruntime-web")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(211, 300), (301, 197), (48, 48), (30, 31), (1000, 800)])
def test_the_page_answers_what_the_notebook_answers(cutting, networks, kind, shape):
    picture = cutting.hand_in(odd_picture(*shape, seed=sum(shape) + KINDS.index(kind)))
    classifier = networks[kind]
    wanted = logits_of(classifier, picture)
    cutting.settled(kind, wanted)
    _, said, probability = cutting.numbers(kind)
    shares = (wanted / classifier.temperature).softmax(dim=0)
    assert said == classifier.classes[int(shares.argmax())]
    assert probability == pytest.approx(float(shares.max()), abs=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (211, 300), (300, 211), (97, 1000), (25, 24)])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_is_scaled_as_pillow_does_to_the_byte(cutting, shape, channels):
    pixels = odd_picture(*shape, channels, seed=sum(shape))
    if channels == 4:
        pixels = pixels.copy()
        pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)  # half transparent is rounded by the browser
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    assert (
        scaled(cutting, content.getvalue()) == data.read_picture(content.getvalue(), 48).reshape(-1).tolist()
    )


def test_a_very_high_picture_is_scaled_to_within_one_level(cutting):
    content = io.BytesIO()
    Image.fromarray(odd_picture(400, 100)).save(content, "PNG")
    wanted = data.read_picture(content.getvalue(), 48).reshape(-1).astype(int)
    assert np.abs(np.array(scaled(cutting, content.getvalue())) - wanted).max() <= 1


def scaled(cutting, content):
    """What the page makes of a picture for a network of 48 pixels: a list of 3 * 48 * 48 numbers."""
    return cutting.page.evaluate(
        """async (bytes) => {
          const { decode, pixelsOf } = await import("/live/picture.js");
          const bitmap = await decode(new Blob([new Uint8Array(bytes)], { type: "image/png" }));
          return Array.from(pixelsOf(bitmap, 48));
        }""",
        list(content),
    )


@pytest.mark.parametrize("cut", ["branch 3", "branch 8", "shortcut 2", "shortcut 5"])
def test_a_switch_worked_by_keyboard_gives_the_answer_of_the_cut_network(cutting, networks, cut):
    picture = cutting.hand_in(odd_picture(120, 160, seed=ord(cut[-1]) + len(cut)))
    word, number = cut.split()
    box = cutting.page.get_by_label(cut, exact=True)
    box.focus()
    cutting.page.keyboard.press("Space")
    try:
        for kind, classifier in networks.items():
            shortcuts, branches = Switchable(classifier.model).usual()
            if word == "branch":
                branches[:, int(number) - 1], shortcuts[:, int(number) - 1] = 0, 1
            elif kind == "residual":
                shortcuts[:, int(number) - 1] = 0
            wanted = logits_of(classifier, picture, (shortcuts, branches))
            cutting.settled(kind, wanted)
            if kind == "residual":
                assert (wanted - logits_of(classifier, picture)).abs().max() > 1e-2, "a cut that does nothing"
        assert f"Cut: {cut}." in cutting.page.locator(".live-said").first.text_content()
    finally:
        cutting.page.get_by_role("button", name="Switch all on").press("Enter")
    cutting.settled("residual", logits_of(networks["residual"], picture))


def test_cutting_each_once_gives_the_probabilities_of_the_notebook(cutting, networks):
    picture = cutting.hand_in(odd_picture(100, 100, seed=77))
    cutting.settled("residual", logits_of(networks["residual"], picture))
    cutting.page.get_by_role("button", name="Cut each one once").press("Enter")
    table = cutting.page.locator(".live-each")
    table.wait_for()
    shown = table.locator("td[data-share]").evaluate_all("cells => cells.map((c) => Number(c.dataset.share))")
    wanted = []
    for number in range(8):
        for kind, word in (("residual", "branch"), ("residual", "shortcut"), ("plain", "branch")):
            classifier = networks[kind]
            shortcuts, branches = Switchable(classifier.model).usual()
            (branches if word == "branch" else shortcuts)[:, number] = 0
            if word == "branch":
                shortcuts[:, number] = 1
            best = logits_of(classifier, picture).argmax()
            logits = logits_of(classifier, picture, (shortcuts, branches)) / classifier.temperature
            wanted.append(float(logits.softmax(dim=0)[best]))
    assert shown == pytest.approx(wanted, abs=1e-4)


def test_what_is_no_picture_is_refused_in_words(cutting):
    alert = cutting.page.get_by_role("alert")
    letter = {"name": "letter.jpg", "mimeType": "image/jpeg", "buffer": b"a cat, I promise"}
    cutting.page.set_input_files("#live-file", letter)
    cutting.page.wait_for_function("document.querySelector('[role=alert]').textContent !== ''")
    assert alert.text_content().startswith("letter.jpg is no picture")
    cutting.hand_in(odd_picture(50, 50, seed=5))
    assert alert.text_content() == ""


def test_a_drawing_is_taken_by_its_button(cutting, networks):
    button = cutting.page.get_by_role("button", name="a drawn dog, number 2")
    button.press("Enter")
    cutting.settled(
        "residual", logits_of(networks["residual"], (LIVE / "samples" / "dog-2.png").read_bytes())
    )
    assert button.get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("name", PAGES)
def test_loaded_pages_have_no_barriers_and_fit_a_telephone(browser, site, name):
    visit = Visit(browser, site, name).load()
    if name == "lesions":
        visit.page.get_by_role("button", name="Cut each one once").press("Enter")
        visit.page.locator(".live-each").wait_for()
    visit.page.evaluate(in_browser.axe())
    views = [(width, mode) for width in (in_browser.PHONE, in_browser.DESK) for mode in in_browser.MODES]
    for width, mode in views:
        in_browser.show(visit.page, width, mode)
        visit.page.evaluate("document.querySelectorAll('.live details').forEach((box) => (box.open = true))")
        found = visit.page.evaluate("axe.run('.live', {preload: false}).then((said) => said.violations)")
        barriers = [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]
        assert in_browser.too_wide(visit.page) + barriers == [], (width, mode)


def test_the_maps_in_the_page_are_those_of_the_notebook(browser, site, networks):
    visit = Visit(browser, site, "feature_maps").load()
    picture = visit.hand_in(odd_picture(150, 170, seed=8))
    for kind in KINDS:
        visit.page.get_by_role("radio").nth(KINDS.index(kind)).press("Space")
        classifier = networks[kind]
        pixels = torch.from_numpy(data.read_picture(picture, classifier.size).copy())
        mean, std = (torch.tensor(values)[:, None, None] for values in (classifier.mean, classifier.std))
        with torch.inference_mode():
            maps = Switchable(classifier.model).look(((pixels / 255 - mean) / std)[None]).maps
        visit.page.get_by_text(
            f"Shown: the maps of the network {'with' if kind == 'residual' else 'its'}"
        ).wait_for()
        for place in PLACES:
            shown = visit.page.locator(f"[data-place={place}]")
            assert shown.text_content().startswith("{1} maps of {3} x {2} values".format(*maps[place].shape))
            assert float(shown.get_attribute("data-mean")) == pytest.approx(
                maps[place].mean().item(), abs=1e-4
            )


@pytest.mark.parametrize("name", PAGES)
def test_without_javascript_a_sentence_says_what_would_be_there(browser, site, name):
    visit = Visit(browser, site, name, java_script_enabled=False)
    assert "a page that comes from a web server" in visit.page.locator(".live p").first.inner_text()
    assert visit.page.locator(".live button").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_opened_as_a_file_the_page_says_what_it_needs(browser, files, name):
    visit = Visit(browser, files, name)
    visit.page.wait_for_timeout(500)
    assert "a file that was opened by a double click" in visit.page.locator(".live p").first.inner_text()


def test_the_shipped_networks_are_those_of_the_record():
    record = results.load("live_network")
    for kind in KINDS:
        (row,) = [row for row in record.rows if row["network"] == kind and "sha256" in row]
        assert atomic.sha256(NETWORKS / f"{kind}.safetensors") == row["sha256"]


def test_the_chart_of_the_cuts_is_that_of_the_record():
    """But for the drawing itself, of which another matplotlib may make other bytes."""
    stored, made = live.CUTS.read_text(encoding="utf-8"), live.cuts_page(json.loads(live.RECORD.read_text()))
    assert re.sub("<svg.*</svg>", "", stored) == re.sub("<svg.*</svg>", "", made)
    (drawing,) = re.findall("<svg.*</svg>", stored)
    for *_, words in live.CURVES:
        assert words in drawing


def test_what_the_page_says_about_the_cuts_is_so():
    rows = results.load("live_network").rows
    branch, shortcut, plain, faded = (live.accuracies(rows, network, cut) for network, cut, *_ in live.CURVES)
    whole = {row["network"]: 100 * row["accuracy"] for row in rows if row.get("cut") == "nothing"}
    right = {row["network"]: 100 * row["accuracy"] for row in rows if "drawn" in row}
    keeping, beginning = (slice(1, None, 2), slice(2, None, 2))  # blocks 2, 4, 6, 8 and 3, 5, 7
    assert right["residual"] - 3 < right["plain"] < right["residual"], "the twin answers nearly as well"
    assert abs(right["faded"] - right["plain"]) < 3, "same wires, same number of right answers"
    assert min(branch[keeping]) > whole["residual"] - 10, "a branch that keeps the shape can go"
    assert max(branch[0], *branch[beginning]) < min(branch[keeping]), "the others cost more"
    assert max(shortcut[:4]) < whole["residual"] - 10, "a shortcut of the first two stages cannot go"
    assert shortcut[1] < 55, "without the second block's it guesses"
    assert min(shortcut[4:]) > whole["residual"] - 5, "in the last two stages it hardly matters"
    assert max(plain) < 55, "the plain twin survives no cut"
    assert max(faded[beginning]) < 55, "the other one guesses where a stage begins"
    assert min(faded[keeping]) > whole["faded"] - 10, "and the others it survives"


def test_the_drawings_to_begin_with_are_the_books():
    for name, pixels in live.samples().items():
        assert (np.asarray(Image.open(LIVE / "samples" / f"{name}.png")) == pixels).all()
