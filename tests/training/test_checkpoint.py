"""Tests of ``resnet_utils.training.checkpoint``, through ``training.fit``."""

import os
import pickle
import random
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from bits import assert_same_bits, state
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from resnet_utils import data, training
from resnet_utils.training import optim

EPOCHS, BATCHES = 4, 3


class Killed(BaseException):
    """Stands for the signal that ends a process: nothing in the package may catch it."""


class Augmented:
    """Uses every kind of generator there is; the run dies in batch number ``stop_at``."""

    def __init__(self, stop_at):
        self.generator = torch.Generator().manual_seed(3)
        self.stop_at, self.count = stop_at, 0

    def __call__(self, batch):
        self.count += 1
        if self.count == self.stop_at:
            raise Killed
        images, labels = batch
        own = torch.rand(1, generator=self.generator)
        noise = own + torch.rand(1) + random.random() + float(np.random.rand())  # noqa: NPY002
        return images * (1 + 0.1 * noise), labels


def run_of(*, stop_at=None, schedule="one cycle", lr=0.1, width=4, seed=0):
    """Model, loader, optimiser and schedule, built afresh as a new process would."""
    torch.manual_seed(seed), random.seed(seed), np.random.seed(seed)  # noqa: NPY002
    model = nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Dropout(0.2), nn.Flatten(), nn.Linear(16 * width, 3)
    )
    images = torch.rand(10, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    sampler = RandomSampler(range(10), generator=torch.Generator().manual_seed(2))
    loader = DataLoader(
        TensorDataset(images, torch.arange(10) % 3),
        sampler=BatchSampler(sampler, 4, drop_last=False),
        batch_size=None,
        collate_fn=Augmented(stop_at),
    )
    optimizer = training.sgd(model, lr)
    schedules = {
        "one cycle": lambda: training.one_cycle(optimizer, steps=EPOCHS * BATCHES),
        "steps": lambda: training.step_schedule(optimizer, milestones=[5]),
        "none": lambda: None,
    }
    return model, loader, optimizer, schedules[schedule]()


def fit(run, *, epochs=EPOCHS, checkpoint=None):
    model, loader, optimizer, scheduler = run
    valid = [(torch.full((2, 3, 6, 6), 0.5), torch.tensor([0, 1]))]
    history = training.fit(
        model,
        loader,
        valid,
        epochs=epochs,
        optimizer=optimizer,
        device="cpu",
        scheduler=scheduler,
        checkpoint=checkpoint,
    )
    return {name: values for name, values in asdict(history).items() if name != "seconds"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "run.pt"


@pytest.mark.parametrize("schedule", ["one cycle", "steps", "none"])
@pytest.mark.parametrize(
    "stop_at", [4, 5, 6, 7, 12]
)  # the first, a middle and the last batch of later epochs
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(path, schedule, stop_at):
    whole = run_of(schedule=schedule)
    expected = fit(whole)
    with pytest.raises(Killed):
        fit(run_of(schedule=schedule, stop_at=stop_at), checkpoint=path)
    resumed = run_of(schedule=schedule, seed=9)  # other weights, other global generators
    history = fit(resumed, checkpoint=path)
    assert history == expected
    assert_same_bits(state(resumed[0]), state(whole[0]))


def test_a_run_killed_twice_ends_with_the_same_bits(path):
    whole = run_of()
    expected = fit(whole)
    for stop_at in (5, 5):
        with pytest.raises(Killed):
            fit(run_of(stop_at=stop_at), checkpoint=path)
    resumed = run_of()
    assert fit(resumed, checkpoint=path) == expected
    assert_same_bits(state(resumed[0]), state(whole[0]))


IN_ANOTHER_PROCESS = """
import os, signal, sys
sys.path[:0] = [sys.argv[1], os.path.dirname(sys.argv[1])]
import test_checkpoint


class Killed(BaseException):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)


test_checkpoint.Killed = Killed
test_checkpoint.fit(test_checkpoint.run_of(stop_at=8), checkpoint=sys.argv[2])
"""


def test_a_process_killed_by_the_system_leaves_a_checkpoint_to_go_on_from(path):
    whole = run_of()
    expected = fit(whole)
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(Path(__file__).parent), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    resumed = run_of(seed=9)
    assert fit(resumed, checkpoint=path) == expected
    assert_same_bits(state(resumed[0]), state(whole[0]))


def test_a_run_killed_in_its_first_epoch_begins_anew(path):
    with pytest.raises(Killed):
        fit(run_of(stop_at=2), checkpoint=path)
    assert not path.exists()
    assert fit(run_of(), checkpoint=path) == fit(run_of())


def test_a_run_killed_while_writing_keeps_the_old_file(path, monkeypatch):
    fit(run_of(schedule="none"), epochs=1, checkpoint=path)
    before = path.read_bytes()

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            fit(run_of(schedule="none"), epochs=2, checkpoint=path)
    assert path.read_bytes() == before
    assert fit(run_of(schedule="none"), epochs=3, checkpoint=path) == fit(run_of(schedule="none"), epochs=3)
    assert os.listdir(path.parent) == [path.name]  # nothing half-written stays


def test_a_finished_run_is_only_read(path):
    expected = fit(run_of(), checkpoint=path)
    before = path.read_bytes()
    model, *rest = run_of(seed=9)
    assert fit((model, *rest), checkpoint=path) == expected
    assert path.read_bytes() == before


def test_more_epochs_in_the_file_than_asked_for_are_refused(path):
    fit(run_of(schedule="none"), epochs=2, checkpoint=path)
    run = run_of(schedule="none")
    before = state(run[0])
    with pytest.raises(ValueError, match="the checkpoint holds 2 epochs, more than the 1 asked for"):
        fit(run, epochs=1, checkpoint=path)
    assert_same_bits(before, state(run[0]))


def test_the_same_objects_can_go_on(path):
    run = run_of()
    fit(run, epochs=2, checkpoint=path)
    assert fit(run, checkpoint=path) == fit(run_of())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"width": 5}, r"0.weight is float32 \(4, 3, 3, 3\) in the file, float32 \(5, 3, 3, 3\) here"),
        ({"schedule": "none"}, "a scheduler in the file, no scheduler here"),
        ({"schedule": "steps"}, "the schedule is OneCycleLR in the file, StepMilestones here"),
        ({"lr": 0.2}, "initial_lr of group 0 is 0.004 in the file, 0.008 here"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(path, other, message):
    fit(run_of(), epochs=1, checkpoint=path)
    model, loader, optimizer, scheduler = run_of(**other)
    before, generators = state(model), (torch.get_rng_state(), random.getstate())
    with pytest.raises(ValueError, match="belongs to another run.*" + message):
        fit((model, loader, optimizer, scheduler), checkpoint=path)
    assert_same_bits(before, state(model))
    assert not optimizer.state
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]


