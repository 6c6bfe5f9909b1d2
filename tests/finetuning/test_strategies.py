"""Tests of ``resnet_utils.finetuning``."""

import math

import numpy as np
import pytest
import torch
from bits import state
from torch import nn

from resnet_utils import data, evaluation, finetuning, models, training


def network(name="resnet20", width=4):
    torch.manual_seed(0)
    return models.build(name, num_classes=5, width=width)


def batches(count=2):
    generator = torch.Generator().manual_seed(1)
    return [(torch.rand(4, 3, 16, 16, generator=generator), torch.tensor([0, 1, 1, 0])) for _ in range(count)]


def part_of(key):
    """The part a tensor's name belongs to, by torchvision's naming."""
    first = key.split(".")[0]
    return "stem" if first in ("conv1", "bn1") else first


def trainable_parts(model):
    return {part_of(name) for name, parameter in model.named_parameters() if parameter.requires_grad}


# freezing


@pytest.mark.parametrize(
    ("through", "left"),
    [
        ("stem", {"layer1", "layer2", "layer3", "fc"}),
        ("layer2", {"layer3", "fc"}),
        ("layer3", {"fc"}),
        ("all but head", {"fc"}),
    ],
)
def test_freeze_reaches_through_the_named_part(through, left):
    model = network()
    finetuning.freeze(model, through)
    assert trainable_parts(model) == left


def test_unfreeze_frees_one_part_only():
    model = network()
    finetuning.freeze(model)
    finetuning.unfreeze(model, "layer3")
    assert trainable_parts(model) == {"layer3", "fc"}


@pytest.mark.parametrize("through", ["stem", "layer2", "all but head"])
def test_not_one_bit_of_a_frozen_part_changes_and_every_other_part_does(through):
    """Buffers too: a BatchNorm in train mode would move its running mean, frozen or not."""
    model = network()
    finetuning.freeze(model, through)
    free = trainable_parts(model)
    before = state(model)
    training.train_one_epoch(model, batches(), training.sgd(model, 0.1), device="cpu")
    changed = {key for key, value in state(model).items() if not torch.equal(value, before[key])}
    assert {part_of(key) for key in changed} == free
    assert changed == {key for key in before if part_of(key) in free}  # running means and counters too


def test_without_care_a_frozen_batchnorm_moves():
    """The trap itself: if torch ever changes this, chapter 5 must change too."""
    model = network()
    finetuning.freeze(model)
    before = state(model)
    model.train()
    model(batches()[0][0])
    assert not torch.equal(before["bn1.running_mean"], model.bn1.running_mean)


def test_unknown_parts_are_refused_with_the_valid_names():
    with pytest.raises(ValueError, match="one of stem, layer1, layer2, layer3, all but head, got 'layer4'"):
        finetuning.freeze(network(), "layer4")
    with pytest.raises(ValueError, match=r"one of stem, .*, all but head, got 'fc'"):
        finetuning.freeze(network(), "fc")
    with pytest.raises(ValueError, match="one of stem, layer1, layer2, layer3, fc, got 'head'"):
        finetuning.unfreeze(network(), "head")


# rates by stage


def test_each_part_learns_slower_than_the_one_above():
    groups = finetuning.parameter_groups(network("resnet18"), 0.8, factor=0.5)
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates == {"stem": 0.025, "layer1": 0.05, "layer2": 0.1, "layer3": 0.2, "layer4": 0.4, "fc": 0.8}


def test_a_frozen_part_has_no_group_and_shifts_no_other_rate():
    model = network()
    finetuning.freeze(model, "layer1")
    groups = finetuning.parameter_groups(model, 0.8, factor=0.5)
    assert [(group["name"], group["lr"]) for group in groups] == [
        ("layer2", 0.2),
        ("layer3", 0.4),
        ("fc", 0.8),
    ]


