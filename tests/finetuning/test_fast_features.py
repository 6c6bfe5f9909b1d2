"""Features at another pace, and fine-tuning that takes the switch: the same within a stated tolerance."""

import pytest
import torch
from bits import assert_same_bits, state, used
from torch import nn

from resnet_utils import __main__ as command
from resnet_utils import data, finetuning, models
from resnet_utils.finetuning import own, probe
from resnet_utils.runtime import speed
from resnet_utils.training import loop

LAST = speed.Pace(channels_last=True)
BOTH = speed.Pace(channels_last=True, half=True)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return used(models.build("resnet18", 3, width=8))


@pytest.fixture
def batches():
    torch.manual_seed(1)
    return [(torch.rand(6, 3, 32, 32), torch.arange(6) % 3) for _ in range(2)]


# A folded float32 network differs by rounding; bfloat16 keeps 8 bits, and eighteen layers add up.
@pytest.mark.parametrize(("pace", "most"), [(LAST, 1e-5), (BOTH, 0.05)])
def test_features_are_the_same_within_their_bits(net, batches, pace, most):
    expected, labels = finetuning.cached_features(net, batches, fast=False)
    features, same = finetuning.cached_features(net, batches, fast=pace)
    assert features.dtype == torch.float32
    assert torch.equal(labels, same)
    assert (features - expected).abs().max() <= most * expected.abs().max()


def test_in_float64_a_folded_copy_gives_the_same_features(net, batches):
    double = [(images.double(), labels) for images, labels in batches]
    found = [finetuning.cached_features(net.double(), double, fast=fast)[0] for fast in (False, LAST)]
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-12)


def test_the_copy_that_computes_is_folded_and_the_network_is_left_as_it_came(net, batches, monkeypatch):
    seen = []
    real = probe.collected
    monkeypatch.setattr(probe, "collected", lambda model, *a, **b: seen.append(model) or real(model, *a, **b))
    before = state(net)
    finetuning.cached_features(net.train(), batches, fast=True)
    finetuning.cached_features(net, batches, fast=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in seen[0].modules())
    assert seen[1] is net
    assert_same_bits(before, state(net))
    assert net.training


def test_a_network_that_cannot_be_followed_is_asked_as_it_is(net, batches):
    class Odd(type(net)):
        def forward(self, x):
            return super().forward(x) if x.sum() > -1e9 else x

    net.__class__ = Odd
    expected, found = (finetuning.cached_features(net, batches, fast=fast)[0] for fast in (False, True))
    assert (found - expected).abs().max() <= 0.05 * expected.abs().max()


@pytest.mark.parametrize("fast", [False, True])
def test_a_head_can_learn_from_the_features(net, batches, fast):
    features, labels = finetuning.cached_features(net, batches, fast=fast)
    head = nn.Linear(features.shape[1], 3)
    nn.functional.cross_entropy(head(features), labels).backward()
    assert head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("way", ["linear probe", "full fine-tuning"])
def test_fine_tuning_takes_the_switch(net, batches, way, monkeypatch):
    paces = []
    real = speed.choose
    monkeypatch.setattr(
        speed, "choose", lambda fast, *a, **b: paces.append(speed.asked(fast)) or real(fast, *a, **b)
    )
    finetuning.fine_tune(net, batches, batches, way=way, epochs=1, lr=0.01, fast=LAST)
    assert set(paces) == {LAST}
    with pytest.raises(ValueError, match="fast must be True"):
        finetuning.fine_tune(net, batches, way=way, epochs=1, lr=0.01, fast="yes")


@pytest.fixture
def photographs(tmp_path):
    from PIL import Image

    split = data.drawn_animals(40, size=40, seed=5)
    for place, label in enumerate(split.labels.tolist()):
        folder = tmp_path / "pets" / split.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.images[place].permute(1, 2, 0).numpy()).save(folder / f"{place}.png")
    return tmp_path / "pets"


@pytest.fixture(autouse=True)
def _as_before():
    with speed.using(None):
        yield


def test_a_half_finished_folder_goes_on_at_its_own_pace(photographs, tmp_path, monkeypatch):
    """That the bits are the same too, tests/training/test_fast_training.py shows."""
    how = {"weights": "book", "epochs": 2, "size": 32, "tell": lambda line: None, "progress": False}
    save, paces = loop.files.save, []

    def stopping(path, run):
        save(path, run)
        paces.append(run.pace)
        if len(paces) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.files, "save", stopping)
    with pytest.raises(KeyboardInterrupt):
        own.finetune_folder(photographs, tmp_path / "half", fast=BOTH, **how)
    resumed = own.finetune_folder(photographs, tmp_path / "half", fast=False, **how)
    assert paces == [BOTH, BOTH]
    assert len(resumed.history.train_loss) == 2


@pytest.mark.parametrize(
    ("word", "meaning"), [("auto", "auto"), ("yes", True), ("no", False), (None, "auto")]
)
def test_the_command_hands_the_switch_on(monkeypatch, tmp_path, word, meaning):
    seen = {}

    def stop(*_, **options):
        seen.update(options)
        raise ValueError("enough")

    monkeypatch.setattr(own, "finetune_folder", stop)
    words = ["finetune", str(tmp_path), *([] if word is None else ["--fast", word])]
    assert command.main(words) == command.FAILED
    assert repr(seen["fast"]) == repr(meaning)


def test_the_command_knows_three_words(capsys):
    with pytest.raises(SystemExit):
        command.main(["finetune", "pets", "--fast", "maybe"])
    assert "invalid choice: 'maybe'" in capsys.readouterr().err


def test_a_classifier_answers_at_the_pace_that_is_asked_for(net):
    from resnet_utils import deployment

    images = (torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 255).byte()
    spec = {"size": 32, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    net = models.build("resnet20", 3)
    classifier = deployment.Classifier(net, "resnet20", ("a", "b", "c"), **spec)
    expected = classifier.logits(images, fast=False)
    for pace, most in ((LAST, 1e-5), (BOTH, 0.05)):
        found = classifier.logits(images, fast=pace)
        assert found.dtype == torch.float32
        assert (found - expected).abs().max() <= most * expected.abs().max()
    assert not torch.equal(classifier.logits(images, fast=BOTH), expected)
    assert classifier.answer(images[0], fast=BOTH).best in "abc"