def test_every_kind_of_damage_is_named_and_changes_nothing(path):
    fit(run_of(), epochs=1, checkpoint=path)
    good = path.read_bytes()
    middle = good.index(b"numpy")  # inside the first, longest part
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    for bad in (
        b"",
        b"<html>not found</html>",
        good[: len(good) // 2],
        good[:-10],
        flipped,
        pickle.dumps({"a": 1}),
    ):
        path.write_bytes(bad)
        run = run_of()
        before = state(run[0])
        with pytest.raises(ValueError, match="is damaged or no checkpoint"):
            fit(run, checkpoint=path)
        assert_same_bits(before, state(run[0]))


def test_a_pickle_that_runs_code_is_not_run(path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(path.parent / "exploded"),)

    path.parent.mkdir()
    torch.save({"model": Bomb()}, path)
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        fit(run_of(), checkpoint=path)
    assert not (path.parent / "exploded").exists()


def test_plain_weights_are_no_checkpoint_of_a_run(path):
    path.parent.mkdir()
    torch.save(run_of()[0].state_dict(), path)
    with pytest.raises(ValueError, match="no checkpoint of a training run"):
        fit(run_of(), checkpoint=path)


# what a loader draws


def noisy(images):
    """A stranger's transform without a generator of its own: it draws from the process's."""
    return images + torch.randint(0, 5, images.shape, dtype=torch.uint8)


def shaded(images):
    """A stranger's function that carries its generator as an attribute."""
    return images - torch.randint(0, 5, images.shape, generator=shaded.generator, dtype=torch.uint8)


def augmented_run(*, mixed, num_workers, epochs, checkpoint):
    """Weights after a training in which everything around the images is random; built afresh each time."""
    torch.manual_seed(0)
    shaded.generator = torch.Generator().manual_seed(6)
    augment = data.Compose(
        [
            data.RandomResizedCrop(scale=(0.5, 1.0), seed=4),
            data.Compose([data.RandomCrop(padding=1, seed=5), noisy, shaded]),
            data.RandomHorizontalFlip(seed=4),
        ]
    )
    split = data.Split(
        torch.full((10, 3, 6, 6), 100, dtype=torch.uint8) + torch.arange(6, dtype=torch.uint8),
        torch.arange(10) % 3,
        ("a", "b", "c"),
        source="test",
    )
    batches = data.loader(split, 4, shuffle=True, seed=2, augment=augment, num_workers=num_workers)
    model = nn.Sequential(nn.Flatten(), nn.Linear(108, 3))
    training.fit(
        model,
        data.Mixup(batches, 3) if mixed else batches,
        None,
        epochs=epochs,
        optimizer=training.sgd(model, 0.1),
        device="cpu",
        checkpoint=checkpoint,
        progress=False,
    )
    return state(model)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_augmented_run_that_was_interrupted_ends_with_the_same_bits(path, mixed, num_workers):
    options = {"mixed": mixed, "num_workers": num_workers}
    whole = augmented_run(**options, epochs=3, checkpoint=None)
    augmented_run(**options, epochs=1, checkpoint=path)
    augmented_run(**options, epochs=2, checkpoint=path)
    torch.rand(5)
    assert_same_bits(augmented_run(**options, epochs=3, checkpoint=path), whole)
    assert_same_bits(augmented_run(**options, epochs=3, checkpoint=None), whole)


# what a file is instead


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a.weight": torch.ones(2), "a.bias": torch.ones(2)}, "weights of a network .a.weight, a.bias. and"),
        ({"state_dict": {"a": torch.ones(2)}, "epoch": 3}, "with the weights under 'state_dict'"),
        ({"model_state_dict": {}, "optimizer_state_dict": {}}, "with the weights under 'model_state_dict'"),
        ({"format": 2, "global_generators": {}}, "by another version of this package, as format 2"),
        (torch.ones(3), "it holds one Tensor"),
        ({}, "it has nothing in it"),
        ({"rows": 1, "columns": 2}, "it has rows, columns"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named_as_what_it_is(path, content, message):
    path.parent.mkdir()
    torch.save(content, path)
    with pytest.raises(ValueError, match=f"is no checkpoint of a training run .*{message}"):
        fit(run_of(), checkpoint=path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"<!doctype html><html>404</html>", "it is a page or text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "it is a page or text"),
        (
            safetensors.torch.save({"a": torch.ones(2)}),
            "it is a file of safetensors, which load_weights reads",
        ),
    ],
)
def test_a_file_that_torch_cannot_read_is_named_by_its_first_bytes(path, content, message):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=f"is damaged or no checkpoint of a training run: {message}"
    ) as caught:
        fit(run_of(), checkpoint=path)
    assert "weights_only" not in str(caught.value), "no advice to load unsafely is passed on"


