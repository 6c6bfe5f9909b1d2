"""A report says what a test has shown, and its page is one file that loads nothing and escapes everything."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resnet_utils import data, deployment, evaluation, models
from resnet_utils.deployment import page, report

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
ANGRY = "<script>alert('x')</script>&\"'"
VOID = {"meta", "img", "br", "rect", "line"}


class Page(HTMLParser):
    """The elements of a page, and whether each is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def judged(classes=("cat", "dog", "rabbit"), *, count=30, **options):
    """An untrained classifier and its report on drawings."""
    torch.manual_seed(0)
    model = models.build("resnet20", len(classes), width=4).eval()
    judge = deployment.Classifier(model, "resnet20", classes, size=32, mean=MEAN, std=STD, **options)
    drawn = data.drawn_animals(count, size=32, species=("cat", "dog", "rabbit")[: len(classes)])
    test = data.Split(
        drawn.images, drawn.labels, classes, source="drawings", names=tuple(f"{k}.png" for k in range(count))
    )
    return judge, test, deployment.judge(judge, test)


@pytest.fixture(scope="module")
def made():
    """Classifier, test and report of three plain classes."""
    return judged()


def html(found, test, **options):
    """The page of a report."""
    return deployment.to_html(found, test.images, title="Animals", limits=["anything else"], **options)


def test_the_accuracy_comes_with_wilsons_interval_and_the_rival_that_needs_no_picture(made):
    judge, test, found = made
    right = int((judge.logits(test.images).argmax(dim=1) == test.labels).sum())
    assert found.accuracy == right / len(test)
    assert (found.low, found.high) == tuple(evaluation.accuracy_interval(right, len(test)))
    assert found.always_largest == pytest.approx(1 / 3)
    assert f"{100 * found.low:.1f} to {100 * found.high:.1f} %" in str(found)


def test_rows_columns_and_sums_of_the_table_agree(made):
    _, test, found = made
    table = torch.tensor(found.confusion)
    assert int(table.sum()) == found.count == len(test)
    assert [row.count for row in found.classes] == table.sum(dim=1).tolist()
    for k, row in enumerate(found.classes):
        assert row.recall == pytest.approx(int(table[k, k]) / row.count)
        assert row.low <= row.recall <= row.high
    assert found.balanced == pytest.approx(sum(row.recall for row in found.classes) / 3)
    assert sum(count for _, _, count, _, _ in found.bins) == len(test)
    assert int(table.diagonal().sum()) == len(test) - int(table.sum() - table.diagonal().sum())


def test_the_mistakes_are_mistakes_the_worst_first(made):
    judge, test, found = made
    shares = judge.logits(test.images).double().softmax(dim=1)
    losses = []
    for mistake in found.mistakes:
        assert test.classes[int(test.labels[mistake.place])] == mistake.truth != mistake.answer
        assert mistake.file == test.names[mistake.place]
        losses.append(-float(shares[mistake.place, int(test.labels[mistake.place])].log()))
    assert losses == sorted(losses, reverse=True)


def test_strangers_are_of_none_of_the_classes():
    judge, _, found = judged(("Cat", "dog"), threshold=1.0)
    drawn = [row for row in found.strangers if row.kind.startswith("drawn")]
    assert "cat" not in drawn[0].kind
    assert "dog" not in drawn[0].kind
    assert [row.answered for row in found.strangers] == [0, 0, 0], "a threshold of 1 lets nobody pass"
    again = report.strangers_for(judge)
    assert all(torch.equal(images, report.strangers_for(judge)[kind]) for kind, images in again.items())


def test_without_a_threshold_every_stranger_gets_an_answer(made):
    assert [row.answered for row in made[2].strangers] == [20, 20, 20]


def test_classes_of_very_different_sizes_are_noticed():
    judge, test, _ = judged()
    order = [
        *torch.nonzero(test.labels == 0)[:, 0].tolist(),
        *torch.nonzero(test.labels == 1)[:2, 0].tolist(),
    ]
    found = deployment.judge(judge, test.subset(order))
    assert found.uneven
    assert found.classes[2].recall is None
    assert "balanced accuracy" in str(found)
    assert "balanced accuracy" in html(found, test.subset(order))


def test_a_test_of_other_classes_is_refused(made):
    judge, test, _ = made
    with pytest.raises(ValueError, match="the test has the classes"):
        deployment.judge(judge, data.Split(test.images, test.labels, ("x", "y", "z"), source="other"))


