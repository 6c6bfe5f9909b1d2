"""Tests of ``resnet_utils.training.settings``: a run and its checkpoint agree, or the misfit is named.

A run is described by a table of choices. Whatever two choices are made for the file and for the run that
wants to go on from it: if they are the same it goes on, and if not it is refused, both sides are named, and
nothing is changed.
"""

import functools
import random
from dataclasses import replace

import pytest
import torch
from bits import assert_same_bits, state
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Subset, TensorDataset, WeightedRandomSampler

from resnet_utils import data, training
from resnet_utils.training import run as runs
from resnet_utils.training import settings as compared

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd, rate": lambda p: torch.optim.SGD(p, lr=0.2),
    "sgd, momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "sgd, dampening": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "sgd, nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "sgd, decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=1e-4),
    "sgd, other decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=2e-4),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1),
    "adamw, betas": lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.8, 0.999)),
    "adamw, eps": lambda p: torch.optim.AdamW(p, lr=0.1, eps=1e-6),
    "adamw, amsgrad": lambda p: torch.optim.AdamW(p, lr=0.1, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1),
    "two groups": lambda p: torch.optim.SGD([{"params": [q]} for q in p], lr=0.1),
}
SCHEDULES = {
    "none": (None, lambda o: None),
    "one cycle": ("step", lambda o: training.one_cycle(o, steps=12)),
    "one cycle, longer": ("step", lambda o: training.one_cycle(o, steps=24)),
    "one cycle, early peak": (
        "step",
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=12, pct_start=0.1, cycle_momentum=False),
    ),
    "milestones": ("step", lambda o: training.step_schedule(o, milestones=[4])),
    "milestones, other": ("step", lambda o: training.step_schedule(o, milestones=[5])),
    "milestones, factor": ("step", lambda o: training.step_schedule(o, milestones=[4], factor=0.5)),
    "steps": ("epoch", lambda o: lr_scheduler.StepLR(o, step_size=2)),
    "steps, other": ("epoch", lambda o: lr_scheduler.StepLR(o, step_size=3)),
    "steps of steps": ("step", lambda o: lr_scheduler.StepLR(o, step_size=2)),
    "cosine": ("epoch", lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=6)),
    "cosine, longer": ("epoch", lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=7)),
    "cosine, end": ("epoch", lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=6, eta_min=0.01)),
    "plateau": (None, lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=3)),
    "plateau, other": (None, lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=2)),
    "exponential": ("epoch", lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9)),
    "a chain": ("epoch", lambda o: chain(o, 0.5)),
    "a chain, other": ("epoch", lambda o: chain(o, 0.25)),
}  # fmt: skip


def chain(optimizer, start):
    first = lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=2)
    return lr_scheduler.SequentialLR(
        optimizer, [first, lr_scheduler.ExponentialLR(optimizer, 0.9)], milestones=[2]
    )


