"""Every row runs in its tiny form, tells its targets, and never a ratio without accuracy or error."""

import json
import math

import pytest
import torch
from torch import nn

from benchmarks import all as everything
from benchmarks import clothes, features, gpu, growth, inputs, others, steps, transfer
from benchmarks.harness import Settings

TINY = Settings(mode="tiny", seeds=(0,))


@pytest.fixture(scope="module", params=sorted(everything.ROWS))
def row(request):
    return request.param, everything.ROWS[request.param].run(TINY)


def test_a_row_has_lines_of_its_own_number(row):
    number, lines = row
    assert lines
    assert {line.row for line in lines} == {number}


def test_a_ratio_stands_beside_its_accuracy_or_error(row):
    for line in row[1]:
        assert line.measured is None or not line.speed_up or line.quality, line.what


def test_a_row_has_a_target_and_fits_into_a_record(row):
    _, lines = row
    assert any(line.target for line in lines)
    written = json.loads(json.dumps([line.as_row() for line in lines], allow_nan=False))
    assert all(each["verdict"] for each in written)


def test_targets_are_those_that_were_set():
    bars = {1: ">= 0.99", 2: ">= 3.0", 4: ">= 1.8", 5: "<= 0.05", 6: "<= 0.125", 8: ">= 3500"}
    for number, bar in bars.items():
        first = everything.ROWS[number].run
        assert first
        assert bar in vars(everything.ROWS[number]).values(), number
    assert [case[-1] for case in steps.CASES.values()] == [">= 3.3", ">= 2.5", ">= 1.85"]
    assert (features.OF_PEAK, inputs.WAITS, transfer.OF_FIRST) == (">= 0.65", "<= 0.1", "<= 0.25")
    assert others.FOLDED == ">= 1.1"


@pytest.mark.parametrize("module", [others, steps])
def test_an_unknown_network_is_refused_with_those_there_are(module):
    with pytest.raises(ValueError, match=r"unknown network 'resnet99'; row \d .* resnet18"):
        module.run(Settings(mode="tiny", networks=("resnet99",)))


def test_all_networks_of_row_one_give_the_same_answers():
    networks, missing = others.contestants("resnet18", torch.device("cpu"))
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        found = {who: network.eval()(images) for who, network in networks.items()}
    assert not missing
    assert {"ours", "torchvision", "timm", "ours again"} <= set(found)
    for logits in found.values():
        torch.testing.assert_close(
            logits, found["torchvision"], rtol=1e-4, atol=1e-5
        )  # another order of sums


@pytest.mark.parametrize("autocast", [False, True])
def test_a_step_and_an_answer_in_either_number_format(autocast):
    model, images = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)), torch.rand(2, 3, 8, 8)
    logits = others.inference(model, images, autocast=autocast)()
    assert logits.dtype == (torch.bfloat16 if autocast else torch.float32)
    step = others.training_step(model, images, torch.tensor([0, 1]), autocast=autocast, lr=0.1)
    losses = [step() for _ in range(5)]
    assert losses[-1] < losses[0], "it learns two images"


def test_what_folding_gains_is_judged_in_bfloat16_with_the_channels_last(monkeypatch):
    monkeypatch.setattr(others.speed, "has_half", lambda device: True)
    orders = {}
    inference = others.inference

    def looked_at(model, images, *, autocast=False):
        kind = "channels_last" if images.is_contiguous(memory_format=torch.channels_last) else "contiguous"
        laid = {
            w.is_contiguous(memory_format=torch.channels_last) for w in model.parameters() if w.dim() == 4
        }
        orders.setdefault((kind, autocast), []).append(laid)
        return inference(model, images, autocast=autocast)

    monkeypatch.setattr(others, "inference", looked_at)
    lines = others.run(TINY)
    judged = [line for line in lines if line.target == others.FOLDED]
    assert [line.what for line in judged] == ["resnet18, inference, bfloat16, channels_last, 32 px, batch 2"]
    assert judged[0].measure == "torchvision's time / ours folded"
    assert set(orders) == {("contiguous", False), ("contiguous", True), ("channels_last", True)}
    assert len(orders["channels_last", True]) == 5  # everybody, so that only the folding differs
    assert all(found == {True} for found in orders["channels_last", True])


@pytest.mark.parametrize("module", [features, steps])
@pytest.mark.parametrize("half", [True, False])
def test_where_the_bar_is_asked_for_the_peak_says_what_could_be_reached(monkeypatch, module, half):
    monkeypatch.setattr(module.speed, "has_half", lambda device: half)
    monkeypatch.setattr(everything.harness.Comparison, "at_peak", lambda self, base, **work: 7.125)
    judged = [line for line in module.run(TINY) if line.measure.startswith("time in") and line.target]
    assert len(judged) == 1
    said = "at the whole peak of a fat convolution it would be 7.12" if half else everything.harness.NO_BF16
    assert [line.reason for line in judged] == [said]
    assert all(line.applies == half for line in judged)