def test_the_page_is_whole_accessible_and_loads_nothing(made):
    _, test, found = made
    text = html(found, test, sections=[deployment.Section("More", ["A line."], "All.", ("a", "b"), [(1, 2)])])
    read = Page(text)
    assert read.open == []
    assert read.all("html") == [{"lang": "en"}]
    assert [tag for tag, _ in read.elements if re.fullmatch(r"h\d", tag)][:2] == ["h1", "h2"]
    assert all(heads.get("scope") in ("row", "col") for heads in read.all("th"))
    assert len(read.all("caption")) == len(read.all("table"))
    assert all(picture["alt"] for picture in read.all("img"))
    assert len(read.all("img")) == len(found.mistakes) > 0
    bare = re.sub(r"data:image/jpeg;base64,[\w+/=]*", "", text)
    assert not re.search(r"https?:|//|@import|url\(", bare)
    assert not {tag for tag, _ in read.elements} & {"script", "link", "iframe", "object"}
    assert "prefers-color-scheme: dark" in text
    assert len(text) < 200_000


def test_the_pictures_on_the_page_are_those_of_the_mistakes(made):
    _, test, found = made
    sources = [picture["src"] for picture in Page(html(found, test)).all("img")]
    for mistake, source in zip(found.mistakes, sources, strict=True):
        start, content = source.split(",")
        assert start == "data:image/jpeg;base64"
        shown = Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")
        image = torch.tensor(list(shown.tobytes())).view(32, 32, 3).permute(2, 0, 1).float()
        assert (image - test.images[mistake.place].float()).abs().mean() < 12, "JPEG loses a little"


def test_numbers_on_the_page_are_those_of_the_report(made):
    _, test, found = made
    words = " ".join("".join(Page(html(found, test)).text).split())
    assert f"{100 * found.accuracy:.1f} % of {found.count} test photographs" in words
    assert "It answers every picture" in words


def test_a_name_cannot_become_code():
    classes = (ANGRY, "小狗", "a $b$ {{ 7 * 7 }}")
    _, test, found = judged(classes)
    text = html(found, test, sections=[deployment.Section(ANGRY, [ANGRY], ANGRY, (ANGRY,), [(ANGRY,)])])
    read = Page(text)
    assert "<script" not in text
    assert ANGRY in "".join(read.text)
    assert "{{ 7 * 7 }}" in "".join(read.text)
    assert any(ANGRY in picture["alt"] for picture in read.all("img"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=2, unique=True))
def test_any_two_names_give_a_page_that_parses(names):
    _, test, found = judged(tuple(names), count=6)
    assert Page(html(found, test)).open == []


def test_a_page_without_limits_or_with_other_images_is_refused(made):
    _, test, found = made
    with pytest.raises(ValueError, match="at least one limit"):
        deployment.to_html(found, test.images, title="x", limits=[])
    with pytest.raises(ValueError, match="the report judged 30 images, got 29"):
        deployment.to_html(found, test.images[1:], title="x", limits=["y"])


def test_a_share_that_is_not_there_is_a_dash(made):
    assert page._percent(None) == "–"
    assert page._percent(0.5) == "50.0\u00a0%"


def test_precision_and_the_largest_class_and_the_mistakes_among_the_answers_are_counted_by_hand(monkeypatch):
    """Three cats, two dogs, one rabbit; answered cat cat dog, cat dog, dog; unsure of places 3 and 5."""
    judge, whole, _ = judged(count=30, threshold=0.6)
    places = [
        int((whole.labels == k).nonzero()[n]) for k, n in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0))
    ]
    test = whole.subset(places)
    answers = torch.tensor([0, 0, 1, 0, 1, 1])
    sure = torch.tensor([9.0, 9, 9, 0.1, 9, 0.1])  # those two with a probability of 0.36
    logits = torch.nn.functional.one_hot(answers, 3) * sure[:, None]
    monkeypatch.setattr(deployment.Classifier, "logits", lambda *_: logits)
    found = deployment.judge(judge, test, strangers={})
    assert [row.precision for row in found.classes] == [pytest.approx(2 / 3), pytest.approx(1 / 3), None]
    assert [row.recall for row in found.classes] == [pytest.approx(2 / 3), 0.5, 0.0]
    assert found.always_largest == 0.5
    assert (found.accuracy, found.given) == (0.5, pytest.approx(4 / 6))
    assert found.wrong_of_given == 0.25, "one of the four answers that are given"


def test_the_diagram_has_each_bin_at_its_probability_and_its_share_of_right_answers(made):
    _, test, found = made
    circles = Page(html(found, test)).all("circle")
    frame = Page(html(found, test)).all("rect")[0]
    side = float(frame["width"])
    assert len(circles) == len(found.bins)
    for circle, (_, _, _, sure, right) in zip(circles, found.bins, strict=True):
        assert float(circle["cx"]) == pytest.approx(side * sure, abs=0.05)
        assert float(circle["cy"]) == pytest.approx(side - side * right, abs=0.05), "0 is below, 1 above"
