"""Train the small classifiers of the page "Cut it yourself": one with shortcuts, and two without.

All learn cats and dogs from the same 2,000 photographs and 256 drawings, in the same number of passes, with
the same draws.

- ``residual`` starts from the shipped backbone;
- ``plain`` has had no shortcut from its first step: it learned the backbone's task, in fewer passes and in 16
  bits, before;
- ``faded`` starts from the shipped backbone too. Every shortcut is multiplied by a number that falls from 1
  to 0 along a straight line during the first half of its training, and stays there: so it starts from what
  the backbone knows, and ends as a network that never adds anything.

    RESNET_BOOK_DATA=... python experiments/live_network.py [--keep FOLDER]

Writes residual.safetensors and plain.safetensors, each with its ONNX graph, to site/live/networks/, and the
record: how often each of the three is right on photographs held out, as it is and with each single cut.
"""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import live_graph
import pets
import pretrain_source
import record
import torch
from pretrain_source import MEAN, STD
from torch import Tensor, nn

from resnet_utils import data, deployment, evaluation, models, runtime, training
from resnet_utils.analysis.lesions import Switchable
from resnet_utils.evaluation import calibration
from resnet_utils.files import weights
from resnet_utils.training.run import Callback, TrainingRun

SEED = 0
SIZE, CROP, EPOCHS, LR, WEIGHT_DECAY = 48, 32, 5, 0.05, 5e-4  # pixels, pixels, passes; as in chapter 5
DRAWN = 256  # drawings to train on, so that the page has pictures of its own to begin with
FADED = 0.5  # of the training: by then the twin has no shortcuts
FOLDER = Path("site") / "live" / "networks"
SHIPPED = {"residual": "resnet18", "plain": "plain18"}  # and the rows of models.NAMES that they are
KINDS = (*SHIPPED, "faded")
PLAIN_EPOCHS = 6  # passes over the backbone's task; the backbone itself had 20


class FadingShortcuts(Callback):
    """Lets the multiplier of all shortcuts fall from 1 to 0 along a straight line, over ``steps`` steps."""

    def __init__(self, net: "Fading", steps: int) -> None:
        self.net, self.steps = net, steps

    def before_fit(self, run: TrainingRun) -> None:
        self.after_step(run)  # a run that goes on has steps behind it

    def after_step(self, run: TrainingRun) -> None:
        self.net.left = max(0.0, 1 - run.steps / self.steps)


class Fading(nn.Module):
    """A residual network whose shortcuts are all multiplied by ``left``."""

    def __init__(self, model: models.ResNet) -> None:
        super().__init__()
        self.switchable, self.left = Switchable(model), 1.0

    def forward(self, images: Tensor) -> Tensor:
        shortcuts, branches = self.switchable.usual(len(images))
        return self.switchable(images, self.left * shortcuts, branches)


def without_shortcuts(model: models.ResNet) -> models.ResNet:
    """The plain network with the same branches, stem and head."""
    plain = models.build("plain18", 2, stem=model.spec.stem, width=model.spec.width)
    state = {name: value for name, value in model.state_dict().items() if ".downsample." not in name}
    plain.load_state_dict(state)
    return plain.to(memory_format=torch.channels_last)


def pictures(tiny: bool) -> tuple[data.Split, data.Split, data.Split]:
    """To train on, photographs held out, drawings held out."""
    train, held_out = pets.photographs(SIZE, tiny)
    drawn, others = (data.drawn_animals(DRAWN, size=SIZE, seed=seed) for seed in (10, 11))
    both = torch.cat([train.images, drawn.images]), torch.cat([train.labels, drawn.labels])
    return replace(train, images=both[0], labels=both[1], names=()), held_out, others


def plain_from_its_first_step(asked: argparse.Namespace) -> models.ResNet:
    """A plain network that has learned the backbone's task, with a fresh head for two classes."""
    train, tests = pretrain_source.task(asked.tiny)
    model = models.build(**pretrain_source.NETWORK | {"name": "plain18"}, num_classes=len(train.classes))
    keep = asked.keep / "plain-source.pt" if asked.keep else None
    epochs = 1 if asked.tiny else PLAIN_EPOCHS
    history = pretrain_source.learn(model, train, epochs=epochs, autocast=True, keep=keep)
    asked.seconds += sum(history.seconds)
    for part, images in tests.items():
        _, accuracy = evaluation.evaluate(model, data.loader(images, 500, mean=MEAN, std=STD))
        print(f"plain, {part}: {accuracy:.3f}", flush=True)
    model.reset_head(2)
    return model


def trained(kind: str, train: data.Split, asked: argparse.Namespace) -> models.ResNet:
    """A network of one of the ``KINDS``, in eval mode, with weights of 16 bits."""
    runtime.seed_everything(SEED)
    epochs = 1 if asked.tiny else EPOCHS
    batches = pets.batches(train, SEED, scale=(0.35, 1.0), size=CROP)
    steps = epochs * len(batches)
    model = plain_from_its_first_step(asked) if kind == "plain" else pets.backbone()
    net = Fading(model) if kind == "faded" else model
    optimizer = training.sgd(model, LR, weight_decay=WEIGHT_DECAY, decay_norm_and_bias=False)
    history = training.fit(
        net, batches, None, epochs=epochs, optimizer=optimizer,
        scheduler=training.one_cycle(optimizer, steps=steps),
        callbacks=[FadingShortcuts(net, round(FADED * steps))] if isinstance(net, Fading) else [],
        checkpoint=asked.keep / f"{kind}.pt" if asked.keep else None,
    )  # fmt: skip
    asked.seconds += sum(history.seconds)
    model = without_shortcuts(model) if kind == "faded" else model
    return model.half().float().eval()  # the file keeps 16 bits of each weight, so those are what is tested


