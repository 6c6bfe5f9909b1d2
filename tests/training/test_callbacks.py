"""Tests of ``resnet_utils.training.callbacks`` and of the moments at which ``fit`` asks them."""

import csv
import math
import sys
import types
from dataclasses import asdict

import pytest
import torch
from bits import assert_same_bits, state
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import evaluation, training
from resnet_utils.files import weights
from resnet_utils.training import run as runs


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def with_norm(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def batches(sizes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(sum(sizes), 3, 2, 2, generator=generator, dtype=dtype)
    return list(zip(images.split(sizes), (torch.arange(sum(sizes)) % 3).split(sizes), strict=True))


def loader(count=10, size=4, dtype=torch.float64):
    images, labels = batches([count], dtype)[0]
    return DataLoader(TensorDataset(images, labels), size)


def fit(model, train, *, epochs=1, lr=0.1, **options):
    optimizer = training.sgd(model, lr)
    return training.fit(model, train, epochs=epochs, optimizer=optimizer, progress=False, **options)


# the protocol


class Diary(training.Callback):
    """Writes down when it is asked, and what could be seen then."""

    def __init__(self):
        self.lines = []

    def check(self, run):
        self.lines.append("check")

    def before_fit(self, run):
        self.lines.append("before_fit")

    def is_step_due(self, run):
        self.lines.append(f"backward {run.batches}")
        return True

    def before_step(self, run):
        self.lines.append("before_step")

    def after_step(self, run):
        self.lines.append(f"after_step {run.steps}")

    def after_epoch(self, run):
        counts = {len(values) for values in asdict(run.history).values()}
        self.lines.append(f"after_epoch {run.epoch} {counts}")

    def after_fit(self, run):
        self.lines.append("after_fit")


def test_the_callbacks_are_asked_in_the_documented_order():
    diary = Diary()
    fit(linear(), batches([2, 2]), epochs=2, valid_loader=batches([3]), callbacks=[diary])
    step = ["backward 1", "before_step", "after_step {}"]
    expected = ["check", "before_fit"]
    for epoch in (1, 2):
        expected += [line.format(2 * epoch - 1) for line in step] + [line.format(2 * epoch) for line in step]
        expected += [f"after_epoch {epoch} {{{epoch}}}"]
    assert diary.lines == [*expected, "after_fit"]


def test_a_callback_that_does_nothing_changes_no_bit():
    plain, watched = with_norm(), with_norm()
    train = loader(dtype=torch.float32)
    fit(plain, train, epochs=2)
    fit(watched, train, epochs=2, callbacks=[training.Callback(), Diary()])
    assert_same_bits(state(plain), state(watched))


def test_a_callback_can_make_an_epoch_the_last_one(capsys, monkeypatch):
    class Enough(training.Callback):
        def after_epoch(self, run):
            if run.epoch == 2:
                run.stop("two are enough")

    monkeypatch.setenv("BOOK_PROGRESS", "1")
    model = linear()
    history = training.fit(
        model, loader(), epochs=5, optimizer=training.sgd(model, 0.1), callbacks=[Enough()]
    )
    assert len(history.train_loss) == 2
    assert "stopped: two are enough" in capsys.readouterr().err


def test_early_stopping_is_one_more_callback():
    histories = []
    for as_callback in (False, True):
        model = linear()
        watch = training.EarlyStopping(model, patience=1)
        options = {"callbacks": [watch]} if as_callback else {"early_stopping": watch}
        valid = [(batches([3])[0][0], torch.tensor([2, 2, 1]))]
        history = fit(model, loader(), valid_loader=valid, epochs=30, lr=0.5, **options)
        histories.append((history.valid_loss, watch.best_epoch))
        assert evaluation.evaluate(model, valid)[0] == watch.best_loss
    assert histories[0] == histories[1]
    assert len(histories[0][0]) < 30


# accumulation


@pytest.mark.parametrize("sizes", [[4, 4, 4], [5, 3, 1], [1, 1, 7], [6, 6, 2, 4, 1]])
def test_accumulated_batches_make_the_step_of_one_large_batch(sizes):
    """Without BatchNorm, in float64, and with batches of unequal size too: every sample counts equally."""
    whole, parts = linear(), linear()
    fit(whole, batches([sum(sizes)]), epochs=3)
    fit(parts, batches(sizes), epochs=3, callbacks=[training.GradientAccumulation(len(sizes))])
    for name, value in parts.state_dict().items():
        torch.testing.assert_close(value, whole.state_dict()[name], rtol=1e-12, atol=1e-14)  # other sums


def test_what_is_left_over_at_the_end_of_an_epoch_makes_a_step_of_its_own():
    by_hand, parts = linear(), linear()
    images, labels = batches([10])[0]
    fit(by_hand, [(images[:8], labels[:8]), (images[8:], labels[8:])])
    diary = Diary()
    fit(parts, batches([4, 4, 2]), callbacks=[training.GradientAccumulation(2), diary])
    assert diary.lines[-3:] == ["after_step 2", "after_epoch 1 {0, 1}", "after_fit"]
    for name, value in parts.state_dict().items():
        torch.testing.assert_close(value, by_hand.state_dict()[name], rtol=1e-12, atol=1e-14)


def test_a_schedule_counts_the_steps_of_the_optimiser():
    model = linear()
    optimizer = training.sgd(model, 0.1)
    options = {"epochs": 2, "optimizer": optimizer, "callbacks": [training.GradientAccumulation(2)]}
    schedule = training.one_cycle(optimizer, steps=3)
    with pytest.raises(ValueError, match="the schedule has 3 steps, one a step, but this run needs 4"):
        training.fit(model, batches([4, 4, 2]), scheduler=schedule, progress=False, **options)
    schedule = training.one_cycle(optimizer, steps=4)
    training.fit(model, batches([4, 4, 2]), scheduler=schedule, progress=False, **options)
    assert schedule.last_epoch == 4


def test_accumulation_goes_together_with_sixteen_bits():
    """bfloat16 on the CPU: near the large batch in float32, and the weights stay in float32."""
    outcomes = []
    for sizes, options in (([8], {}), ([4, 4], {"autocast": True})):
        model = linear().float()
        callbacks = [training.GradientAccumulation(len(sizes)), training.GradientClipping(1.0)]
        kinds = []
        model[1].register_forward_hook(lambda module, inputs, out, kinds=kinds: kinds.append(out.dtype))
        fit(model, batches(sizes, torch.float32), epochs=5, callbacks=callbacks, **options)
        outcomes.append(state(model))
        assert set(kinds) == {torch.bfloat16 if options else torch.float32}
    start = linear().float().state_dict()
    for name, value in outcomes[1].items():
        assert value.dtype == torch.float32
        moved = (outcomes[0][name] - start[name]).norm()
        assert (value - outcomes[0][name]).norm() < 0.1 * moved, name  # bfloat16 has 8 bits


# clipping


@pytest.mark.parametrize("max_norm", [0.05, 100.0])
def test_clipping_is_torchs(max_norm):
    by_hand, model = linear(), linear()
    optimizer = training.sgd(by_hand, 0.1)
    for images, labels in batches([4, 4, 2]) * 2:
        optimizer.zero_grad()
        nn.functional.cross_entropy(by_hand(images), labels).backward()
        norm = nn.utils.clip_grad_norm_(by_hand.parameters(), max_norm)
        optimizer.step()
    clipping = training.GradientClipping(max_norm)
    fit(model, batches([4, 4, 2]), epochs=2, callbacks=[clipping])
    assert_same_bits(state(model), state(by_hand))
    assert clipping.norm == float(norm)


def test_the_accumulated_gradient_is_clipped_whatever_the_order_of_the_callbacks():
    """As one large batch would be: the mean of the batches, not each of them, and not their sum."""
    whole = linear()
    fit(whole, batches([9]), epochs=2, callbacks=[training.GradientClipping(0.05)])
    for turned in (False, True):
        model = linear()
        both = [training.GradientClipping(0.05), training.GradientAccumulation(3)]
        fit(model, batches([4, 4, 1]), epochs=2, callbacks=both[::-1] if turned else both)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, whole.state_dict()[name], rtol=1e-12, atol=1e-14)


# averages


def test_the_average_is_that_of_a_hand_loop():
    model = linear()
    ema = training.EMA(model, decay=0.8)
    seen = []

    class Weights(training.Callback):
        def after_step(self, run):
            seen.append(state(model))

    fit(model, batches([4, 4, 2]), epochs=3, callbacks=[Weights(), ema])
    expected = seen[0]
    for weights_now in seen[1:]:
        expected = {key: 0.8 * expected[key] + 0.2 * weights_now[key] for key in expected}
    assert len(seen) == 9
    for name, value in ema.averaged.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-14)


