"""Tests of ``resnet_utils.training``."""

import math
from contextlib import nullcontext

import pytest
import torch
from bits import assert_same_bits, state
from elsewhere import Elsewhere
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import evaluation, training


def network(seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    layers = (
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    return nn.Sequential(*layers).to(dtype)


def linear(seed=0):
    """No BatchNorm: nothing but the weights decides what comes out."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 6, 3)).double()


def samples(count=10, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, 6, 6, generator=generator, dtype=dtype)
    return TensorDataset(images, torch.arange(count) % 3)


def loader(batch_size=4, dtype=torch.float32):
    return DataLoader(samples(dtype=dtype), batch_size)  # batches of 4, 4, 2


# modes


def test_a_frozen_batchnorm_does_not_move_and_a_free_one_does():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3)
    )
    model[1].requires_grad_(False)
    before = state(model)
    training.train_one_epoch(model, loader(), training.sgd(model, 0.1), device="cpu")
    after = state(model)
    assert_same_bits(
        {k: before[k] for k in before if k[0] == "1"}, {k: after[k] for k in after if k[0] == "1"}
    )
    assert after["2.num_batches_tracked"] == 3
    assert not torch.equal(before["2.running_mean"], after["2.running_mean"])


def test_train_mode_spares_only_wholly_frozen_batchnorms():
    free, half, frozen, bare = (nn.BatchNorm2d(2, affine=affine) for affine in (True, True, True, False))
    half.weight.requires_grad_(False)
    frozen.requires_grad_(False)
    dropout = nn.Dropout()
    training.train_mode(nn.Sequential(free, half, frozen, bare, dropout).eval())
    assert [m.training for m in (free, half, frozen, bare, dropout)] == [True, True, False, True, True]


@pytest.mark.parametrize("was_training", [True, False])
def test_every_module_is_left_in_its_mode(was_training):
    model = network().train(was_training)
    model[1].train(not was_training)
    optimizer = training.sgd(model, 0.1)
    evaluation.evaluate(model, loader(), device="cpu")
    evaluation.predict(model, loader(), device="cpu")
    training.train_one_epoch(model, loader(), optimizer, device="cpu")
    training.fit(model, loader(), loader(), epochs=1, optimizer=optimizer, device="cpu")
    assert [m.training for m in model] == [was_training, not was_training] + [was_training] * 4


def test_the_mode_comes_back_after_an_error_too():
    model = network()
    with pytest.raises(ValueError, match="do not fit the network: grey"):
        evaluation.evaluate(model, [(torch.zeros(1, 5, 6, 6), torch.zeros(1))], device="cpu")  # 5 channels
    assert model.training


# evaluation


def test_a_short_last_batch_is_not_over_weighted():
    model = network(dtype=torch.float64)
    whole = evaluation.evaluate(model, loader(10, torch.float64), device="cpu")
    split = evaluation.evaluate(model, loader(4, torch.float64), device="cpu")
    assert split == pytest.approx(whole, rel=1e-12)  # float64 sums in another order


def test_evaluate_agrees_with_the_definition_of_cross_entropy():
    model = network(dtype=torch.float64).eval()
    images, labels = samples(dtype=torch.float64).tensors
    logits = model(images).detach()
    probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    loss = -sum(math.log(probabilities[n, label]) for n, label in enumerate(labels)) / 10
    accuracy = (
        sum(int(max(range(3), key=lambda k: logits[n, k]) == label) for n, label in enumerate(labels)) / 10
    )
    assert evaluation.evaluate(model.train(), loader(4, torch.float64), device="cpu") == pytest.approx(
        (loss, accuracy)
    )


def test_predict_returns_every_sample_in_order():
    model = network()
    logits, labels = evaluation.predict(model, loader(4), device="cpu")
    images, expected = samples().tensors
    assert torch.equal(labels, expected)
    torch.testing.assert_close(logits, model.eval()(images).detach())  # other batch sizes, other last bits
    assert not logits.requires_grad


def test_evaluation_changes_nothing():
    model = network()
    before = state(model)
    evaluation.evaluate(model, loader(), device="cpu")
    evaluation.predict(model, loader(), device="cpu")
    assert_same_bits(before, state(model))


@pytest.mark.parametrize("batches", [[], [(torch.zeros(0, 3, 6, 6), torch.zeros(0, dtype=torch.int64))]])
def test_an_empty_loader_is_refused(batches):
    model = network().eval()
    model[1].requires_grad_(False)  # a BatchNorm in train mode would complain about no sample first
    with pytest.raises(ValueError, match=r"evaluate\(\) needs at least one sample"):
        evaluation.evaluate(model, batches, device="cpu")
    with pytest.raises(ValueError, match=r"predict\(\) needs at least one sample"):
        evaluation.predict(model, batches, device="cpu")
    with pytest.raises(ValueError, match=r"train_one_epoch\(\) needs at least one sample"):
        training.train_one_epoch(model, [], training.sgd(model, 0.1), device="cpu")


# optimiser and schedules


def test_sgd_follows_the_formula_of_nesterov_momentum():
    """Sutskever et al. 2013 in the form torch documents: v <- m v + g; p <- p - lr (g + m v)."""
    model = linear()
    optimizer = training.sgd(model, 0.1, momentum=0.8, weight_decay=0.01)
    by_hand = [parameter.detach().clone().requires_grad_() for parameter in model.parameters()]
    velocity = [torch.zeros_like(parameter) for parameter in by_hand]
    images, labels = samples(dtype=torch.float64).tensors
    for _ in range(3):
        training.train_one_epoch(model, [(images, labels)], optimizer, device="cpu")
        logits = images.flatten(1) @ by_hand[0].T + by_hand[1]
        gradients = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), by_hand)
        with torch.no_grad():
            for parameter, speed, gradient in zip(by_hand, velocity, gradients, strict=True):
                gradient = gradient + 0.01 * parameter
                speed.mul_(0.8).add_(gradient)
                parameter -= 0.1 * (gradient + 0.8 * speed)
    for parameter, expected in zip(model.parameters(), by_hand, strict=True):
        torch.testing.assert_close(parameter, expected, rtol=1e-12, atol=1e-14)  # float64


def test_weight_decay_can_spare_norms_and_biases():
    model = network()
    optimizer = training.sgd(model, 0.1, weight_decay=0.5, decay_norm_and_bias=False)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    by_name = {name: decay[id(p)] for name, p in model.named_parameters()}
    assert by_name == {
        "0.weight": 0.5,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "5.weight": 0.5,
        "5.bias": 0.0,
    }


def test_weight_decay_meets_every_parameter_by_default():
    optimizer = training.sgd(network(), 0.1, weight_decay=0.5)
    assert [(group["weight_decay"], len(group["params"])) for group in optimizer.param_groups] == [(0.5, 6)]


def test_groups_keep_their_rates_and_lose_their_frozen_parameters():
    model = network()
    model[0].requires_grad_(False)
    groups = [
        {"params": list(model[0].parameters()), "lr": 0.01},
        {"params": list(model[5].parameters()), "lr": 0.2},
    ]
    optimizer = training.sgd(model, 0.1, groups=groups)
    assert [(group["lr"], len(group["params"])) for group in optimizer.param_groups] == [(0.2, 2)]
    assert len(groups[0]["params"]) == 2  # the caller's lists stay as they were


def test_momentum_zero_is_plain_gradient_descent():
    assert not training.sgd(network(), 0.1, momentum=0).param_groups[0]["nesterov"]


def test_a_wholly_frozen_model_has_nothing_to_train():
    with pytest.raises(ValueError, match="all are frozen"):
        training.sgd(network().requires_grad_(False), 0.1)


def rates(optimizer, scheduler, steps):
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_one_cycle_is_two_half_cosines():
    """Up from max/25 to max over the first 30 % of the steps, then down to max/25/10,000."""
    optimizer = training.sgd(network(), 0.1)
    seen = rates(optimizer, training.one_cycle(optimizer, steps=40, max_lr=0.5), 40)
    low, peak, end = 0.02, 11, 0.02 / 10_000
    for step, lr in enumerate(seen):
        start, stop, part = (
            (low, 0.5, step / peak) if step <= peak else (0.5, end, (step - peak) / (39 - peak))
        )
        assert lr == pytest.approx(stop + (start - stop) * (1 + math.cos(math.pi * part)) / 2), step
    assert optimizer.param_groups[0]["momentum"] == 0.9


def test_one_cycle_peaks_at_each_groups_own_rate():
    model = network()
    groups = [
        {"params": list(model[0].parameters()), "lr": 0.01},
        {"params": list(model[5].parameters()), "lr": 0.2},
    ]
    optimizer = training.sgd(model, 0.1, groups=groups)
    scheduler = training.one_cycle(optimizer, steps=20)
    assert [group["max_lr"] for group in optimizer.param_groups] == [0.01, 0.2]
    assert scheduler.total_steps == 20


def test_step_schedule_divides_at_its_milestones():
    optimizer = training.sgd(network(), 0.8)
    seen = rates(optimizer, training.step_schedule(optimizer, milestones=[2, 5], factor=0.5), 7)
    assert seen == [0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]


# one epoch


def test_an_epoch_without_steps_measures_what_evaluate_measures():
    model = linear()
    measured = training.train_one_epoch(
        model, loader(4, torch.float64), training.sgd(model, 0.0), device="cpu"
    )
    expected = evaluation.evaluate(model, loader(10, torch.float64), device="cpu")
    assert measured == pytest.approx(expected, rel=1e-12)  # float64 sums in another order


def test_another_loss_function_is_used():
    model = linear()
    smooth = nn.CrossEntropyLoss(label_smoothing=0.2)
    images, labels = samples(dtype=torch.float64).tensors
    expected = smooth(model(images), labels).item()
    loss, _ = training.train_one_epoch(
        model, loader(4, torch.float64), training.sgd(model, 0.0), device="cpu", loss_function=smooth
    )
    assert loss == pytest.approx(expected, rel=1e-12)


def test_training_accuracy_takes_the_larger_part_of_a_mixture():
    """As ``data.Mixup`` mixes labels; three of the four larger parts are the model's answers."""
    model = linear()
    images = samples(4, torch.float64).tensors[0]
    answers = model(images).argmax(dim=1)
    shares = nn.functional.one_hot(answers, 3) * 0.4 + 0.2
    shares[0] = shares[0].roll(1)
    _, accuracy = training.train_one_epoch(model, [(images, shares)], training.sgd(model, 0.0), device="cpu")
    assert accuracy == 0.75


def test_the_schedule_steps_once_a_batch():
    model = network()
    optimizer = training.sgd(model, 0.8)
    scheduler = training.step_schedule(optimizer, milestones=[2], factor=0.5)
    training.train_one_epoch(model, loader(4), optimizer, device="cpu", scheduler=scheduler)
    assert (scheduler.last_epoch, optimizer.param_groups[0]["lr"]) == (3, 0.4)


def test_a_loss_that_is_not_finite_stops_before_it_spoils_the_weights():
    model = linear()
    with torch.no_grad():
        model[1].weight[0, 0] = 1e308  # overflows in the sum
    before = state(model)
    images, labels = samples(dtype=torch.float64).tensors
    images[:] *= 1e10
    where = "the loss became nan .epoch 1/3, batch 1, learning rate 0.1."
    with pytest.raises(FloatingPointError, match=where):
        training.fit(
            model,
            [(images, labels)],
            None,
            epochs=3,
            optimizer=training.sgd(model, 0.1),
            device="cpu",
            progress=False,
        )
    assert_same_bits(before, state(model))


def test_autocast_computes_in_sixteen_bits_and_keeps_weights_in_float32():
    kinds = []
    results = {}
    for autocast in (False, True):
        model = network()
        model[5].register_forward_hook(lambda module, inputs, out: kinds.append(out.dtype))
        optimizer = training.sgd(model, 0.1)
        results[autocast] = training.train_one_epoch(
            model, loader(), optimizer, device="cpu", autocast=autocast
        )
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert kinds == [torch.float32] * 3 + [torch.bfloat16] * 3
    assert results[True][0] == pytest.approx(
        results[False][0], rel=0.02
    )  # bfloat16 has 8 bits: 0.4 % a number


def test_the_cpu_needs_no_loss_scaling():
    assert training.gradient_scaler(device="cpu") is None


# whole runs


def test_fit_reports_one_entry_an_epoch():
    model = network()
    optimizer = training.sgd(model, 0.1)
    scheduler = training.one_cycle(optimizer, steps=6, max_lr=0.1)
    history = training.fit(
        model, loader(), loader(), epochs=2, optimizer=optimizer, device="cpu", scheduler=scheduler
    )
    assert {name: len(values) for name, values in vars(history).items()} == dict.fromkeys(vars(history), 2)
    assert (history.valid_loss[-1], history.valid_accuracy[-1]) == evaluation.evaluate(
        model, loader(), device="cpu"
    )
    assert scheduler.last_epoch == 6


def test_history_holds_the_rate_at_the_end_of_each_epoch():
    model = network()
    optimizer = training.sgd(model, 0.8)
    scheduler = training.step_schedule(optimizer, milestones=[3, 7], factor=0.5)
    history = training.fit(
        model, loader(), None, epochs=3, optimizer=optimizer, device="cpu", scheduler=scheduler
    )
    assert history.lr == [0.4, 0.4, 0.2]  # after 3, 6 and 9 batches


def test_the_largest_rate_of_all_groups_is_noted():
    model = network()
    groups = [{"params": [p], "lr": 0.1 * (k + 1)} for k, p in enumerate(model.parameters())]
    history = training.fit(model, loader(), epochs=1, optimizer=training.sgd(model, 0.05, groups=groups))
    assert history.lr == [0.1 * 6]


def test_fit_validates_on_the_validation_images():
    """Others than it trains on, with the weights after the epoch, in eval mode."""
    model = network()
    images, labels = samples().tensors
    valid = [(images[:5] + 1, (labels[:5] + 1) % 3)]
    history = training.fit(model, loader(), valid, epochs=1, optimizer=training.sgd(model, 0.1))
    assert (history.valid_loss[-1], history.valid_accuracy[-1]) == evaluation.evaluate(model, valid)
    assert history.valid_loss[-1] != evaluation.evaluate(model, loader())[0]


def test_a_binary_loss_measures_the_validation_too():
    model, binary = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), nn.BCEWithLogitsLoss()
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(6, 3, 2, 2, generator=generator)
    tags = torch.randint(0, 2, (6, 4), generator=generator).float()  # any number of labels at once
    history = training.fit(
        model, [(images, tags)], [(images[:2], tags[:2])], epochs=1, optimizer=training.sgd(model, 0.1),
        loss_function=binary, progress=False,
    )  # fmt: skip
    with torch.no_grad():
        assert history.valid_loss == pytest.approx([binary(model(images[:2]), tags[:2]).item()])


def test_training_accuracy_counts_samples_not_batches():
    """Two of three right in each batch: a share rounded down by batch would be 0."""
    model = linear()
    images = samples(6, torch.float64).tensors[0]
    labels = model(images).argmax(dim=1)
    labels[[0, 3]] = (labels[[0, 3]] + 1) % 3
    batches = list(zip(images.split(3), labels.split(3), strict=True))
    _, accuracy = training.train_one_epoch(model, batches, training.sgd(model, 0.0))
    assert accuracy == pytest.approx(4 / 6)


def test_fit_without_validation_leaves_its_lists_empty():
    model = network()
    history = training.fit(model, loader(), None, epochs=1, optimizer=training.sgd(model, 0.1), device="cpu")
    assert (history.valid_loss, len(history.train_loss)) == ([], 1)


def test_batches_go_where_the_model_lies_and_nowhere_else(monkeypatch):
    class Seen(torch.Tensor):
        def to(self, device, **options):
            places.append(str(device))
            return self.as_subclass(torch.Tensor)

    class OnGPU(nn.Sequential):
        def parameters(self, recurse=True):
            yield Elsewhere(torch.zeros(1))

    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())  # knows of no GPU
    for make, place in ((nn.Sequential, "cpu"), (OnGPU, "cuda:0")):
        places = []
        images, labels = (part.as_subclass(Seen) for part in samples().tensors)
        inner = network()
        optimizer = training.sgd(inner, 0.1)
        training.train_one_epoch(make(inner), [(images, labels)], optimizer)

        assert set(places) == {place}