def cuts(net: Switchable) -> dict[str, tuple[Tensor, Tensor]]:
    """The multipliers of every single cut, (1, num_blocks) each, by what is cut.

    A branch goes with the shortcut staying, so that the block hands on what it got; also in the plain
    network, which has no shortcut otherwise.
    """
    found = {"nothing": net.usual()}
    for number in range(len(net.blocks)):
        shortcuts, branches = net.usual()
        shortcuts[:, number], branches[:, number] = 1, 0
        found[f"branch {number + 1}"] = shortcuts, branches
        if not net.blocks[number].is_plain:
            shortcuts, branches = net.usual()
            shortcuts[:, number] = 0
            found[f"shortcut {number + 1}"] = shortcuts, branches
    return found


@torch.inference_mode()
def logits_of(net: Switchable, images: Tensor, multipliers: tuple[Tensor, Tensor]) -> Tensor:
    """Logits (N, 2) of images uint8 (N, 3, size, size), cut alike for all of them."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    parts = []
    for batch in images.split(100):
        x = ((batch / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
        parts.append(net(x, *(value.expand(len(batch), -1) for value in multipliers)))
    return torch.cat(parts)


def measured(kind: str, model: models.ResNet, held_out: data.Split, drawn: data.Split) -> tuple[dict, float]:
    """How the whole network does, and the temperature that one half of the photographs gives."""
    net = Switchable(model)
    logits, labels = logits_of(net, held_out.images, net.usual()), held_out.labels
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SEED))
    fitted, judged = order.chunk(2)
    temperature = calibration.fit_temperature(logits[fitted], labels[fitted])
    right = evaluation.correct(logits, labels).double()
    on_drawn = evaluation.correct(logits_of(net, drawn.images, net.usual()), drawn.labels)
    error = calibration.expected_calibration_error
    return {
        "network": kind, "seed": SEED, "images": len(labels), "accuracy": right.mean().item(),
        "cats": right[labels == 0].mean().item(), "dogs": right[labels == 1].mean().item(),
        "drawn": on_drawn.double().mean().item(), "temperature": temperature,
        "calibration_error": error(logits[judged], labels[judged]),
        "calibration_error_tempered": error(logits[judged], labels[judged], temperature=temperature),
    }, temperature  # fmt: skip


def cut_rows(kind: str, model: models.ResNet, held_out: data.Split) -> list[record.Row]:
    """A row for each single cut: how often the network is still right on 200 of the photographs held out."""
    net = Switchable(model)
    some = held_out.take(min(100, held_out.labels.bincount().min().item()), seed=SEED)
    found = []
    for cut, multipliers in cuts(net).items():
        right = evaluation.correct(logits_of(net, some.images, multipliers), some.labels)
        row = {"network": kind, "cut": cut, "images": len(some)}
        found.append(row | {"accuracy": right.double().mean().item()})
    return found


def save(kind: str, model: models.ResNet, whole: dict, temperature: float, output: Path) -> str:
    """Write weights with their card, and the graph; the sha256 of the weights."""
    path = output / FOLDER / f"{kind}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    card = models.card_of(model, SHIPPED[kind], ("cat", "dog"))
    card |= {
        "size": SIZE,
        "mean": MEAN,
        "std": STD,
        "temperature": temperature,
        "threshold": 0.0,
        "flip": False,
    }
    card |= {"blocks": len(Switchable(model).blocks)}
    notes = ("images", "accuracy", "cats", "dogs", "calibration_error_tempered")
    card |= {"measured": {name: whole[name] for name in notes}}
    digest = weights.save_weights(
        copy.deepcopy(model).to(memory_format=torch.contiguous_format).half(), path, card=card
    )
    again = deployment.Classifier.load(path)  # the graph is that of the file
    live_graph.write(Switchable(again.model), path, size=SIZE, mean=MEAN, std=STD)
    return digest


def rows(asked: argparse.Namespace) -> list[record.Row]:
    """Trains all three, writes what the page runs, and cuts them."""
    runtime.setup(SEED)
    train, held_out, drawn = pictures(asked.tiny)
    found: list[record.Row] = []
    for kind in KINDS:
        model = trained(kind, train, asked)
        whole, temperature = measured(kind, model, held_out, drawn)
        print(whole, flush=True)
        found.append(whole)
        if kind in SHIPPED:
            digest = save(kind, model, whole, temperature, asked.output)
            found.append({"network": kind, "sha256": digest})
        found += cut_rows(kind, model, held_out)
    return found


if __name__ == "__main__":
    record.run(
        rows,
        claim="What every single cut does to a classifier with shortcuts, to one that never had any, and to "
        "one that lost them while it learned.",
        data="2,000 photographs of cats and dogs and 256 drawings to train on, 1,000 photographs held out",
        needs="cats_vs_dogs",
        seeds=[SEED],
        inputs=[pets.SOURCE],
        workers=False,
    )