def test_update_bn_measures_the_training_images_and_draws_nothing():
    """A BatchNorm that comes first sees the images themselves: their mean is known."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 3))
    images = torch.rand(12, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    order = torch.Generator().manual_seed(5)
    train = DataLoader(TensorDataset(images, torch.arange(12) % 3), 4, shuffle=True, generator=order)
    ema = training.EMA(model, decay=0.9)
    fit(model, train, callbacks=[ema])
    before = order.get_state(), torch.get_rng_state()
    ema.update_bn(train)
    assert torch.equal(order.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    torch.testing.assert_close(ema.averaged[0].running_mean, images.mean(dim=(0, 2, 3)))


def test_an_average_of_another_model_is_refused():
    with pytest.raises(ValueError, match="EMA was made for another model"):
        fit(linear(), loader(), callbacks=[training.EMA(linear())])


# files


@pytest.mark.parametrize("monitor", ["valid_loss", "valid_accuracy", "train_loss"])
def test_the_best_checkpoint_holds_the_weights_of_the_best_epoch(tmp_path, monitor):
    model, seen = with_norm(), []

    class Weights(training.Callback):
        def after_epoch(self, run):
            seen.append(state(model))

    best = training.BestCheckpoint(tmp_path / "best.safetensors", monitor=monitor)
    images, labels = batches([6], torch.float32)[0]
    valid = [(images, labels.roll(1))]
    history = fit(
        model, loader(dtype=torch.float32), valid_loader=valid, epochs=6, lr=0.3, callbacks=[Weights(), best]
    )
    values = getattr(history, monitor)
    place = values.index(min(values) if monitor.endswith("loss") else max(values))
    other = with_norm(seed=1)
    weights.load_weights(other, tmp_path / "best.safetensors")
    assert_same_bits(state(other), seen[place])
    assert weights.card(tmp_path / "best.safetensors") == {"epoch": place + 1, monitor: values[place]}


def test_the_log_has_a_row_for_each_epoch_also_of_a_run_that_went_on(tmp_path):
    for epochs in (2, 3):
        model = linear()
        log = training.CSVLog(tmp_path / "log.csv")
        history = fit(
            model,
            loader(),
            valid_loader=loader(),
            epochs=epochs,
            callbacks=[log],
            checkpoint=tmp_path / "run.pt",
        )
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name, values in asdict(history).items():
        assert [float(row[name]) for row in rows] == values


class FakeWriter:
    """What ``TensorBoard`` calls of torch's writer."""

    def __init__(self, folder, purge_step):
        self.calls = [("open", folder, purge_step)]

    def add_scalar(self, name, value, step):
        self.calls.append((name, value, step))

    def flush(self):
        self.calls.append(("flush",))

    def close(self):
        self.calls.append(("close",))