def images(count=8, *, shift=0, classes=("a", "b"), labels=0):
    pixels = torch.arange(count * 12).reshape(count, 3, 2, 2).add(shift).remainder(256).to(torch.uint8)
    return data.Split(pixels, (torch.arange(count) // 2 + labels) % 2, classes, source="test")


FLIP = functools.partial(data.RandomHorizontalFlip, seed=1)
LOADERS = {
    "batches": lambda: [(torch.zeros(4, 3, 2, 2), torch.tensor([0, 1, 0, 1]))] * 2,
    "other batches": lambda: [(torch.ones(4, 3, 2, 2), torch.tensor([0, 1, 0, 1]))] * 2,
    "plain": lambda: data.loader(images(), 4),
    "batch size": lambda: data.loader(images(), 2),
    "more images": lambda: data.loader(images(16), 4),
    "other pixels": lambda: data.loader(images(shift=1), 4),
    "other labels": lambda: data.loader(images(labels=1), 4),
    "other classes": lambda: data.loader(images(classes=("a", "c")), 4),
    "shuffled": lambda: data.loader(images(), 4, shuffle=True),
    "flipped": lambda: data.loader(images(), 4, augment=FLIP()),
    "flipped less": lambda: data.loader(images(), 4, augment=FLIP(0.1)),
    "cropped": lambda: data.loader(images(), 4, augment=data.RandomCrop(padding=1, seed=1)),
    "standardized": lambda: data.loader(images(), 4, mean=(0.5,) * 3, std=(0.5,) * 3),
    "standardized otherwise": lambda: data.loader(images(), 4, mean=(0.5,) * 3, std=(0.4,) * 3),
    "mixed": lambda: data.Mixup(data.loader(images(), 4), 2),
    "mixed more": lambda: data.Mixup(data.loader(images(), 4), 2, alpha=0.4),
    "mixed, batch size": lambda: data.Mixup(data.loader(images(), 2), 2),
    "torch's": lambda: DataLoader(tensors(), 4),
    "torch's, drop_last": lambda: DataLoader(tensors(), 4, drop_last=True),
    "torch's, a part": lambda: DataLoader(Subset(tensors(), range(8)), 4),
    "torch's, another part": lambda: DataLoader(Subset(tensors(), range(1, 9)), 4),
    "torch's, weighted": lambda: DataLoader(tensors(), 4, sampler=weighted(1.0)),
    "torch's, weighted otherwise": lambda: DataLoader(tensors(), 4, sampler=weighted(2.0)),
}
VALIDATIONS = {
    "none": lambda: None,
    "batches": lambda: [(torch.zeros(2, 3, 2, 2), torch.tensor([0, 1]))],
    "more batches": lambda: [(torch.zeros(2, 3, 2, 2), torch.tensor([0, 1]))] * 2,
    "other batches": lambda: [(torch.ones(2, 3, 2, 2), torch.tensor([0, 1]))],
    "plain": lambda: data.loader(images(), 4),
    "other pixels": lambda: data.loader(images(shift=1), 4),
    "other labels": lambda: data.loader(images(labels=1), 4),
    "standardized": lambda: data.loader(images(), 4, mean=(0.5,) * 3, std=(0.5,) * 3),
}
FROZEN = {
    "nothing": (),
    "weight": ("1.weight",),
    "bias": ("1.bias",),
}
LOSSES = {
    "default": lambda model: None,
    "smoothed": lambda model: nn.CrossEntropyLoss(label_smoothing=0.1),
    "smoothed more": lambda model: nn.CrossEntropyLoss(label_smoothing=0.2),
    "weighted": lambda model: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])),
    "weighted otherwise": lambda model: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0])),
    "l1": lambda model: training.with_l1(model, 1e-4),
    "l1, stronger": lambda model: training.with_l1(model, 2e-4),
    "l1, smoothed": lambda model: training.with_l1(
        model, 1e-4, loss_function=nn.CrossEntropyLoss(label_smoothing=0.1)
    ),
    "l2": lambda model: training.with_l2_from_start(model, 1e-4),
    "partial": lambda model: functools.partial(nn.functional.cross_entropy, label_smoothing=0.1),
    "partial, more": lambda model: functools.partial(nn.functional.cross_entropy, label_smoothing=0.2),
}


def tensors():
    split = images(9)
    return TensorDataset(split.images.float() / 255, split.labels)


def weighted(first):
    return WeightedRandomSampler([first] + [1.0] * 8, 8, generator=torch.Generator().manual_seed(0))


def parts_of(
    optimizer="sgd", schedule="none", loader="plain", loss="default", validation="none", frozen="nothing"
):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    for name in FROZEN[frozen]:
        model.get_parameter(name).requires_grad_(False)
    if "plateau" in schedule and validation == "none":
        validation = "batches"
    every, make = SCHEDULES[schedule]
    made = OPTIMIZERS[optimizer](list(model.parameters()))
    return {
        "model": model, "train_loader": LOADERS[loader](), "optimizer": made, "scheduler": make(made),
        "schedule_every": every, "loss_function": LOSSES[loss](model),
        "valid_loader": VALIDATIONS[validation](),
    }  # fmt: skip