def test_without_timm_the_row_says_so(monkeypatch):
    monkeypatch.setattr(others.importlib.util, "find_spec", lambda name: None)
    lines = others.run(Settings(mode="tiny"))
    told = [line for line in lines if line.measure == "timm's time / ours"]
    assert told
    assert {line.verdict for line in told} == {"does not apply here"}
    assert all("timm is not installed" in line.reason for line in told)


def test_the_error_of_features_is_a_share():
    right = torch.tensor([[3.0, 4.0]])
    assert features.error(right, torch.tensor([[3.0, 4.5]])) == pytest.approx(0.1)  # 0.5 of a norm of 5


def test_the_standard_transforms_and_ours_show_nearly_the_same_pixels():
    paths, source = inputs.files(TINY, 4)
    assert "drawings" in source
    mine, theirs = inputs.ours(paths), inputs.standard(paths)
    assert mine.shape == theirs.shape == (4, 3, 224, 224)
    for way in (mine, theirs):
        apart = inputs.pixel_error(way, paths, share=224 / 256, whole=round)
        assert apart < 1  # rounded to bytes: 0.25 on average, and no more
    assert inputs.pixel_error(mine, paths, share=1.0) > 1, "another cut would be noticed"


def test_pixels_for_a_folded_network_are_those_that_are_normalized_otherwise():
    paths, _ = inputs.files(TINY, 2)
    handed = inputs.pixels(paths)
    assert handed.is_contiguous(memory_format=torch.channels_last)
    apart = (inputs.normalized(handed) - inputs.ours(paths)).abs().mul(255 * max(inputs.STD))
    # at most one step of 255 where both look at the same pixels; at the border Pillow looks across the edge
    assert apart[..., 2:-2, 2:-2].max() < 1.1


def test_the_fast_body_gives_the_features_of_the_plain_one():
    paths, _ = inputs.files(TINY, 2)
    plain = features.without_head(transfer.finetuning.choose_backbone("book").with_head(2)).eval()
    with torch.no_grad():
        right = plain(inputs.normalized(inputs.pixels(paths, size=96, share=1.0)))
    fast = transfer._fast(transfer.finetuning.choose_backbone("book").with_head(2))
    straight, mirrored = transfer._seen(fast, paths, 96, mirrored=True)
    assert features.error(right, straight) < 0.02  # 16 bits keep two to three digits; float32 seven
    assert straight.shape == mirrored.shape
    assert not torch.equal(straight, mirrored)


def test_the_recipe_of_the_tutorial_is_the_published_one():
    # pytorch.org/tutorials/beginner/transfer_learning_tutorial.html
    assert (transfer.LR, transfer.MOMENTUM, transfer.EVERY, transfer.FACTOR) == (0.001, 0.9, 7, 0.1)
    assert (transfer.EPOCHS, transfer.BATCH) == (25, 4)
    assert (transfer.TRAIN, transfer.VALID) == (244, 153)


def test_only_the_head_learns_where_only_the_head_learns(monkeypatch):
    kept = {}

    def train(model, batches, optimizer):
        kept["learning"] = [name for name, p in model.named_parameters() if p.requires_grad]
        optimizer.step()
        kept["rates"] = [*kept.get("rates", []), optimizer.param_groups[0]["lr"]]

    monkeypatch.setattr(transfer, "_train", train)
    train_files, valid, _ = transfer.split(TINY, 0)
    few = {"seed": 0, "size": 32, "everything": False, "epochs": 15}
    found = transfer.tutorial(train_files, valid, **few)
    assert kept["learning"] == ["fc.weight", "fc.bias"]
    assert kept["rates"] == pytest.approx([1e-3] * 7 + [1e-4] * 7 + [1e-5])
    assert len(found["accuracy"]) == 15
    assert found["wall"] == sorted(found["wall"])


def test_the_epoch_that_first_reaches_a_level_is_found():
    run = {"accuracy": [0.5, 0.7, 0.6, 0.9]}
    assert transfer.first_reached(run, 0.65) == 1
    assert transfer.first_reached(run, 0.9) == 3
    assert transfer.first_reached(run, 0.95) is None


def test_times_to_accuracy_are_divided_as_by_hand():
    run = {
        "seed": 0,
        "ours": {"accuracy": 0.8, "wall": 2.0, "processor": 2.0, "until_head": 1.0},
        "tutorial": {
            "accuracy": [0.6, 0.8, *[0.7] * 23],
            "wall": [4.0 * (n + 1) for n in range(25)],
            "processor": [1.0] * 25,
        },
    }
    whole, first = transfer._lines("", [run], 25)
    assert whole.measured == 2.0 / 100.0
    assert first.measured == 2.0 / 8.0
    assert (whole.verdict, first.verdict) == ("met", "met")
    run["ours"]["accuracy"] = 0.79
    assert [line.verdict for line in transfer._lines("", [run], 25)] == ["not met", "not met"]