def test_a_whole_pickled_network_is_no_checkpoint_either(path):
    path.parent.mkdir()
    torch.save(nn.Linear(1, 1), path)
    with pytest.raises(ValueError, match="holds more than tensors and plain values") as caught:
        fit(run_of(), checkpoint=path)
    assert "weights_only" not in str(caught.value)


# wrapped networks


def wrapped(how):
    model, *rest = run_of()
    return ({"bare": lambda m: m, "parallel": nn.DataParallel, "compiled": compiled}[how](model), *rest)


def compiled(model):
    return torch.compile(model, backend="eager")


@pytest.mark.filterwarnings("ignore")  # the compiler's own, about versions and about what it does not compile
@pytest.mark.parametrize("first", ["bare", "parallel", "compiled"])
@pytest.mark.parametrize("second", ["bare", "parallel", "compiled"])
def test_a_checkpoint_of_a_wrapped_network_fits_the_bare_one_and_back(path, first, second):
    fit(wrapped(first), epochs=2, checkpoint=path)
    names = torch.load(path, weights_only=True)["model"].keys()
    assert names == run_of()[0].state_dict().keys()
    whole = run_of()
    expected = fit(whole)
    resumed = wrapped(second)
    assert fit(resumed, checkpoint=path) == expected
    found = state(getattr(resumed[0], "module", getattr(resumed[0], "_orig_mod", resumed[0])))
    assert_same_bits(found, state(whole[0]))