def test_the_optimiser_steps_each_part_at_its_rate():
    """One step of plain gradient descent moves a parameter by its rate times its gradient."""
    model = network().double()
    groups = finetuning.parameter_groups(model, 0.1, factor=0.5)
    optimizer = training.sgd(model, 0.1, momentum=0, weight_decay=0, groups=groups)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    images, labels = batches()[0]
    training.train_one_epoch(model, [(images.double(), labels)], optimizer, device="cpu")
    depth = {"fc": 0, "layer3": 1, "layer2": 2, "layer1": 3, "stem": 4}
    for name, parameter in model.named_parameters():
        expected = before[name] - 0.1 * 0.5 ** depth[part_of(name)] * parameter.grad
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-12, atol=1e-15)  # float64


@pytest.mark.parametrize("factor", [0, -0.1, 1.5])
def test_a_factor_out_of_range_is_refused(factor):
    with pytest.raises(ValueError, match="factor must be above 0 and at most 1"):
        finetuning.parameter_groups(network(), 0.1, factor=factor)


def test_groups_of_a_wholly_frozen_model_are_refused():
    with pytest.raises(ValueError, match="every parameter is frozen"):
        finetuning.parameter_groups(network().requires_grad_(False), 0.1)


# cached features and the linear probe


def test_the_head_on_cached_features_gives_the_models_logits():
    model = network()
    features, labels = finetuning.cached_features(model, batches())
    logits, expected = evaluation.predict(model, batches(), device="cpu")
    assert torch.equal(labels, expected)
    assert model.training
    assert not features.requires_grad
    torch.testing.assert_close(model.fc(features).detach(), logits)  # 8 rows at once, or twice 4


def test_an_empty_loader_has_no_features():
    with pytest.raises(ValueError, match=r"cached_features\(\) needs at least one sample"):
        finetuning.cached_features(network(), [])


def probe_data(count=60, channels=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    features = torch.rand(count, channels, generator=generator, dtype=torch.float64)
    labels = (features[:, 0] * 3 + torch.rand(count, generator=generator)).long().clamp(max=2)
    return (features * torch.tensor([1, 100, 0.01, 5, 1]) + 7).to(dtype), labels


def test_linear_probe_is_the_limit_of_gradient_descent():
    features, labels = probe_data()
    x = (features - features.mean(0)) / features.std(0, correction=0)
    weight = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for _ in range(1500):
        log_p = (x @ weight.T + bias).log_softmax(dim=1)
        objective = -log_p[torch.arange(60), labels].mean() + 0.05 / 2 * (weight**2).sum()
        for parameter, gradient in zip(
            (weight, bias), torch.autograd.grad(objective, (weight, bias)), strict=True
        ):
            parameter.data -= 0.5 * gradient
    head = finetuning.linear_probe(features, labels, num_classes=3, weight_decay=0.05)
    expected = (x @ weight.T + bias).detach()
    # both stop where the gradient is below 1e-8; the curvature is at least 0.05
    torch.testing.assert_close(head(features).detach(), expected, rtol=0, atol=1e-5)


def test_linear_probe_takes_features_in_any_unit():
    features, labels = probe_data()
    head = finetuning.linear_probe(features, labels, num_classes=3)
    scaled = finetuning.linear_probe(1000 * features - 3, labels, num_classes=3)
    torch.testing.assert_close(scaled(1000 * features - 3), head(features), rtol=0, atol=1e-5)


def test_linear_probe_gives_a_layer_in_the_features_precision():
    features, labels = probe_data(dtype=torch.float32)
    head = finetuning.linear_probe(features.requires_grad_(), labels, num_classes=3)
    assert isinstance(head, nn.Linear)
    assert head.weight.dtype == torch.float32
    assert features.grad is None


def test_a_constant_feature_gets_no_weight():
    features, labels = probe_data()
    features[:, 3] = 2.0
    assert finetuning.linear_probe(features, labels, num_classes=3).weight[:, 3].abs().max() == 0


def test_a_class_without_samples_is_allowed():
    features, labels = probe_data()
    head = finetuning.linear_probe(features, labels, num_classes=4)
    assert (head(features).argmax(dim=1) != 3).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.rand(4, 2, 2)}, r"got \(4, 2, 2\) and \(4,\)"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"got \(4, 2\) and \(3,\)"),
        ({"features": torch.rand(0, 2), "labels": torch.zeros(0, dtype=torch.int64)}, "N > 0"),
        ({"labels": torch.tensor([0, 1, 2, 3])}, "labels must lie in 0 to 2, got 0 to 3"),
        ({"labels": torch.tensor([0, 1, 2, -1])}, "labels must lie in 0 to 2, got -1 to 2"),
        ({"weight_decay": 0.0}, "weight_decay must be positive"),
        ({"features": torch.full((4, 2), torch.nan)}, "features must be finite"),
    ],
)
def test_wrong_input_of_the_probe_is_refused(change, message):
    good = {"features": torch.rand(4, 2), "labels": torch.tensor([0, 1, 2, 0]), "weight_decay": 0.1}
    given = good | change
    with pytest.raises(ValueError, match=message):
        finetuning.linear_probe(
            given["features"], given["labels"], num_classes=3, weight_decay=given["weight_decay"]
        )