def fit(parts, path, epochs):
    return training.fit(**parts, epochs=epochs, checkpoint=path, progress=False)


CHOICES = {
    "optimizer": OPTIMIZERS, "schedule": SCHEDULES, "loader": LOADERS, "loss": LOSSES,
    "validation": VALIDATIONS, "frozen": FROZEN,
}  # fmt: skip
PAIRS = [(kind, name) for kind, table in CHOICES.items() for name in table]


def choices_of(draw):
    chosen = {kind: draw(st.sampled_from(sorted(table))) for kind, table in CHOICES.items()}
    if chosen["schedule"] == "one cycle, early peak" and chosen["optimizer"] == "two groups":
        chosen["schedule"] = "none"
    if chosen["loader"] == "other classes":  # fit refuses a validation with others than the training
        chosen["validation"] = "none"
    return chosen


@st.composite
def two_runs(draw):
    first = choices_of(draw)
    kind = draw(st.sampled_from(["the same", "one other", "all others"]))
    second = dict(first)
    if kind == "one other":
        changed = draw(st.sampled_from(sorted(CHOICES)))
        second[changed] = choices_of(draw)[changed]
    if kind == "all others":
        second = choices_of(draw)
    return first, second


# In torch 2.8 a chain tells its next part the epoch, by a call that torch itself warns of.
ITS_OWN = "ignore:The epoch parameter in .scheduler.step:UserWarning"
a_chain_is_fine = pytest.mark.filterwarnings(
    "error" if hasattr(lr_scheduler.LRScheduler, "_update_lr") else ITS_OWN
)


@a_chain_is_fine
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(two_runs())
def test_a_run_goes_on_from_its_own_checkpoint_and_from_no_other(tmp_path_factory, pair):
    first, second = pair
    path = tmp_path_factory.mktemp("pair") / "run.pt"
    fit(parts_of(**first), path, 1)
    parts = parts_of(**second)
    before, generators = state(parts["model"]), (torch.get_rng_state(), random.getstate())
    if first == second:
        history = fit(parts, path, 2)
        whole = parts_of(**first)
        assert history.train_loss == training.fit(**whole, epochs=2, progress=False).train_loss
        assert_same_bits(state(parts["model"]), state(whole["model"]))
        return
    with pytest.raises(ValueError, match=r"belongs to another run: .* in the file, .* here"):
        fit(parts, path, 2)
    assert_same_bits(state(parts["model"]), before)
    assert not parts["optimizer"].state
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]