# early stopping


def by_hand(epochs, patience):
    """The loop that ``fit(early_stopping=...)`` takes the place of."""
    model = network()
    optimizer = training.sgd(model, 0.1)
    watch = training.EarlyStopping(model, patience=patience)
    for _ in range(epochs):
        training.train_one_epoch(model, loader(4), optimizer, device="cpu")
        if watch.should_stop(evaluation.evaluate(model, watched(), device="cpu")[0]):
            break
    watch.restore()
    return model, watch


def watched():
    """Labels that training leads away from, so that an early epoch is the best one."""
    images, labels = samples().tensors
    return DataLoader(TensorDataset(images, (labels + torch.arange(10) // 7) % 3), 10)


def stopped(epochs, patience, *, checkpoint=None):
    model = network()
    watch = training.EarlyStopping(model, patience=patience)
    history = training.fit(
        model,
        loader(4),
        watched(),
        epochs=epochs,
        optimizer=training.sgd(model, 0.1),
        early_stopping=watch,
        checkpoint=checkpoint,
        progress=False,
    )
    return model, watch, history


@pytest.mark.parametrize("patience", [2, 12])
def test_fit_stops_as_the_loop_by_hand_does_and_gives_back_the_best_weights(patience):
    """With patience for all epochs nothing stops, and the best epoch is chosen: so do the recorded runs."""
    expected, watch_by_hand = by_hand(12, patience)
    model, watch, history = stopped(12, patience)
    assert_same_bits(state(model), state(expected))
    assert (watch.best_epoch, watch.best_loss) == (watch_by_hand.best_epoch, watch_by_hand.best_loss)
    assert watch.best_loss == min(history.valid_loss)
    assert evaluation.evaluate(model, watched(), device="cpu")[0] == watch.best_loss
    assert len(history.valid_loss) == watch.epoch
    assert (len(history.valid_loss) < 12) == (patience == 2)


@pytest.mark.parametrize("done", [1, 3, 12])
def test_a_run_with_early_stopping_goes_on_from_its_checkpoint(tmp_path, done):
    expected, whole, history = stopped(12, 2)
    stopped(done, 2, checkpoint=tmp_path / "run.pt")
    model, watch, again = stopped(12, 2, checkpoint=tmp_path / "run.pt")
    assert_same_bits(state(model), state(expected))
    assert again.valid_loss == history.valid_loss
    assert (watch.best_epoch, watch.epoch) == (whole.best_epoch, whole.epoch)


def test_a_checkpoint_with_another_rule_for_stopping_is_refused(tmp_path):
    stopped(2, 2, checkpoint=tmp_path / "run.pt")
    with pytest.raises(ValueError, match="patience of EarlyStopping is 2 in the file, 3 here"):
        stopped(12, 3, checkpoint=tmp_path / "run.pt")
    model = network()
    with pytest.raises(ValueError, match=r"the callbacks is \['EarlyStopping'\] in the file, \[\] here"):
        training.fit(
            model, loader(), epochs=3, optimizer=training.sgd(model, 0.1), checkpoint=tmp_path / "run.pt"
        )


def test_early_stopping_needs_something_to_watch_and_the_model_that_is_trained():
    model = network()
    options = {"epochs": 1, "optimizer": training.sgd(model, 0.1)}
    watch = training.EarlyStopping(model, patience=1)
    with pytest.raises(ValueError, match="early_stopping needs a valid_loader"):
        training.fit(model, loader(), early_stopping=watch, **options)
    watch = training.EarlyStopping(network(), patience=1)
    with pytest.raises(ValueError, match="early_stopping was made for another model"):
        training.fit(model, loader(), loader(), early_stopping=watch, **options)


def test_fit_learns_what_can_be_learned():
    """A linear model on three linearly separable clusters must come near to zero loss."""
    torch.manual_seed(0)
    labels = torch.arange(60) % 3
    images = torch.eye(3)[labels] + 0.1 * torch.randn(60, 3)
    model = nn.Linear(3, 3)
    data = DataLoader(TensorDataset(images, labels), 20)
    history = training.fit(model, data, data, epochs=20, optimizer=training.sgd(model, 0.5), device="cpu")
    assert history.valid_accuracy[-1] == 1.0
    assert history.valid_loss[-1] < 0.1 * history.train_loss[0]


def test_a_schedule_that_is_too_short_is_refused_before_training():
    model = network()
    before = state(model)
    optimizer = training.sgd(model, 0.1)
    with pytest.raises(ValueError, match="the schedule has 5 steps, one a batch, but this run needs 6"):
        training.fit(
            model,
            loader(),
            None,
            epochs=2,
            optimizer=optimizer,
            device="cpu",
            scheduler=training.one_cycle(optimizer, steps=5),
        )
    assert_same_bits(before, state(model))


def test_a_schedule_that_is_partly_used_up_is_counted_from_where_it_stands():
    model = network()
    optimizer = training.sgd(model, 0.1)
    scheduler = training.one_cycle(optimizer, steps=6)
    training.fit(model, loader(), None, epochs=1, optimizer=optimizer, device="cpu", scheduler=scheduler)
    with pytest.raises(ValueError, match="the schedule has 6 steps, one a batch, but this run needs 9"):
        training.fit(model, loader(), None, epochs=2, optimizer=optimizer, device="cpu", scheduler=scheduler)


def test_zero_epochs_are_refused():
    model = network()
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        training.fit(model, loader(), None, epochs=0, optimizer=training.sgd(model, 0.1), device="cpu")


@pytest.mark.parametrize("progress", [True, False])
def test_the_bar_goes_to_stderr_and_only_when_asked(monkeypatch, capsys, progress):
    monkeypatch.setenv("BOOK_PROGRESS", "1")
    model = network()
    optimizer = training.sgd(model, 0.1)
    training.fit(model, loader(), None, epochs=2, optimizer=optimizer, device="cpu", progress=progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("epoch 2/2" in captured.err) == progress


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("autocast", [False, True])
def test_cuda_trains_like_the_cpu(autocast):
    losses = {}
    for device in ("cpu", "cuda"):
        model = network().to(device)
        optimizer = training.sgd(model, 0.1)
        history = training.fit(
            model,
            loader(),
            loader(),
            epochs=3,
            optimizer=optimizer,
            device=device,
            autocast=autocast and device == "cuda",
        )
        losses[device] = history.valid_loss[-1]
    # float32 sums in another order, or a 16-bit mantissa
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=0.02 if autocast else 1e-4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 1.5}, ValueError, r"epochs must be a whole number of at least 1, got 1\.5"),
        ({"callbacks": [training.GradientClipping]}, TypeError, r"a list of training\.Callback"),
        ({"callbacks": [None]}, TypeError, "it has None"),
        ({"optimizer": torch.optim.LBFGS}, ValueError, "LBFGS asks for the loss several times"),
    ],
)
def test_what_fit_cannot_work_with_is_refused_before_a_step(options, error, message):
    model = linear()
    optimizer = options.pop("optimizer", torch.optim.SGD)(model.parameters(), lr=0.1)
    with pytest.raises(error, match=message):
        training.fit(model, loader(), **{"epochs": 1, "optimizer": optimizer, "progress": False} | options)


