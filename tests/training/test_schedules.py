"""Tests of what a schedule counts, and of the misfits that ``fit`` refuses."""

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from resnet_utils import training

EPOCHS, BATCHES = 5, 10


def run(make, *, epochs=EPOCHS, valid=True, lr=0.8, **options):
    """The history of a run with the schedule that ``make(optimizer)`` gives."""
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    batch = (torch.ones(2, 2), torch.tensor([0, 1]))
    optimizer = training.sgd(model, lr)
    return training.fit(
        model,
        [batch] * BATCHES,
        [batch] if valid else None,
        epochs=epochs,
        optimizer=optimizer,
        scheduler=make(optimizer),
        progress=False,
        **options,
    )


def cosine(t_max):
    return lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=t_max)


def half_cosine(place, length):
    return 0.4 * (1 + torch.cos(torch.tensor(torch.pi * place / length, dtype=torch.float64)).item())


def test_a_schedule_that_counts_epochs_moves_after_each_epoch():
    history = run(cosine(EPOCHS), schedule_every="epoch")
    assert history.lr == pytest.approx([half_cosine(epoch, EPOCHS) for epoch in range(EPOCHS)])


def test_a_schedule_that_counts_steps_moves_after_each_step():
    history = run(cosine(EPOCHS * BATCHES), schedule_every="step")
    expected = [half_cosine(epoch, EPOCHS) for epoch in range(1, EPOCHS + 1)]
    assert history.lr == pytest.approx(expected, abs=1e-12)


def test_a_step_schedule_by_epochs_divides_at_its_epochs():
    history = run(lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.5), schedule_every="epoch")
    assert history.lr == [0.8, 0.8, 0.4, 0.4, 0.2]


@pytest.mark.parametrize(
    "make",
    [
        cosine(EPOCHS),
        lambda o: lr_scheduler.StepLR(o, step_size=2),
        lambda o: lr_scheduler.MultiStepLR(o, milestones=[2]),
        lambda o: lr_scheduler.LambdaLR(o, lambda count: 0.9**count),
    ],
)
def test_a_schedule_that_may_count_either_has_to_be_told(make):
    with pytest.raises(ValueError, match="may count steps or epochs: say schedule_every='step' or 'epoch'"):
        run(make)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (cosine(EPOCHS), {"schedule_every": "step"}, "5 steps, one a batch, but .* 50; beyond T_max"),
        (cosine(EPOCHS * BATCHES), {"schedule_every": "epoch"}, "but is to count its 5 epochs"),
        (cosine(EPOCHS - 1), {"schedule_every": "epoch"}, "has 4 steps, one an epoch, but this run needs 5"),
        (lambda o: training.one_cycle(o, steps=50), {"schedule_every": "epoch"}, "say schedule_every='step'"),
        (cosine(5), {"schedule_every": "batch"}, "schedule_every must be 'step' or 'epoch', got 'batch'"),
        (lambda o: None, {"schedule_every": "epoch"}, "schedule_every='epoch' needs a scheduler, got None"),
        (lr_scheduler.ReduceLROnPlateau, {"schedule_every": "step"}, "so it counts epochs, not steps"),
        (lr_scheduler.ReduceLROnPlateau, {"valid": False}, "ReduceLROnPlateau needs a valid_loader"),
        (
            lambda o: training.one_cycle(training.sgd(nn.Linear(1, 1), 0.1), steps=50),
            {},
            "the OneCycleLR was made for another optimizer",
        ),
    ],
)  # fmt: skip
def test_a_schedule_that_does_not_fit_is_refused_before_a_step(make, options, message):
    class Never(training.Callback):
        def before_step(self, run):
            raise AssertionError("a step was taken")

    with pytest.raises(ValueError, match=message):
        run(make, callbacks=[Never()], **options)


@pytest.mark.parametrize(("mode", "label", "reduced"), [("min", 0, False), ("max", 1, True)])
def test_a_plateau_is_seen_in_the_validation(mode, label, reduced):
    """All training labels are 0. On labels 0 the loss falls on, while the accuracy stays at 1; on labels 1
    the loss rises on, while the accuracy stays at 0: whoever watched the other number would decide otherwise.
    """
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.1, 0.0]))
    images = torch.ones(2, 2)
    optimizer = training.sgd(model, 0.01)
    history = training.fit(
        model,
        [(images, torch.zeros(2).long())],
        [(images, torch.full((2,), label))],
        epochs=EPOCHS,
        optimizer=optimizer,
        scheduler=lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, factor=0.5, patience=1, threshold=0.0),
        progress=False,
    )
    assert history.valid_accuracy == [1.0 - label] * EPOCHS
    moves = [
        after - before for before, after in zip(history.valid_loss, history.valid_loss[1:], strict=False)
    ]
    assert all((move > 0) == bool(label) for move in moves)
    assert history.lr == ([0.01, 0.01, 0.01, 0.005, 0.005] if reduced else [0.01] * EPOCHS)


# In torch 2.8 a chain tells its next part the epoch, by a call that torch itself warns of.
ITS_OWN = "ignore:The epoch parameter in .scheduler.step:UserWarning"
a_chain_is_fine = pytest.mark.filterwarnings(
    "error" if hasattr(lr_scheduler.LRScheduler, "_update_lr") else ITS_OWN
)


@a_chain_is_fine
def test_a_chain_of_schedules_can_count_epochs():
    def warm_up(optimizer):
        first = lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        return lr_scheduler.SequentialLR(
            optimizer, [first, lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)], milestones=[2]
        )

    history = run(warm_up, schedule_every="epoch")
    assert history.lr[:3] == pytest.approx([0.4, 0.6, 0.8])
    assert history.lr[3] < 0.8


def test_an_optimizer_of_another_model_is_refused():
    model = nn.Linear(2, 2)
    batch = (torch.ones(2, 2), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="the optimizer has no parameter of this model"):
        training.fit(model, [batch], epochs=1, optimizer=training.sgd(nn.Linear(2, 2), 0.1))


# what is said while it runs


def said(capsys, monkeypatch, wish, **options):
    monkeypatch.delenv("BOOK_PROGRESS", raising=False)
    if wish is not None:
        monkeypatch.setenv("BOOK_PROGRESS", wish)
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    batch = (torch.ones(2, 2), torch.tensor([0, 1]))
    history = training.fit(model, [batch], [batch], epochs=2, optimizer=training.sgd(model, 0.5), **options)
    captured = capsys.readouterr()
    assert captured.out == "", "a notebook's stored output stays as it is"
    return history, captured.err


def test_where_there_is_no_terminal_each_epoch_has_one_plain_line(capsys, monkeypatch):
    history, text = said(capsys, monkeypatch, None)
    lines = text.splitlines()
    assert len(lines) == 2
    assert "\r" not in text
    for number, line in enumerate(lines):
        assert line.startswith(f"epoch {number + 1}/2: training loss {history.train_loss[number]:.4f}")
        assert f"validation loss {history.valid_loss[number]:.4f}, accuracy 50.00%" in line
        assert "rate 0.5" in line


@pytest.mark.parametrize(("wish", "options"), [("0", {}), (None, {"progress": False})])
def test_who_wants_no_word_gets_none(capsys, monkeypatch, wish, options):
    assert said(capsys, monkeypatch, wish, **options)[1] == ""