# sixteen bits, with a scaler that any machine has


class FakeScaler:
    """Scales as ``torch.amp.GradScaler`` does on a GPU, on any device; doubles its scale after each step."""

    def __init__(self, scale=8.0):
        self.value, self.calls, self.restored = scale, [], False

    def scale(self, loss):
        self.calls.append("scale")
        return loss * self.value

    def unscale_(self, optimizer):
        self.calls.append("unscale_")
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.value)

    def step(self, optimizer):
        self.calls.append("step")
        optimizer.step()

    def update(self):
        self.calls.append("update")
        self.value *= 2

    def state_dict(self):
        return {"scale": self.value}

    def load_state_dict(self, state):
        self.value, self.restored = state["scale"], True


@pytest.fixture
def scalers(monkeypatch):
    made = []

    def make(*, device):
        made.append(FakeScaler())
        return made[-1]

    monkeypatch.setattr(optim, "gradient_scaler", make)
    return made


def scaled_run(*, epochs, autocast, checkpoint=None, callbacks=()):
    model, loader, optimizer, _ = run_of(schedule="none")
    training.fit(
        model, loader, epochs=epochs, optimizer=optimizer, autocast=autocast, checkpoint=checkpoint,
        callbacks=callbacks, progress=False,
    )  # fmt: skip
    return model


@pytest.mark.parametrize("batches", [1, 2])
def test_the_loss_is_scaled_the_gradient_unscaled_and_the_scaler_updated_once_a_step(
    scalers, monkeypatch, batches
):
    norms = []

    class Norms(training.Callback):
        def before_step(self, run):
            norms.append(max(p.grad.abs().max().item() for p in run.model.parameters()))

    callbacks = [training.GradientAccumulation(batches), Norms()]
    model = scaled_run(epochs=1, autocast=True, callbacks=callbacks)
    one = ["scale"] * batches + ["unscale_", "step", "update"]
    left = ["scale"] * (BATCHES % batches) + ["unscale_", "step", "update"] if BATCHES % batches else []
    assert scalers[0].calls == one * (BATCHES // batches) + left
    seen, norms[:] = list(norms), []
    monkeypatch.setattr(optim, "gradient_scaler", lambda *, device: None)
    other = scaled_run(epochs=1, autocast=True, callbacks=callbacks)
    assert seen == pytest.approx(norms, rel=1e-3)  # by powers of two, so that bfloat16 rounds alike
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-3, atol=1e-5)


def test_a_scaler_goes_on_where_it_stood(path, scalers):
    whole = scaled_run(epochs=3, autocast=True)
    scaled_run(epochs=1, autocast=True, checkpoint=path)
    resumed = scaled_run(epochs=3, autocast=True, checkpoint=path)
    assert [scaler.value for scaler in scalers] == [8.0 * 2**9, 8.0 * 2**3, 8.0 * 2**9]
    assert [scaler.restored for scaler in scalers] == [False, False, True]
    assert_same_bits(state(resumed), state(whole))
    with pytest.raises(
        ValueError, match="a scaler in the file, no scaler here; autocast is True in the file"
    ):
        scaled_run(epochs=4, autocast=False, checkpoint=path)


def test_the_state_is_on_the_disk_before_it_gets_its_name(path, monkeypatch):
    """A machine that loses its power after the renaming must not be left with an empty file."""
    events = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (events.append("fsync"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (events.append("replace"), rename(*names)))
    fit(run_of(), epochs=1, checkpoint=path)
    assert events == ["fsync", "replace"]


def test_a_checkpoint_that_would_lie_in_a_file_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "notes").write_text("x")
    run = run_of()
    before = state(run[0])
    with pytest.raises(NotADirectoryError, match=r"checkpoint must lie in a folder, got .*notes is a file"):
        fit(run, checkpoint=tmp_path / "notes" / "run.pt")
    assert_same_bits(state(run[0]), before)
