"""The trainer of the toys against a loop written out, and its judgements against their definitions."""

import pytest
import torch
from torch import nn

from resnet_utils.toy import trainer


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))


def data(count=230):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, generator=generator), torch.randint(4, (count,), generator=generator)


@pytest.mark.parametrize("falling", [True, False])
def test_training_is_sgd_with_momentum_written_out(falling):
    """v = 0.9 v + g; w = w - lr v (PyTorch's form of momentum), over batches of 100, 100 and 30."""
    net, twin, (x, labels) = model().double(), model().double(), data()
    curve = trainer.train_epochs(net, (x.double(), labels), seed=5, epochs=2, lr=0.2, falling=falling)
    speeds = [torch.zeros_like(p) for p in twin.parameters()]
    generator, step, wanted = torch.Generator().manual_seed(5), 0, []
    for _ in range(2):
        losses = []
        for batch in torch.randperm(230, generator=generator).split(100):
            loss = nn.functional.cross_entropy(twin(x[batch].double()), labels[batch])
            rate = 0.2 * (1 - step / 6) if falling else 0.2
            with torch.no_grad():
                for speed, p, g in zip(
                    speeds, twin.parameters(), torch.autograd.grad(loss, list(twin.parameters())), strict=True
                ):
                    speed.mul_(0.9).add_(g)
                    p.sub_(rate * speed)
            losses.append(loss.item() * len(batch))
            step += 1
        wanted.append(sum(losses) / 230)
    assert curve == pytest.approx(wanted, rel=1e-12)  # float64
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_losses_are_summed_in_the_asked_precision():
    curves = [
        trainer.train_epochs(model(), data(), seed=0, epochs=3, lr=0.1, sums=sums)
        for sums in (torch.float32, torch.float64)
    ]
    assert curves[0] != curves[1]
    assert curves[0] == pytest.approx(curves[1], rel=1e-6)  # float32 holds seven digits


def test_judgements_are_the_mean_loss_and_the_share_and_leave_every_mode():
    net, (x, labels) = model(), data()
    net(x)  # running statistics of its own
    net[1].eval()
    modes = [module.training for module in net.modules()]
    loss, share = trainer.loss_on(net, x, labels), trainer.share_right(net, x, labels)
    assert [module.training for module in net.modules()] == modes
    logits = net.eval()(x).double()
    truth = -logits.log_softmax(dim=1)[torch.arange(len(x)), labels].mean().item()
    assert loss == pytest.approx(truth, rel=1e-6)  # float32
    assert share == sum(int(a.argmax()) == int(b) for a, b in zip(logits, labels, strict=True)) / len(x)


def test_no_epoch_is_refused():
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        trainer.train_epochs(model(), data(), seed=0, epochs=0, lr=0.1)


def test_training_stops_after_the_first_epoch_that_is_good_enough():
    whole = trainer.train_epochs(model(), data(), seed=5, epochs=6, lr=0.1)
    net = model()
    stopped = trainer.train_epochs(net, data(), seed=5, epochs=6, lr=0.1, until=whole[2])
    assert stopped == whole[:3]  # the losses of this training fall from epoch to epoch
    twin = model()
    trainer.train_epochs(twin, data(), seed=5, epochs=3, lr=0.1)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters(), strict=True))