def test_photographs_are_drawn_without_repetition_and_half_of_each_kind(tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        for number in range(20):
            (tmp_path / kind / f"{number}.jpg").touch()
    one, again, other = (transfer._drawn(tmp_path, 11, seed) for seed in (0, 0, 1))
    assert one == again != other
    assert len(set(one)) == 11
    assert sum(transfer.labels_of(one)) == 6


def test_a_training_that_is_done_is_not_done_again(tmp_path, monkeypatch):
    settings = Settings(mode="tiny", seeds=(0,), keep=tmp_path)
    first = transfer.run(settings)
    monkeypatch.setattr(transfer, "tutorial", None)
    monkeypatch.setattr(transfer, "ours", None)
    again = transfer.run(settings)
    assert [line.measured for line in again] == [line.measured for line in first]


def test_d2l_has_biases_and_projections_without_batchnorm():
    network = clothes.Theirs()
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert all(part.bias is not None for part in convolutions)
    assert len(convolutions) == 17 + 3
    assert network(torch.rand(2, 1, 96, 96)).shape == (2, 10)
    # Counted by hand: 7x7 stem; per stage four 3x3 convolutions, a projection from the second on; all biases;
    # two numbers for each channel of the 17 BatchNorms; the head.
    widths, before, total = (64, 128, 256, 512), 64, 49 * 64 + 64 + 2 * 64
    for width in widths:
        total += 9 * before * width + 3 * 9 * width * width + 4 * width + 4 * 2 * width
        total += before * width + width if width != before else 0
        before = width
    total += 512 * 10 + 10
    assert sum(p.numel() for p in network.parameters()) == total


def test_the_best_of_what_d2l_has_published_is_asked_for():
    assert max(clothes.PUBLISHED.values()) == clothes.BEST == 0.907


def test_the_tests_of_row_six_are_reached_only_with_the_accuracy(monkeypatch):
    monkeypatch.setattr(clothes, "trained", lambda who, seed, settings: {"accuracy": 0.9, "wall": 1.0})
    (line,) = clothes.run(Settings(mode="tiny", seeds=(0,)))
    assert line.verdict == "not met", "0.9 is below what d2l has published"


def test_a_fashion_training_goes_on_from_its_checkpoint(tmp_path):
    settings = Settings(mode="tiny", seeds=(0,), keep=tmp_path)
    first = clothes.trained("ours", 0, settings)
    again = clothes.trained("ours", 0, settings)
    assert again["accuracy"] == first["accuracy"]
    assert again["wall"] == first["wall"], "no epoch was run again"


def test_a_power_is_found_with_its_error():
    sizes = [1.0, 2.0, 4.0, 8.0]
    exact = growth.fitted(sizes, [3 * size**2 for size in sizes], expected=2)
    assert exact.exponent == pytest.approx(2)
    assert exact.error == pytest.approx(0, abs=1e-9)
    assert exact.straight == pytest.approx(1)
    # By hand: log2 of the costs is 0, 1, 1, 2 at 0, 1, 2, 3. Slope sum(dx dy)/sum(dx dx) = 3/5; the residuals
    # are -0.1, 0.3, -0.3, 0.1, so the standard error is sqrt(0.2 / 2 / 5).
    rough = growth.fitted(sizes, [1.0, 2.0, 2.0, 4.0], expected=1)
    assert rough.exponent == pytest.approx(0.6)
    assert rough.error == pytest.approx(math.sqrt(0.02))


@pytest.mark.parametrize(("sizes", "costs"), [([1.0], [1.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0])])
def test_a_law_needs_two_sizes_with_a_cost_each(sizes, costs):
    with pytest.raises(ValueError, match="at least two sizes"):
        growth.fitted(sizes, costs, expected=1)


def test_costs_without_a_logarithm_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        growth.fitted([1.0, 2.0], [0.0, 1.0], expected=1)


def test_what_is_kept_for_the_backward_pass_is_counted_in_bytes():
    model = nn.Linear(3, 2, bias=False)
    images = torch.rand(5, 3)

    def step():
        return model(images).square()

    # The layer keeps its 5 x 3 input, the square its 5 x 2 input, four bytes each; weights do not count.
    assert growth.kept_bytes(step, model) == 4 * (15 + 10)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_its_row_says_so():
    lines = gpu.run(TINY)
    assert len(lines) == 3
    assert all(line.measured is None and "no CUDA device" in line.reason for line in lines)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu_its_row_is_measured():
    lines = gpu.run(Settings(mode="tiny", seeds=(0,), device=torch.device("cuda")))
    assert all(line.measured is not None for line in lines)