def test_tensorboard_gets_the_history_over_the_steps(tmp_path, monkeypatch):
    made = []
    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = lambda *args, **options: made.append(FakeWriter(*args, **options)) or made[-1]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    history = fit(
        linear(), batches([4, 4]), epochs=2, callbacks=[training.TensorBoard(tmp_path / "logs", every=2)]
    )
    calls = made[0].calls
    assert calls[0] == ("open", str(tmp_path / "logs"), 1)
    assert [call for call in calls if call[0] == "epoch/train_loss"] == [
        ("epoch/train_loss", history.train_loss[0], 2), ("epoch/train_loss", history.train_loss[1], 4),
    ]  # fmt: skip
    assert [call[2] for call in calls if call[0] == "step/loss"] == [2, 4]
    assert calls[-2:] == [("flush",), ("close",)]


def test_tensorboard_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"needs the package tensorboard.*resnet-utils\[tensorboard\]"):
        training.TensorBoard(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: training.GradientAccumulation(0), "batches must be at least 1, got 0"),
        (lambda: training.GradientClipping(0.0), "max_norm must be above 0, got 0.0"),
        (lambda: training.GradientClipping(math.nan), "max_norm must be above 0, got nan"),
        (lambda: training.EMA(linear(), decay=1.0), "decay must lie between 0 and 1, got 1.0"),
        (
            lambda: training.BestCheckpoint("best.pt"),
            "weights are saved as .safetensors, got the name 'best.pt'",
        ),
        (lambda: training.BestCheckpoint("b.safetensors", monitor="lr"), "monitor must be one of train_loss"),
        (lambda: training.TensorBoard("logs", every=0), "every must be at least 1 step, got 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_best_by_validation_needs_a_validation(tmp_path):
    best = training.BestCheckpoint(tmp_path / "best.safetensors")
    with pytest.raises(ValueError, match="BestCheckpoint needs a valid_loader to watch valid_loss"):
        fit(linear(), loader(), callbacks=[best])


# interruption


def all_of_them(model, folder):
    return [
        training.EMA(model, decay=0.7),
        training.GradientAccumulation(2),
        training.GradientClipping(0.1),
        training.BestCheckpoint(folder / "best.safetensors"),
        training.EarlyStopping(model, patience=9),
    ]


def long_run(folder, *, epochs, checkpoint):
    torch.manual_seed(0)
    model = with_norm()
    images, labels = batches([10], torch.float32)[0]
    order = torch.Generator().manual_seed(3)
    train = DataLoader(TensorDataset(images, labels), 4, shuffle=True, generator=order)
    callbacks = all_of_them(model, folder)
    valid = [(images, labels.roll(1))]
    fit(model, train, valid_loader=valid, epochs=epochs, lr=0.3, callbacks=callbacks, checkpoint=checkpoint)
    averaged = state(callbacks[0].averaged)
    return state(model), averaged, (folder / "best.safetensors").read_bytes(), callbacks[3].best_epoch


def test_a_run_with_callbacks_that_was_interrupted_ends_with_the_same_bits(tmp_path):
    whole = long_run(tmp_path, epochs=5, checkpoint=None)
    (tmp_path / "best.safetensors").unlink()
    for epochs in (1, 3, 5):
        parts = long_run(tmp_path, epochs=epochs, checkpoint=tmp_path / "run.pt")
    assert_same_bits(parts[0], whole[0])
    assert_same_bits(parts[1], whole[1])
    assert parts[2:] == whole[2:]


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (lambda model: [], r"the callbacks is \['EMA'\] in the file, \[\] here"),
        (lambda model: [training.EMA(model, decay=0.9)], "decay of EMA is 0.8 in the file, 0.9 here"),
        (lambda model: [training.EMA(model, decay=0.8), training.GradientClipping(1)], "the callbacks is"),
    ],
)
def test_other_callbacks_than_the_checkpoints_are_refused(tmp_path, callbacks, message):
    model = linear()
    fit(model, loader(), callbacks=[training.EMA(model, decay=0.8)], checkpoint=tmp_path / "run.pt")
    model = linear()
    before = state(model)
    with pytest.raises(ValueError, match=message):
        fit(model, loader(), epochs=2, callbacks=callbacks(model), checkpoint=tmp_path / "run.pt")
    assert_same_bits(state(model), before)


def test_logs_may_come_and_go_between_the_parts_of_a_run(tmp_path):
    fit(linear(), loader(), checkpoint=tmp_path / "run.pt")
    log = training.CSVLog(tmp_path / "log.csv")
    fit(linear(), loader(), epochs=2, callbacks=[log], checkpoint=tmp_path / "run.pt")
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_the_unwrapped_network_is_the_network():
    model = with_norm()
    assert runs.unwrapped(nn.DataParallel(model)) is model
    assert runs.unwrapped(nn.DataParallel(nn.DataParallel(model))) is model
    assert runs.unwrapped(model) is model