@pytest.mark.parametrize(("size", "start"), [(4, 0), (8, 1)])
def test_photographs_on_disk_are_known_by_their_names_and_size(tmp_path, size, start):
    for number in range(8):
        folder = tmp_path / "photographs" / "ab"[number // 4]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")

    def run(size, start, epochs):
        on_disk = data.image_folder_on_disk(tmp_path / "photographs", size=size)
        moved = on_disk.subset([*range(start, 4), *range(start), 4, 5, 6, 7])  # the same labels in a row
        torch.manual_seed(0)
        model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
        options = {
            "optimizer": training.sgd(model, 0.1),
            "checkpoint": tmp_path / "run.pt",
            "progress": False,
        }
        return training.fit(model, data.loader(moved, 4), epochs=epochs, **options)

    run(8, 0, 1)
    assert len(run(8, 0, 2).train_loss) == 2
    what = "the size of the images is 8 in the file, 4 here" if size == 4 else "the sum over the names is"
    with pytest.raises(ValueError, match=what):
        run(size, start, 3)


def run_of(parts):
    return runs.TrainingRun(
        parts["model"], parts["optimizer"], parts["train_loader"], torch.device("cpu"),
        scheduler=parts["scheduler"], schedule_every=parts["schedule_every"] or "step",
        loss_function=parts["loss_function"], valid_loader=parts["valid_loader"],
    )  # fmt: skip


def described(kind, name):
    return compared.of_run(run_of(parts_of(**{kind: name})))


@pytest.mark.parametrize(("kind", "table"), CHOICES.items())
def test_every_two_choices_differ_in_their_settings(kind, table):
    """All pairs, not only those that chance draws."""
    all_settings = {name: described(kind, name) for name in table}
    alike = [(a, b) for a in table for b in table if a < b and all_settings[a] == all_settings[b]]
    assert alike == []


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_a_run_built_alike_has_the_same_settings_and_a_step_changes_none(kind, name):
    parts = parts_of(**{kind: name})
    run = run_of(parts)
    before = compared.of_run(run)
    assert before == described(kind, name)
    if kind != "loss" or "l2" not in name:
        training.fit(**parts, epochs=1, progress=False)
        assert compared.of_run(run) == before


@pytest.mark.parametrize(
    ("kind", "one", "other", "message"),
    [
        ("optimizer", "adam", "adamw", "the optimizer is Adam in the file, AdamW here"),
        ("optimizer", "adamw", "adamw, betas", r"betas of group 0 is \[0.9, .* file, \[0.8, 0.999\] here"),
        ("optimizer", "sgd, decay", "sgd, other decay", "weight_decay of group 0 is 0.0001 in"),
        ("optimizer", "sgd", "sgd, rate", "lr of group 0 is 0.1 in the file, 0.2 here"),
        ("schedule", "steps", "steps, other", "step_size of the schedule is 2 in the file, 3 here"),
        ("schedule", "steps", "steps of steps", "what the schedule counts is epoch in the file, step here"),
        ("schedule", "cosine", "cosine, end", "eta_min of the schedule is 0.0 in the file, 0.01 here"),
        ("schedule", "cosine", "cosine, longer", "T_max of the schedule is 6 in the file, 7 here"),
        ("schedule", "milestones", "milestones, factor", "gamma of the schedule is 0.1 in the .* 0.5 here"),
        ("loader", "plain", "batch size", "batches is 2 in the file, 4 here; the batch size is 4"),
        ("loader", "plain", "more images", "the number of images is 8 in the file, 16 here"),
        ("loader", "plain", "other classes", r"the classes is \['a', 'b'\] in the file, \['a', 'c'\] here"),
        ("loader", "plain", "other labels", "the sum over the labels is"),
        ("loader", "plain", "other pixels", "the sum over the pixels is"),
        ("loader", "plain", "flipped", r"the augment is missing .*Flip\(p=0.5, seed=1\) here"),
        ("validation", "none", "plain", "the validation is none in the file, given here"),
        ("validation", "plain", "other labels", "the sum over the labels of the validation is"),
        ("validation", "plain", "standardized", r"mean and std of the validation is \[\] in the file"),
        ("validation", "batches", "other batches", "the sum over the batches of the validation is"),
        ("frozen", "nothing", "bias", "learning of 1.bias is True in the file, False here"),
        ("loss", "default", "smoothed", "the loss is cross_entropy in.*label_smoothing=0.1"),
    ],
)  # fmt: skip
def test_both_sides_are_named(tmp_path, kind, one, other, message):
    path = tmp_path / "run.pt"
    fit(parts_of(**{kind: one}), path, 1)
    with pytest.raises(ValueError, match=message):
        fit(parts_of(**{kind: other}), path, 2)


def test_the_number_of_generators_is_compared(tmp_path):
    """Two loaders that only their generators tell apart."""
    fits = []
    for holder in (1, 2):
        loader = DataLoader(tensors(), 3, generator=torch.Generator().manual_seed(0))
        if holder == 2:
            loader.collate_fn = WithGenerator(loader.collate_fn)
        fits.append(parts_of() | {"train_loader": loader})
    fit(fits[0], tmp_path / "run.pt", 1)
    with pytest.raises(ValueError, match="the loader has 1 generators in the file, 2 here"):
        fit(fits[1], tmp_path / "run.pt", 2)


class WithGenerator:
    """Collates as the other function does, and has a generator."""

    def __init__(self, other):
        self.other, self.generator = other, torch.Generator().manual_seed(1)

    def __call__(self, samples):
        return self.other(samples)


# longer on purpose


def extended(path, *, schedule="one cycle", epochs=4, loader="plain", patience=None, **options):
    """Six steps for one cycle of 3 epochs."""
    parts = parts_of(optimizer="sgd, momentum", loader=loader)
    parts |= {"schedule_every": None, "scheduler": None}
    if schedule:
        parts["scheduler"] = training.one_cycle(parts["optimizer"], steps=schedule)
    callbacks = []
    if patience:
        callbacks = [training.EarlyStopping(parts["model"], patience=patience)]
        parts["valid_loader"] = [(torch.zeros(2, 3, 2, 2), torch.tensor([0, 1]))]
    history = training.fit(
        **parts, epochs=epochs, checkpoint=path, progress=False, callbacks=callbacks, **options
    )
    return history, parts


def test_a_longer_run_with_the_same_settings_needs_no_word(tmp_path):
    extended(tmp_path / "run.pt", schedule=None, epochs=2)
    history, parts = extended(tmp_path / "run.pt", schedule=None, epochs=5)
    expected, whole = extended(None, schedule=None, epochs=5)
    assert history.train_loss == expected.train_loss
    assert_same_bits(state(parts["model"]), state(whole["model"]))


def test_a_finished_cycle_is_extended_by_another_one_on_purpose(tmp_path):
    """By hand: the same model and optimiser go on with a schedule of their own for the epochs to come."""
    model_parts = parts_of(optimizer="sgd, momentum")
    optimizer = model_parts["optimizer"]
    rates = []
    for steps in (4, 6):
        for group in optimizer.param_groups:
            group.pop("initial_lr", None)
            group["lr"] = 0.1
        schedule = training.one_cycle(optimizer, steps=steps)
        options = {"optimizer": optimizer, "scheduler": schedule, "progress": False}
        history = training.fit(
            model_parts["model"], model_parts["train_loader"], epochs=steps // 2, **options
        )
        rates += history.lr
    path = tmp_path / "run.pt"
    extended(path, schedule=4, epochs=2)
    with pytest.raises(ValueError, match=r"total_steps of the schedule is 4.*extend=True trains on"):
        extended(path, schedule=6, epochs=5)
    history, parts = extended(path, schedule=6, epochs=5, extend=True)
    assert history.lr == rates
    assert_same_bits(state(parts["model"]), state(model_parts["model"]))


def test_an_extended_run_that_was_interrupted_goes_on_to_the_same_bits(tmp_path):
    class Killed(BaseException):
        pass

    class Fuse(training.Callback):
        def before_step(self, run):
            if run.steps == 7:
                raise Killed

    path, other = tmp_path / "run.pt", tmp_path / "other.pt"
    for file in (path, other):
        extended(file, schedule=4, epochs=2)
    expected, whole = extended(other, schedule=6, epochs=5, extend=True)
    parts = parts_of(optimizer="sgd, momentum") | {"schedule_every": None}
    parts["scheduler"] = training.one_cycle(parts["optimizer"], steps=6)
    options = {"epochs": 5, "checkpoint": path, "progress": False, "extend": True}
    with pytest.raises(Killed):
        training.fit(**parts, callbacks=[Fuse()], **options)
    history, parts = extended(path, schedule=6, epochs=5, extend=True)
    assert replace(history, seconds=[]) == replace(expected, seconds=[])
    assert_same_bits(state(parts["model"]), state(whole["model"]))
    with pytest.raises(ValueError, match="total_steps of the schedule is 6 in the file, 8 here"):
        extended(path, schedule=8, epochs=5, extend=True)  # as long as the file: nothing is extended


@pytest.mark.parametrize("options", [{"loader": "batch size"}, {"loader": "flipped"}, {"schedule": None}])
def test_an_extended_run_may_have_another_loader_or_no_schedule(tmp_path, options):
    extended(tmp_path / "run.pt", schedule=4, epochs=2)
    history, _ = extended(tmp_path / "run.pt", **({"schedule": 20} | options), epochs=4, extend=True)
    assert len(history.train_loss) == 4


def test_an_extended_run_may_have_more_patience(tmp_path):
    first, _ = extended(tmp_path / "run.pt", schedule=None, epochs=20, patience=1)
    done = len(first.train_loss)
    assert done < 20, "it stopped early"
    again, _ = extended(tmp_path / "run.pt", schedule=None, epochs=20, patience=1)
    assert len(again.train_loss) == done, "a run that has stopped is finished"
    more, _ = extended(tmp_path / "run.pt", schedule=None, epochs=21, patience=4, extend=True)
    assert len(more.train_loss) > done


def test_what_cannot_be_extended_is_refused(tmp_path):
    with pytest.raises(ValueError, match="extend=True needs the checkpoint"):
        extended(None, schedule=8, extend=True)
    extended(tmp_path / "run.pt", schedule=4, epochs=2)
    with pytest.raises(ValueError, match="the schedule has 3 steps, one a batch, but this run needs 4"):
        extended(tmp_path / "run.pt", schedule=3, epochs=4, extend=True)
    parts = parts_of(optimizer="adam")
    with pytest.raises(ValueError, match="the optimizer is SGD in the file, Adam here") as caught:
        training.fit(**parts, epochs=4, checkpoint=tmp_path / "run.pt", extend=True, progress=False)
    assert "extend=True trains on" not in str(caught.value)


# workers, classes


@pytest.mark.parametrize("mixed", [False, True])
def test_persistent_workers_are_refused_beside_a_checkpoint(tmp_path, mixed):
    loader = DataLoader(tensors(), 4, num_workers=1, persistent_workers=True)
    batches = data.Mixup(loader, 2) if mixed else loader
    with pytest.raises(ValueError, match=r"persistent workers.*persistent_workers=False"):
        fit(parts_of() | {"train_loader": batches}, tmp_path / "run.pt", 1)


def test_training_and_validation_with_other_classes_are_refused():
    parts = parts_of()
    other = data.loader(images(classes=("b", "a")), 4)
    with pytest.raises(ValueError, match="training and validation have different classes"):
        training.fit(**(parts | {"valid_loader": other}), epochs=1, progress=False)
    same = data.loader(images(), 4)
    training.fit(**(parts | {"valid_loader": same}), epochs=1, progress=False)


def test_a_run_does_not_go_on_with_another_layer_of_the_same_weights(tmp_path):
    def run(layer, epochs, **options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), layer, nn.Linear(3, 2))
        loader = DataLoader(TensorDataset(torch.rand(4, 3, 2, 2), torch.tensor([0, 1, 0, 1])), 2)
        optimizer = training.sgd(model, 0.1)
        path = tmp_path / "run.pt"
        training.fit(
            model, loader, epochs=epochs, optimizer=optimizer, checkpoint=path, progress=False, **options
        )

    run(nn.ReLU(), 1)
    before = (tmp_path / "run.pt").read_bytes()
    with pytest.raises(ValueError, match=r"the layer 2 is ReLU\(\) in the file, Tanh\(\) here"):
        run(nn.Tanh(), 2)
    with pytest.raises(ValueError, match="Dropout"):
        run(nn.Dropout(0.5), 2)
    assert (tmp_path / "run.pt").read_bytes() == before
    run(nn.ReLU(), 2)
    run(nn.Tanh(), 3, extend=True)  # on purpose