# the six ways


def small_task(count=16, augment=None, seed=0):
    """Cats are dark, dogs are bright: learned in a few steps."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % 2
    images = torch.randint(0, 100, (count, 3, 8, 8), generator=generator) + 130 * labels[:, None, None, None]
    split = data.Split(images.to(torch.uint8), labels, ("cat", "dog"), source="made up")
    return data.loader(split, 4, shuffle=True, seed=seed, augment=augment)


def tuned(way, *, epochs=3, **options):
    torch.manual_seed(0)
    model = models.build("resnet20", num_classes=2, width=4)
    before = state(model)
    history = finetuning.fine_tune(
        model, small_task(), small_task(), way=way, epochs=epochs, lr=0.05, **options
    )
    return model, before, history


def moved_parts(model, before):
    return {part_of(key) for key, value in state(model).items() if not torch.equal(value, before[key])}


@pytest.mark.parametrize("way", finetuning.WAYS)
def test_each_way_moves_what_it_says_and_nothing_else(way):
    model, before, history = tuned(way)
    head_alone = way in ("linear probe", "frozen backbone")
    assert moved_parts(model, before) == ({"fc"} if head_alone else set(model.parts()))
    epochs = 1 if way == "linear probe" else 3
    for column in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "seconds"):
        assert len(getattr(history, column)) == epochs, column


def test_full_fine_tuning_is_the_plain_training_loop():
    """The same bits as one optimiser over all parameters with one rate."""
    model, _, history = tuned("full fine-tuning")
    torch.manual_seed(0)
    other = models.build("resnet20", num_classes=2, width=4)
    loader = small_task()
    optimizer = training.sgd(other, 0.05, weight_decay=5e-4, decay_norm_and_bias=False)
    schedule = training.one_cycle(optimizer, steps=3 * len(loader))
    plain = training.fit(
        other, loader, small_task(), epochs=3, optimizer=optimizer, scheduler=schedule, device="cpu"
    )
    assert history.valid_loss == pytest.approx(
        plain.valid_loss, rel=1e-4
    )  # sums over groups in another order
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


def test_the_linear_probe_is_the_best_head_on_the_features():
    model, _, history = tuned("linear probe", probe_decay=0.05)
    features, labels = finetuning.cached_features(model, small_task())
    head = finetuning.linear_probe(features, labels, num_classes=2, weight_decay=0.05)
    # the loader's second round has another order, so float32 sums differ
    torch.testing.assert_close(model.fc.weight, head.weight, rtol=1e-3, atol=1e-4)
    expected = nn.functional.cross_entropy(head(features), labels).item()
    assert history.train_loss == pytest.approx([expected], abs=1e-4)
    assert history.train_accuracy == [evaluation.accuracy(head(features), labels)]
    assert history.valid_accuracy == [evaluation.evaluate(model, small_task(), device="cpu")[1]]


def test_a_linear_probe_takes_any_batches_that_can_be_gone_through():
    """A list, or what wraps a loader, has no data set to look at."""
    model = models.build("resnet20", num_classes=2, width=4)
    history = finetuning.fine_tune(model, batches(), way="linear probe", epochs=1, lr=0.1)
    assert len(history.train_loss) == 1


def test_gradual_unfreezing_opens_part_after_part_from_the_head(monkeypatch):
    opened, rates = [], []
    real = training.fit

    def spying(model, *arguments, optimizer, **options):
        opened.append((trainable_parts(model), options["epochs"]))
        rates.append({group["name"]: group["lr"] for group in optimizer.param_groups})
        return real(model, *arguments, optimizer=optimizer, **options)

    monkeypatch.setattr(training, "fit", spying)
    tuned("gradual unfreezing", epochs=7, factor=0.5)
    downward = ["fc", "layer3", "layer2", "layer1", "stem"]
    assert opened == [(set(downward[: k + 1]), 1 if k < 4 else 3) for k in range(5)]
    assert [set(names) for names in rates] == [set(downward[: k + 1]) for k in range(5)]
    for phase in rates:  # the ratio of the rates is the same at every point of the cycle
        assert all(
            phase[name] == pytest.approx(phase["fc"] * 0.5**k) for k, name in enumerate(phase_order(phase))
        )


def phase_order(phase):
    return [name for name in ("fc", "layer3", "layer2", "layer1", "stem") if name in phase]


def test_parts_wait_unchanged_until_they_are_opened():
    torch.manual_seed(0)
    model = models.build("resnet20", num_classes=2, width=4)
    before, seen = state(model), []

    def watching(logits, labels):
        seen.append(moved_parts(model, before) - {"fc"})
        return nn.functional.cross_entropy(logits, labels)

    finetuning.fine_tune(
        model,
        small_task(),
        way="gradual unfreezing",
        epochs=5,
        lr=0.05,
        device="cpu",
        loss_function=watching,
    )
    # four batches an epoch; in the first forward pass of a phase the opened BatchNorms move already
    assert seen[:4] == [set()] * 4
    assert seen[4:8] == [{"layer3"}] * 4
    assert seen[16:] == [{"stem", "layer1", "layer2", "layer3"}] * 4


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (1, [(["fc", "layer3", "layer2", "layer1", "stem"], 1)]),
        (2, [(["fc"], 1), (["layer3", "layer2", "layer1", "stem"], 1)]),
        (9, [(["fc"], 1), (["layer3"], 1), (["layer2"], 1), (["layer1"], 1), (["stem"], 5)]),
    ],
)
def test_unfreezing_spends_every_epoch_and_opens_every_part(epochs, expected):
    assert finetuning.unfreezing(network(), epochs) == expected


def test_a_way_undoes_what_was_frozen_before():
    torch.manual_seed(0)
    model = models.build("resnet20", num_classes=2, width=4).requires_grad_(False)
    before = state(model)
    finetuning.fine_tune(model, small_task(), way="full fine-tuning", epochs=1, lr=0.05, device="cpu")
    assert moved_parts(model, before) == set(model.parts())


def test_an_unknown_way_is_refused_with_the_valid_names():
    with pytest.raises(ValueError, match=r"way must be one of from scratch, .*, got 'magic'"):
        tuned("magic")


@pytest.mark.parametrize("way", ["full fine-tuning", "gradual unfreezing"])
def test_no_epoch_is_refused(way):
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        tuned(way, epochs=0)


def test_a_linear_probe_of_augmented_images_is_refused():
    with pytest.raises(ValueError, match="give it a loader without augment"):
        finetuning.fine_tune(
            network(),
            small_task(augment=data.RandomHorizontalFlip()),
            way="linear probe",
            epochs=1,
            lr=0.1,
            device="cpu",
        )


def test_after_a_linear_probe_only_the_head_is_trainable():
    model, _, _ = tuned("linear probe")
    assert trainable_parts(model) == {"fc"}


def test_a_probe_finds_the_same_head_where_no_gradients_are_wanted():
    features, labels = probe_data()
    expected = finetuning.linear_probe(features, labels, num_classes=3)
    with torch.no_grad():
        found = finetuning.linear_probe(features, labels, num_classes=3)
    assert torch.equal(found.weight, expected.weight)


def test_a_probe_takes_labels_of_any_whole_kind_and_refuses_the_others():
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(6) % 3
    wanted = finetuning.linear_probe(features, labels, num_classes=3).weight
    assert finetuning.linear_probe(features, labels.int(), num_classes=3).weight.equal(wanted)
    for one, other in ((features, labels.float()), (features, labels > 0), (features.long(), labels)):
        with pytest.raises(ValueError, match="features must be floats and labels whole numbers"):
            finetuning.linear_probe(one, other, num_classes=3)
    with pytest.raises(ValueError, match="positive and finite"):
        finetuning.linear_probe(features, labels, num_classes=3, weight_decay=float("inf"))


@pytest.mark.parametrize("way", finetuning.WAYS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1.5}, r"epochs must be a whole number .*got 1\.5"),
        ({"epochs": "2"}, "epochs must be a whole number"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"epochs": -1}, "epochs must be at least"),
        ({"lr": "0.1"}, "lr must be a number"),
        ({"lr": None}, "lr must be a number"),
        ({"lr": math.nan}, "lr must be at least 0 and finite"),
        ({"weight_decay": True}, "weight_decay must be a number"),
        ({"factor": "a"}, "factor must be a number"),
        ({"probe_decay": 0}, "probe_decay must be above 0 and finite, got 0"),
        ({"probe_decay": math.inf}, "probe_decay must be above 0 and finite"),
        ({"device": "gpu"}, "torch knows no device 'gpu'"),
    ],
)
def test_a_setting_that_is_none_is_refused_by_every_way_and_nothing_is_frozen(way, options, message):
    split = data.drawn_animals(4, size=8)
    model = models.build("resnet20", 2, width=4)
    model.conv1.requires_grad_(False)
    before = [p.requires_grad for p in model.parameters()]
    with pytest.raises(ValueError, match=message):
        finetuning.fine_tune(model, data.loader(split, 2), way=way, **({"epochs": 1, "lr": 0.1} | options))
    assert [p.requires_grad for p in model.parameters()] == before


@pytest.mark.parametrize("epochs", range(1, 8))
def test_gradual_unfreezing_trains_as_many_epochs_as_asked_for(epochs):
    model = models.build("resnet20", 2, width=4)
    phases = finetuning.unfreezing(model, epochs)
    assert sum(count for _, count in phases) == epochs
    assert [name for names, _ in phases for name in names] == ["fc", "layer3", "layer2", "layer1", "stem"]
    assert all(count >= 1 for _, count in phases)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda loader: (batch for batch in loader), "is a generator, which can be gone through once"),
        (lambda loader: [], "train_loader is empty"),
    ],
)  # fmt: skip
def test_a_loader_without_a_number_of_batches_is_refused(make, message):
    loader = data.loader(data.drawn_animals(4, size=8), 2)
    with pytest.raises(ValueError, match=message):
        finetuning.fine_tune(
            models.build("resnet20", 2, width=4), make(loader), way="full fine-tuning", epochs=1, lr=0.1
        )


@pytest.mark.parametrize(
    ("features", "labels", "options", "message"),
    [
        (np.ma.masked_greater(np.ones((4, 2)), 0), [0, 1, 0, 1], {}, "features is a masked array"),
        (torch.ones(4, 2), np.ma.masked_equal([0, 1, 0, 1], 1), {}, "labels is a masked array"),
        (torch.ones(4, 2), [0, 1, 0, 1], {"num_classes": 2.0}, "num_classes must be a whole number"),
        (torch.ones(4, 2), [0, 0, 0, 0], {"num_classes": 1}, "num_classes must be at least 2"),
        (torch.ones(4, 2), [0, 1, 0, 1], {"weight_decay": "1"}, "weight_decay must be a number"),
    ],
)
def test_a_probe_says_what_it_was_given_and_wants(features, labels, options, message):
    with pytest.raises(ValueError, match=message):
        finetuning.linear_probe(features, labels, **({"num_classes": 2} | options))


@pytest.mark.parametrize("lr", [-1.0, float("nan"), float("inf")])
def test_groups_of_a_rate_that_is_none_are_not_made(lr):
    with pytest.raises(ValueError, match="lr must be at least 0 and finite"):
        finetuning.parameter_groups(models.build("resnet20", 3), lr)