@pytest.mark.parametrize("rate", [math.nan, math.inf, -1.0])
def test_a_rate_that_would_ruin_the_weights_is_refused(rate):
    with pytest.raises(ValueError, match="at least 0 and finite"):
        training.sgd(linear(), rate)
    with pytest.raises(ValueError, match="at least 0 and finite"):
        training.sgd(linear(), 0.1, weight_decay=rate)


def test_a_part_of_a_batch_cannot_be_gathered():
    with pytest.raises(ValueError, match=r"batches must be a whole number of at least 1, got 1\.5"):
        training.GradientAccumulation(1.5)


@pytest.mark.parametrize("switch", ["autocast", "progress", "extend"])
def test_a_text_is_not_taken_for_a_switch_that_is_on(switch):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 2]))]
    options = {"progress": False, switch: "no"}
    with pytest.raises(ValueError, match=f"{switch} must be True or False, got 'no'"):
        training.fit(model, batches, epochs=1, optimizer=training.sgd(model, 0.1), **options)


def test_a_checkpoint_that_is_a_folder_is_refused_before_the_training(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    before = [parameter.clone() for parameter in model.parameters()]
    batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 2]))]
    with pytest.raises(IsADirectoryError, match="checkpoint must be the name of a file, got the folder"):
        training.fit(model, batches, epochs=1, optimizer=training.sgd(model, 0.1), checkpoint=tmp_path)
    assert all(map(torch.equal, before, model.parameters()))
