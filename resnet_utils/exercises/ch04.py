"""The checkers of chapter 4, "Building the whole network".

Introduced in chapter 4.

Each takes a reader's answer and returns "correct", or a sentence that says what is wrong and never what
would be right. None raises on an answer of a wrong kind, changes what it is given, or moves the global random
state.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_utils import data, models, training
from resnet_utils.analysis import complexity
from resnet_utils.exercises.answers import CORRECT, described, number, tried
from resnet_utils.models import preactivation

ROUNDING = 1e-12  # of the gradients of one pass in float64


# --- reading an answer -------------------------------------------------------------------------------------


def _not_a_number(answer: object, wanted: str) -> str:
    return f"the answer should be {wanted}, but this is {described(answer)}"


def _whole(answer: object) -> int | None:
    """A whole number above 0, also where it is written as a float."""
    value = number(answer)
    return int(value) if value is not None and value == int(value) and value > 0 else None


def _numbers(answer: object) -> list[float] | None:
    """Several numbers from a list, a tuple, an array or a tensor with one axis."""
    if isinstance(answer, Tensor | np.ndarray):
        answer = answer.tolist() if answer.ndim == 1 else None
    if not isinstance(answer, list | tuple):
        return None
    values = [number(value) for value in answer]
    found = [value for value in values if value is not None]
    return found if len(found) == len(values) else None


def _no_network(answer: object, parts: tuple[str, ...] = ()) -> str:
    """What keeps an answer from being a network with these parts; "" if nothing does."""
    if not isinstance(answer, nn.Module):
        return f"a network (an nn.Module) is wanted, but this is {described(answer)}"
    missing = [part for part in parts if not isinstance(getattr(answer, part, None), nn.Module)]
    return f"the network should have the parts {', '.join(missing)}, as torchvision's has" if missing else ""


def _on_meta(model: nn.Module) -> nn.Module:
    """A copy in eval mode with shapes but no numbers."""
    return copy.deepcopy(model).to("meta").eval()


def _runs(model: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a network on the "meta" device takes images of that shape."""
    try:
        with torch.no_grad():
            model(torch.empty(shape, device="meta"))
    except Exception:  # whatever a reader's forward raises
        return False
    return True


# --- the main notebook -------------------------------------------------------------------------------------


def check_stem_and_head(model: nn.Module) -> str:
    """Whether a network has the stem and the head of the paper.

    Stage 1 works on 56 x 56 places for images of 224 x 224, images of another size fit, and the head sees one
    number a channel.

    Args:
        model: an ``nn.Module`` with the parts ``conv1``, ``layer1``, ``layer4`` and ``fc``, as torchvision
            names them.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if wrong := _no_network(model, ("conv1", "layer1", "layer4", "fc")):
        return wrong
    head_sees = getattr(model.fc, "in_features", None)
    if head_sees is None:
        return "the head `fc` should be a linear layer"
    shadow, seen = _on_meta(model), {}
    for stage in ("layer1", "layer4"):
        note = lambda module, inputs, out, stage=stage: seen.__setitem__(stage, out.shape)  # noqa: E731
        shadow.get_submodule(stage).register_forward_hook(note)
    if not _runs(shadow, (1, 3, 224, 224)):
        return "it does not run on images of 3 x 224 x 224"
    side, channels = seen["layer1"][-1], seen["layer4"][1]
    if side != 56:
        return f"the first stage works on {side} x {side} places, not on 56 x 56: is there a max-pool?"
    if not _runs(shadow, (1, 3, 193, 161)):
        return "images of 193 x 161 pixels do not fit: the head depends on the size of the image"
    return CORRECT if head_sees == channels else "the head should see one number a channel"


def check_classifier(classify: Callable[[Tensor], Tensor], pixels: Tensor) -> str:
    """Whether an image gets the same logits alone and among others.

    Args:
        classify: a function of images (N, C, H, W) that returns logits (N, classes).
        pixels: at least two images, (N, C, H, W); the first one is tried alone.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if not isinstance(pixels, Tensor) or pixels.ndim != 4 or len(pixels) < 2:
        return f"at least two images (N, C, H, W) are wanted, but this is {described(pixels)}"
    alone, wrong = tried(classify, pixels[:1].clone())
    together, also = tried(classify, pixels.clone())
    if wrong or also:
        return wrong or also
    for logits, count in ((alone, 1), (together, len(pixels))):
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != count:
            return f"{count} image(s) should give logits of shape ({count}, classes), not {described(logits)}"
    if not torch.allclose(alone[0].detach(), together[0].detach(), atol=1e-3):
        return "the logits of an image depend on the others in its batch: is BatchNorm in train mode?"
    if torch.equal(together, together[:1].expand_as(together)) and not torch.equal(pixels[0], pixels[1]):
        return "every image gets the same logits: the function does not look at them"
    return CORRECT


def _resnet26() -> models.ResNet:
    row = replace(models.SPECS["resnet50"], blocks_per_stage=(2, 2, 2, 2))
    with torch.device("meta"):
        return models.ResNet(row)


def check_resnet26(model: nn.Module) -> str:
    """Whether a network is the ResNet-26 of bottlenecks.

    Args:
        model: an ``nn.Module``: ours, torchvision's or a class of one's own, with ``conv1``, ``layer1`` to
            ``layer4`` and ``fc``.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    stages = ("layer1", "layer2", "layer3", "layer4")
    if wrong := _no_network(model, ("conv1", "layer1", "fc")):
        return wrong
    if any(not isinstance(getattr(model, stage, None), nn.Module) for stage in stages):
        return "the table has four stages, layer1 to layer4"
    lengths = [len(list(getattr(model, stage).children())) for stage in stages]
    found = [block for stage in stages for block in getattr(model, stage).children()]
    convolutions = {sum(isinstance(m, nn.Conv2d) for m in block.children()) for block in found}
    if convolutions != {3}:
        return "each block should be a bottleneck, with a branch of three convolutions"
    if any(m.groups > 1 for block in found for m in block.modules() if isinstance(m, nn.Conv2d)):
        return "its convolutions work in groups, as in ResNeXt; a bottleneck's do not"
    if not any(isinstance(module, nn.MaxPool2d) for module in model.modules()):
        return "the stem should end in a max-pool"
    if len(set(lengths)) > 1:
        return "the four stages should be equally long"
    layers = complexity.weighted_layers(model)
    if layers != 26:
        return f"that makes {layers} weighted layers, not 26"
    if _layout(model) != _layout(_resnet26()):
        return "its widths or strides are not the table's"
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (model, _resnet26())]
    if norms[0] != norms[1]:
        return "behind each convolution, in branches and projections, stands one BatchNorm"
    return (
        CORRECT if _carries_past(found) else "a block adds its input to what its branch gives: is it added?"
    )


def _carries_past(found: list[nn.Module]) -> bool:
    """Whether each block without a projection gives back a positive input when all its weights are zero."""
    for block in found:
        convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
        if len(convolutions) > 3:  # the fourth one is the projection's
            continue
        silent = copy.deepcopy(block).to_empty(device="cpu").float().eval()
        for module in silent.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
        for parameter in silent.parameters():
            nn.init.zeros_(parameter)
        x = torch.ones(1, convolutions[0].in_channels, 3, 3)
        with torch.no_grad():
            out, wrong = tried(silent, x.clone())
        if wrong or not isinstance(out, Tensor) or not torch.equal(out, x):
            return False
    return True


def _layout(model: nn.Module) -> list[tuple]:
    """Shape and stride of each convolution, in no order that depends on names."""
    found = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    return sorted((tuple(conv.weight.shape), tuple(conv.stride)) for conv in found)


def check_layers(layers: float) -> str:
    """Judges a count of weighted layers for [3, 3, 3, 3] basic blocks behind the usual stem.

    Args:
        layers: the count, a whole number above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = _whole(layers)
    if value is None:
        return _not_a_number(layers, "a whole number of layers")
    blocks_in_all = 4 * 3
    true = 1 + 2 * blocks_in_all + 1
    hints = {
        true: CORRECT,
        50: "that is what its name says; count its convolutions",
        blocks_in_all: "those are the blocks; how many convolutions has each?",
        true - 1: "stem and head both have weights",
        true - 2: "stem and head have weights too",
        3 * blocks_in_all + 2: "a basic block has fewer convolutions than a bottleneck",
    }
    return hints.get(value, f"that is too {'few' if value < true else 'many'}: stem, blocks, head")


def check_images(n: float) -> str:
    """Judges the smallest number of test images for a half-width of half a point at 92 %.

    Args:
        n: the number of images, whole and at least 2.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    images = _whole(n)
    if images is None or images < 2:
        return _not_a_number(n, "a whole number of images, two at least")

    def half_width(count: int) -> float:
        return 100 * 1.96 * math.sqrt(0.92 * 0.08 / count)

    if half_width(images) > 0.5:
        return f"{images} images leave {half_width(images):.2f} points to each side, more than half a point"
    enough = half_width(images - 1) > 0.5
    return CORRECT if enough else f"{images} images are more than needed; find the smallest number"


def check_preact(model: nn.Module) -> str:
    """Looks at a pre-activation ResNet-20: its shape, parts and costs, and what its head sees.

    Args:
        model: an ``nn.Module`` made of ``PreActBlock``: images (N, 3, 32, 32) -> logits (N, 10). A copy of it
            is run.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if wrong := _no_network(model):
        return wrong
    model = copy.deepcopy(model).cpu().float().eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 32, 32, generator=generator) - 0.5
    try:
        with torch.no_grad():
            shape = tuple(model(x).shape)
    except Exception as error:  # whatever a reader's forward raises
        return f"it does not run on two images of 32 x 32: {type(error).__name__}"
    if shape != (2, 10):
        return f"two images of 32 x 32 should give logits of shape (2, 10), not {shape}"
    if sum(isinstance(module, preactivation.PreActBlock) for module in model.modules()) != 9:
        return "the network should be made of nine PreActBlocks"
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    if norms < 19:
        return "after the last block there should be one more BatchNorm, of 64 channels"
    if norms > 19:
        return "there is a BatchNorm too many: the stem has none, and after the last block there is one"
    return _preact_costs(model) or _preact_row(model, x) or _preact_end(model, x)


def _preact_costs(model: nn.Module) -> str:
    """Whether a pre-activation network has the parameters and multiply-adds of ResNet-20."""
    twin, shape = _twin(), (1, 3, 32, 32)
    if complexity.count_parameters(model) != complexity.count_parameters(twin):
        return "with option A it has exactly as many parameters as ResNet-20"
    if complexity.multiply_adds(model, shape) != complexity.multiply_adds(twin, shape):
        return "the second and the third stage should halve the image"
    return ""


def _twin() -> models.ResNet:
    with torch.device("meta"):
        return models.build("resnet20")


def _preact_row(model: nn.Module, x: Tensor) -> str:
    """Whether each block gets just what the one before has given, and the first what the stem has."""
    ran: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        ran.append((module, inputs[0].clone(), out))

    hooks = [
        module.register_forward_hook(note)
        for module in model.modules()
        if isinstance(module, preactivation.PreActBlock | nn.Conv2d)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    blocks = [entry for entry in ran if isinstance(entry[0], preactivation.PreActBlock)]
    given = [ran[0][2], *(out for _, _, out in blocks)]  # the first to run is the stem's convolution
    if len(blocks) != 9 or any(
        out.shape != seen.shape or not torch.equal(out, seen)
        for out, (_, seen, _) in zip(given, blocks, strict=False)
    ):
        return "each block should get what stem or block before has given, and nothing else, once"
    return ""


def _preact_end(model: nn.Module, x: Tensor) -> str:
    """Whether the head sees relu(BatchNorm(...)) of the last block: decided by what runs, not by its order
    of registration. The BatchNorm that runs last is made to give a known constant in each channel."""
    ran: list[tuple[nn.Module, Tensor]] = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.Linear):
            module.register_forward_hook(lambda module, inputs, out: ran.append((module, inputs[0])))
    with torch.no_grad():
        model(x)
        norms = [module for module, _ in ran if isinstance(module, nn.BatchNorm2d)]
        if norms[-1].num_features != 64 or any(
            norms[-1] is own for block in model.modules() if isinstance(block, preactivation.PreActBlock)
            for own in block.modules()
        ):  # fmt: skip
            return "the BatchNorm that is not part of a block should run after the last block"
        levels = torch.linspace(-1, 1, 64)
        norms[-1].weight.zero_()
        norms[-1].bias.copy_(levels)
        ran.clear()
        model(x)
    heads = [given for module, given in ran if isinstance(module, nn.Linear)]
    if not heads or heads[-1].shape[-1] != 64:
        return "the head should be a linear layer that sees 64 numbers"
    if heads[-1].min() < -1e-6:
        return "the head sees negative numbers: a ReLU belongs last"
    right = torch.allclose(heads[-1], levels.relu().expand_as(heads[-1]), atol=1e-5)
    return CORRECT if right else "between the last BatchNorm and the head stand a ReLU and an average"


# --- cost_and_receptive_field ------------------------------------------------------------------------------


def check_fewer_pixels(factor: float) -> str:
    """Judges a prediction of what ResNet-50 costs at 160 pixels, compared with 224.

    Args:
        factor: the multiply-adds at 160 pixels over those at 224, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(factor)
    if value is None:
        return _not_a_number(factor, "one number, a fraction")
    if value > 1:
        return "fewer pixels cannot cost more: give a fraction below 1"
    if value <= 0:
        return "it costs something: give a fraction above 0"
    if abs(value - 160 / 224) < 0.02:
        return "that is the ratio of the sides; how many places has a square?"
    near = abs(value - (160 / 224) ** 2) < 0.01
    return CORRECT if near else "count the places of a feature map at both sizes"


def check_maxpool(factor: float) -> str:
    """Judges a prediction of what stage 1 costs without the max-pool.

    Args:
        factor: the multiply-adds without over those with it, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(factor)
    if value is None:
        return _not_a_number(factor, "one number, a factor")
    with torch.device("meta"):
        stage = models.build("resnet34").get_submodule("layer1")
    without, with_pool = (complexity.multiply_adds(stage, (1, 64, side, side)) for side in (112, 56))
    true = without / with_pool
    if abs(value - true) < 0.01 * true:
        return CORRECT
    return f"that is too {'small' if value < true else 'large'}: think of both directions of the image"


def check_field(side: float) -> str:
    """Judges a receptive field for the last stage of ResNet-20.

    Args:
        side: its side in pixels, a whole number above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = _whole(side)
    if value is None:
        return _not_a_number(side, "a whole number of pixels")
    true, _ = complexity.receptive_field(_twin())["layer3"]
    if value == true:
        return CORRECT
    if value == 1 + 2 * (1 + 6 + 6 * 2 + 6 * 4):
        return "the first convolution of a stage still works at the step of the stage before"
    if value == true - 1:
        return "a single place sees one pixel before any window adds to it"
    return f"too {'narrow' if value < true else 'wide'}: add 2 j for each of the nineteen windows"


def check_batch(images: float) -> str:
    """Judges the largest batch of 224-pixel images for 7 GiB of activations of ResNet-50.

    Args:
        images: the number of images in the batch, a whole number above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    count = _whole(images)
    if count is None:
        return _not_a_number(images, "a whole number of images")
    with torch.device("meta"):
        model = models.build("resnet50")
    one = sum(complexity.activation_bytes(model, (1, 3, 224, 224)).values())
    need = count * one / 2**30
    if need > 7:
        return f"{count} images keep {need:.2f} GiB, more than 7"
    more = (count + 1) * one / 2**30
    return CORRECT if more > 7 else f"{count} images keep only {need:.1f} GiB; there is room for more"


# --- parity ------------------------------------------------------------------------------------------------


def check_parity(ours: nn.Module, theirs: nn.Module) -> str:
    """Hold one network against another: names and shapes, answers, one pass forward and back.

    Works on copies. The reference gets BatchNorms that look as after a training, since a fresh one hides the
    order of BatchNorm and ReLU.

    Args:
        ours: the ``nn.Module`` that is judged; it takes images (N, 3, H, W).
        theirs: the reference, whose weights both get.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if wrong := _no_network(ours) or _no_network(theirs):
        return wrong
    ours, theirs = copy.deepcopy(ours).cpu(), copy.deepcopy(theirs).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _disturb(theirs)
        given = theirs.state_dict()
        if {k: v.shape for k, v in ours.state_dict().items()} != {k: v.shape for k, v in given.items()}:
            return "the names or shapes of the weights differ"
        ours.load_state_dict(given)
        try:
            return _same_answers(ours, theirs) or _same_step(ours, theirs) or CORRECT
        except Exception as error:  # whatever a forward raises
            return f"it does not run on images of 3 channels: {type(error).__name__}"


def _disturb(model: nn.Module) -> None:
    """Give each BatchNorm of ``model`` statistics, a scale and a shift that are not those of a new one."""
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        with torch.no_grad():
            if norm.running_mean is not None and norm.running_var is not None:
                norm.running_mean.normal_(std=0.1)
                norm.running_var.uniform_(0.5, 1.5)
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(std=0.1)


@torch.inference_mode()
def _same_answers(ours: nn.Module, theirs: nn.Module) -> str:
    for height, width in ((64, 64), (97, 65)):
        x = torch.rand(2, 3, height, width)
        if not torch.equal(ours.eval()(x), theirs.eval()(x)):
            return f"the logits differ for images of {height} x {width} pixels"
    return ""


def _same_step(ours: nn.Module, theirs: nn.Module) -> str:
    x = torch.linspace(-1, 1, 2 * 3 * 48 * 48, dtype=torch.float64).sin().reshape(2, 3, 48, 48)
    after = []
    for model in (ours.double().train(), theirs.double().train()):
        model.zero_grad()
        nn.functional.cross_entropy(model(x), torch.tensor([1, 3])).backward()
        learned = {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in model.named_parameters()}
        after.append({"gradients": learned, "BatchNorm statistics": dict(model.named_buffers())})
    for what in after[0]:
        pairs = [(after[0][what][key], after[1][what][key]) for key in after[1][what]]
        if any(((a - b).abs() / b.abs().clamp_min(1)).max() > ROUNDING for a, b in pairs):
            return f"the {what} differ after one pass forward and back"
    return ""


def check_levels(answer: tuple[str, str]) -> str:
    """Judges which levels of the comparison first find another epsilon, and another momentum of BatchNorm.

    Args:
        answer: a pair of levels, epsilon first, each of them "names", "answers" or "a step".

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    form = 'give a pair of levels, epsilon first, such as ("names", "names")'
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        return form
    if not all(isinstance(level, str) for level in answer):
        return form
    epsilon, momentum = (level.strip().lower().removeprefix("a ") for level in answer)
    if unknown := [level for level in (epsilon, momentum) if level not in ("names", "answers", "step")]:
        return f"{unknown[0]!r} is none of the three levels"
    if "names" in (epsilon, momentum):
        return "neither epsilon nor momentum is stored with the weights, so names and shapes agree"
    if epsilon != "answers":
        return "is epsilon idle in eval mode? Look at the formula of BatchNorm"
    return CORRECT if momentum == "step" else "what does momentum do in eval mode?"


def check_unseen(change: Callable[[nn.Module], object]) -> str:
    """Whether a change makes a new ResNet-18 train otherwise, unseen by ``check_parity``.

    Args:
        change: a function ``change(model)`` that alters the network in place, or returns the changed one.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.build("resnet18", 5)
        reference = torchvision.models.resnet18(num_classes=5)
        before = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
        returned, wrong = tried(change, model)
    if wrong:
        return wrong
    changed = returned if isinstance(returned, nn.Module) else model
    found = check_parity(changed, reference)
    if found != CORRECT:
        return f"the comparison notices: {found}"
    after = dict(changed.named_parameters())
    moved = any(not torch.equal(before[name], after[name].detach()) for name in before)
    return CORRECT if moved else "it begins with the same weights as before, so it trains as before"


# --- learning_rate -----------------------------------------------------------------------------------------


def check_head(model: nn.Module, num_classes: int) -> str:
    """Whether a new network has an output for each class, and a loss near the logarithm of their number.

    The average over all labels, for random images of 28 x 28, in train mode (a copy of the network runs).

    Args:
        model: an ``nn.Module``: images of 28 x 28, in the channels of its first convolution -> logits (N,
            outputs).
        num_classes: the number of classes, whole and at least 2.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if wrong := _no_network(model):
        return wrong
    classes = _whole(num_classes)
    if classes is None or classes < 2:
        return _not_a_number(num_classes, "a number of classes, two at least")
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(32, 1 if first is None else first.in_channels, 28, 28, generator=generator)
    logits, wrong = tried(torch.no_grad()(copy.deepcopy(model).cpu().train()), x)
    if wrong or not isinstance(logits, Tensor) or logits.ndim != 2:
        return "it does not give logits (N, classes) for images of 28 x 28"
    if logits.shape[1] < classes:
        return f"it has {logits.shape[1]} outputs for {classes} classes"
    away = -logits.log_softmax(dim=1)[:, :classes].mean().item() - math.log(classes)
    if abs(away) > 1:
        return f"the loss begins {away:+.1f} nats off"
    many = logits.shape[1]
    return (
        CORRECT if many == classes else f"the loss hides it, but it has {many} outputs for {classes} classes"
    )


def check_rates(rates: Callable[[float, float, int], object]) -> str:
    """Whether a function gives rates that rise by equal factors, both ends in.

    Args:
        rates: a function of (low, high, steps) that returns ``steps`` numbers in a list, a tuple, an array or
            a tensor.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for low, high, steps in ((1e-3, 3.0, 50), (0.01, 1.0, 3), (1e-4, 10.0, 2)):
        answer, wrong = tried(rates, low, high, steps)
        if wrong:
            return wrong
        found = _numbers(answer)
        if found is None:
            return f"a list of numbers is wanted, but this is {described(answer)}"
        if len(found) != steps:
            return f"{steps} rates are wanted, not {len(found)}"
        if not math.isclose(found[0], low, rel_tol=1e-5):
            return f"the first rate should be {low:g}, not {found[0]:.4g}"
        if not math.isclose(found[-1], high, rel_tol=1e-5):
            return f"the last rate should be {high:g}, not {found[-1]:.4g}"
        factors = [b / a if a > 0 else math.inf for a, b in itertools.pairwise(found)]
        if max(factors) > 1.0001 * min(factors):
            return "the rates do not rise by equal factors: divide each by the one before"
    return CORRECT


def check_excess(nats: float) -> str:
    """Judges by how much the loss of ten classes begins too high with twenty equal outputs.

    Args:
        nats: the difference in nats, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(nats)
    if value is None:
        return _not_a_number(nats, "one number of nats")
    true = math.log(20) - math.log(10)
    if abs(value - true) < 0.01:
        return CORRECT
    if abs(abs(value) - true) < 0.01:
        return "is the loss too high or too low?"
    if min(abs(value - math.log(20)), abs(value - math.log(10))) < 0.02:
        return "that is a whole loss; by how much do the two losses differ?"
    if abs(value - 1) < 0.01:
        return "that would be in bits; the losses of this book are in nats"
    return "what loss has a network with ten equal outputs, and what loss one with twenty?"


# --- learning_by_heart -------------------------------------------------------------------------------------


def check_mix(mix: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]) -> str:
    """Tries a mixing function on four images whose brightness is their class.

    Args:
        mix: a function of (images, targets, share), of (N, C, H, W), (N, classes) and a number, that returns
            mixed images and shares of the labels in the same shapes.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    targets = torch.eye(4, dtype=torch.float64)
    levels = torch.arange(4.0, dtype=torch.float64)
    images = levels[:, None, None, None].expand(4, 1, 2, 2)
    answer, wrong = tried(mix, images.clone(), targets.clone(), 0.75)
    if wrong:
        return wrong
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        return f"two things are wanted, images and label shares, but this is {described(answer)}"
    mixed, shares = (torch.as_tensor(x) if isinstance(x, Tensor | np.ndarray) else None for x in answer)
    if mixed is None or shares is None or mixed.shape != (4, 1, 2, 2) or shares.shape != (4, 4):
        return "four images (4, 1, 2, 2) and shares (4, 4) should keep their shapes"
    mixed, shares = mixed.double(), shares.double()
    if not torch.allclose(shares.sum(dim=1), torch.ones(4, dtype=torch.float64), atol=1e-5):
        return "the shares of a label must sum to one"
    if not torch.allclose(mixed, (shares @ levels)[:, None, None, None].expand_as(mixed), atol=1e-5):
        return "images and labels are not mixed in the same way"
    if not torch.allclose(shares.diagonal(), torch.full((4,), 0.75, dtype=torch.float64), atol=1e-5):
        return "each image should keep the weight `share` on itself"
    partner = 0.25 * targets[[3, 0, 1, 2]]
    if not torch.allclose(shares, 0.75 * targets + partner, atol=1e-5):
        return "the partner should be the image before, the first one's the last"
    return CORRECT


def check_half_life(steps: float) -> str:
    """Judges after how many steps of rate 0.1 weight decay 0.0005 alone leaves half of a weight.

    Args:
        steps: the number of steps, above 0; it need not be whole.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(steps)
    if value is None or value <= 0:
        return _not_a_number(steps, "a number of steps")
    decay = 0.1 * 0.0005
    true = math.log(0.5) / math.log(1 - decay)
    if abs(value - true) < 0.005 * true:
        return CORRECT
    hints = {
        math.log(2) / 0.0005: "the learning rate counts too: what does one step take away?",
        0.5 / decay: "each step takes a share of what is left, not always the same amount",
        1 / decay: "after so many steps about a third is left",
    }
    for known, hint in hints.items():
        if abs(value - known) < 0.01 * known:
            return hint
    return f"then {100 * (1 - decay) ** value:.3g} % are left"


# --- weight_decay ------------------------------------------------------------------------------------------


def check_stretch(factor: float) -> str:
    """Judges the factor of the learning rate for filters before a BatchNorm that begin three times as long.

    Args:
        factor: new rate over old rate, for plain SGD, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(factor)
    if value is None or value <= 0:
        return _not_a_number(factor, "one number above 0")
    if abs(value - 9) < 0.05:
        return CORRECT
    hints = (
        (3.0, "that makes up for the length of the filter; what has happened to the gradient?"),
        (1.0, "then each step turns the longer filter less"),
        (1 / 9, "it is the other way round: does a longer filter turn more, or less?"),
        (1 / 3, "does a longer filter turn more in a step, or less?"),
    )
    near = (hint for known, hint in hints if abs(value - known) < 0.02 * known)
    return next(near, f"that is too {'small' if value < 9 else 'large'}")


def check_growth(factor: float) -> str:
    """Judges by how much the rate grows in 10,000 steps that stand for rate 0.1 and weight decay 0.0005.

    Args:
        factor: the last rate over the first one, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(factor)
    if value is None or value <= 0:
        return _not_a_number(factor, "one number above 0")
    one_step = (1 - 0.1 * 0.0005) ** -2
    true = one_step**10_000
    if abs(value - true) < 0.1:
        return CORRECT
    hints = (
        (true**0.5, "what counts is the rate over the squared length of the filter"),
        (1 / true, "without decay the filters grow too long, so the rate that makes up for it grows"),
        (one_step, "that is the factor of one step"),
    )
    near = (hint for known, hint in hints if abs(value - known) < 0.005 * known)
    return next(near, f"that is too {'small' if value < true else 'large'}")


# --- averages ----------------------------------------------------------------------------------------------


def check_memory(steps: float) -> str:
    """Judges after how many steps half of an old weight is left in a moving average of decay 0.998.

    Args:
        steps: the number of steps, at least 1; it need not be whole.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(steps)
    if value is None or value < 1:
        return _not_a_number(steps, "a number of steps")
    true = math.log(0.5) / math.log(0.998)
    if abs(value - true) < 1.5:
        return CORRECT
    if abs(value - 500) < 5:
        return "after so many steps a little more than a third is left"
    return f"then {100 * 0.998**value:.3g} % are left"


def check_refresh(refresh: Callable[[nn.Module, list[tuple[Tensor, Tensor]]], object]) -> str:
    """Whether a function gives every BatchNorm the averages of all batches, and leaves the modes alone.

    Args:
        refresh: a function of (model, batches), of a network and a list of (images, labels), that changes the
            running averages in place, or returns the network.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    generator = torch.Generator().manual_seed(0)
    images = [3 * k + torch.randn(8, 2, 5, 5, generator=generator) for k in range(3)]
    model = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()).eval()
    before = copy.deepcopy(model.state_dict())
    returned, wrong = tried(refresh, model, [(x, torch.zeros(8)) for x in images])
    if wrong:
        return wrong
    changed = returned if isinstance(returned, nn.Module) else model
    norm = next((m for m in changed.modules() if isinstance(m, nn.BatchNorm2d)), None)
    if norm is None or norm.running_mean is None or norm.running_var is None:
        return "the network has no BatchNorm with running averages any more"
    if torch.equal(norm.running_mean, before["0.running_mean"]):
        return "the running averages are still those from before"
    means = torch.stack([x.mean(dim=(0, 2, 3)) for x in images]).mean(dim=0)
    variances = torch.stack([x.var(dim=(0, 2, 3)) for x in images]).mean(dim=0)
    if not torch.allclose(norm.running_mean, means, atol=1e-3):
        return "the running mean should be the plain average over all batches, each with the same weight"
    if not torch.allclose(norm.running_var, variances, atol=1e-3):
        return "the running variance should be the average of the variances of all batches"
    if changed.training or norm.training:
        return "the network came in eval mode, and should leave in it: look at the modes"
    return CORRECT if norm.momentum == 0.1 else "the momentum of the BatchNorm is another one now"


# --- sixteen_bits ------------------------------------------------------------------------------------------


def check_lost(size: float) -> str:
    """Judges the largest power of two that is lost when it is added to 1 in bfloat16.

    Args:
        size: the number that is added, above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(size)
    if value is None:
        return _not_a_number(size, "one number")
    if value <= 0:
        return "give a number above 0"
    if math.log2(value) != round(math.log2(value)):
        return "a power of two is wanted, such as 2**-3"
    one = torch.ones((), dtype=torch.bfloat16)
    kept = float(one + torch.tensor(value, dtype=torch.bfloat16)) != 1
    if kept:
        return "added to 1 it is kept: there is a smaller one"
    if value >= torch.finfo(torch.bfloat16).eps / 2:
        return CORRECT
    hints = {2.0**-11: "float16", 2.0**-10: "float16", 2.0**-24: "float32", 2.0**-23: "float32"}
    return f"it is lost, but so is a larger one{': that is ' + hints[value] if value in hints else ''}"


def check_scaled_step(unscale: Callable[[list[Tensor], float], object]) -> str:
    """Whether a function takes the scale out of gradients, and says whether the step may be taken.

    Args:
        unscale: a function of (gradients, scale), of float16 tensors and a number, that returns the gradients
            in float32, divided by the scale, and whether all of them are finite.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    scale = 2.0**14
    true = [torch.tensor([1.5e-8, -0.25]), torch.tensor([[3e-6]])]
    scaled = [(g * scale).half() for g in true]
    for overflows in (False, True):
        given = [g.clone() for g in scaled]
        if overflows:
            given[1][0, 0] = math.inf
        answer, wrong = tried(unscale, given, scale)
        if wrong:
            return wrong
        if (
            not isinstance(answer, list | tuple)
            or len(answer) != 2
            or not isinstance(answer[0], list | tuple)
        ):
            return f"a pair is wanted, the gradients and whether to step, but this is {described(answer)}"
        found, may_step = answer
        if overflows:
            return CORRECT if not may_step else "a gradient that is not finite must not become a step"
        if len(found) != 2 or any(not isinstance(g, Tensor) for g in found):
            return "there should be as many gradients as before"
        if any(g.dtype != torch.float32 for g in found):
            return "in float16 the small ones are gone once the scale is: go to float32 before"
        if not all(torch.allclose(g, t, rtol=1e-2, atol=0) for g, t in zip(found, true, strict=True)):
            return "the gradients are not those of the loss: divide by the scale"
        if not may_step:
            return "these gradients are all finite, so the step may be taken"
    return CORRECT


# --- start_here --------------------------------------------------------------------------------------------


def check_steps(steps: float) -> str:
    """Judges the number of steps for 8,068 images in whole batches of 64, 40 epochs.

    Args:
        steps: the number of steps, whole and above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(steps)
    if value is None or value <= 0:
        return _not_a_number(steps, "a number of steps")
    hints: dict[float, str] = {
        8068 // 64 * 40: CORRECT,
        8068 // 64: "those are the steps of one epoch",
        8068 * 40: "those are images; a batch of them makes one step",
        -(-8068 // 64) * 40: "the short last batch of each epoch is left out",
        -(-8068 // 64): "those are the steps of one epoch, with its short last batch",
    }
    if value != int(value):
        return "a step is taken or not: count whole batches, epoch by epoch"
    return hints.get(int(value), "count the whole batches of an epoch, then the epochs")


def check_epochs(epochs: float) -> str:
    """Judges how many epochs of a tenth of the images make as many steps as 16 of all.

    Args:
        epochs: the number of epochs, above 0; within one per cent.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(epochs)
    if value is None or value <= 0:
        return _not_a_number(epochs, "a number of epochs")
    true = 16 * (60_000 // 64) / (6_000 // 64)
    if abs(value - true) < 0.015 * true:
        return CORRECT
    if value == 16:
        return "the same epochs have fewer steps when there are fewer images"
    if abs(value - 1.6) < 0.05:
        return "fewer images make an epoch shorter, not longer"
    return f"that makes too {'few' if value < true else 'many'} steps"


# --- convnext ----------------------------------------------------------------------------------------------


def check_depthwise(share: float) -> str:
    """Judges which share of a 3x3 convolution's weights a depthwise 7x7 has, 64 channels in and out, no bias.

    Args:
        share: one number between 0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(share)
    if value is None or value <= 0:
        return _not_a_number(share, "one number above 0")
    true = (64 * 49) / (64 * 64 * 9)
    if abs(value - true) < 0.02 * true:
        return CORRECT
    hints = (
        (49 / 9, "that compares the windows; how many input channels does each filter see?"),
        (1 / true, "that is how many times as many the other one has"),
        (1 / 64, "the windows differ in size, too"),
        (9 / 49, "a depthwise filter sees one channel, and its window is the larger one"),
        (49, "those are the weights of one filter"),
        (64 * 49, "those are weights; which share of the other's is it?"),
    )
    near = (hint for known, hint in hints if abs(value - known) < 0.01 * known)
    return next(near, f"that is too {'small' if value < true else 'large'}")


def check_place_norm(norm: Callable[[Tensor], Tensor]) -> str:
    """Whether a function normalises each place of each image over its channels, by their biased variance.

    Args:
        norm: a function of a feature map (N, C, H, W) that returns one of the same shape.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    generator = torch.Generator().manual_seed(0)
    x = 2 + 3 * torch.randn(3, 5, 4, 4, generator=generator, dtype=torch.float64)
    answer, wrong = tried(norm, x.clone())
    if wrong:
        return wrong
    if not isinstance(answer, Tensor) or answer.shape != x.shape:
        return f"a feature map of the same shape (3, 5, 4, 4) is wanted, but this is {described(answer)}"
    answer = answer.detach().double()
    alone, wrong = tried(norm, x[:1].clone())
    if wrong or not isinstance(alone, Tensor) or not torch.allclose(alone.double()[0], answer[0], atol=1e-6):
        return "the answer for an image depends on the others in its batch"
    true = nn.functional.layer_norm(x.permute(0, 2, 3, 1), (5,), eps=1e-6).permute(0, 3, 1, 2)
    hints = (
        (true, CORRECT),
        (true * (4 / 5) ** 0.5, "divide by the variance without the correction: unbiased=False"),
        (
            nn.functional.layer_norm(x, x.shape[1:], eps=1e-6),
            "each place by itself, not all of an image at once",
        ),
        (
            nn.functional.instance_norm(x, eps=1e-6),
            "over the channels of a place, not over the places of a channel",
        ),
        (x - x.mean(dim=1, keepdim=True), "it is not divided yet"),
    )
    near = (said for known, said in hints if torch.allclose(answer, known, atol=1e-4))
    return next(near, "at a place the mean over the channels should be 0 and their variance 1")


# --- modern_recipe -----------------------------------------------------------------------------------------


def check_paste(paste: Callable[[Tensor, Tensor, tuple[int, int, int, int]], tuple[Tensor, Tensor]]) -> str:
    """Tries a function that pastes a box of the image before into each image, and shares the labels by area.

    Args:
        paste: a function of (images, targets, (top, left, height, width)), of (N, C, H, W) and (N, classes),
            that returns images and label shares of the same shapes.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    targets, box = torch.eye(3, dtype=torch.float64), (1, 2, 3, 2)
    images = torch.arange(3 * 5 * 8, dtype=torch.float64).reshape(3, 1, 5, 8)
    answer, wrong = tried(paste, images.clone(), targets.clone(), box)
    if wrong:
        return wrong
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        return f"two things are wanted, images and label shares, but this is {described(answer)}"
    pasted, shares = (torch.as_tensor(x) if isinstance(x, Tensor | np.ndarray) else None for x in answer)
    if pasted is None or shares is None or pasted.shape != images.shape or shares.shape != (3, 3):
        return "three images (3, 1, 5, 8) and shares (3, 3) should keep their shapes"
    pasted, shares = pasted.double(), shares.double()
    inside = torch.zeros(5, 8, dtype=torch.bool)
    inside[1:4, 2:4] = True
    before = images.roll(1, dims=0)
    if not torch.equal(pasted[..., ~inside], images[..., ~inside]):
        return "outside the box an image should be as it was"
    if not torch.equal(pasted[..., inside], before[..., inside]):
        return "in the box there should be the same places of the image before, in the first one the last's"
    if not torch.allclose(shares.sum(dim=1), torch.ones(3, dtype=torch.float64), atol=1e-6):
        return "the shares of a label must sum to one"
    other = 6 / 40
    if torch.allclose(shares, targets, atol=1e-6):
        return "the labels have to be shared too"
    if not torch.allclose(shares, (1 - other) * targets + other * targets.roll(1, dims=0), atol=1e-6):
        return "the other label gets the share of the area that was pasted"
    return CORRECT


def check_box_side(pixels: float) -> str:
    """Judges the side of the square that CutMix pastes into 32 x 32 pixels when a quarter of the label goes.

    Args:
        pixels: the side, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(pixels)
    if value is None or value <= 0:
        return _not_a_number(pixels, "one number of pixels")
    hints = {
        32 * 0.25**0.5: CORRECT,
        32 * 0.25: "that is a quarter of the side; which share of the area is it?",
        32 * 32 * 0.25: "those are the pixels in the square; how long is its side?",
        32 * 0.75: "that is three quarters of the side",
    }
    near = (hint for known, hint in hints.items() if abs(value - known) < 0.05)
    return next(near, f"a square of that side is {100 * min(value, 32) ** 2 / 32**2:.0f} % of the picture")


# --- fashion_mnist -----------------------------------------------------------------------------------------


def check_tries(chance: float) -> str:
    """Judges the chance that at least one of four independent even tries reaches a mark.

    Args:
        chance: one number between 0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(chance)
    if value is None:
        return _not_a_number(chance, "one number, a chance")
    if not 0 <= value <= 1:
        return "a chance lies between 0 and 1; those of several tries do not simply add up"
    true = 1 - 0.5**4
    if abs(value - true) < 0.005:
        return CORRECT
    if abs(value - 0.5) < 0.005:
        return "that is the chance of a single try"
    if abs(value - (1 - true)) < 0.005:
        return "that is the chance that no try reaches it, or that all do"
    if abs(value - 0.25) < 0.005:
        return "that is the chance of exactly one; more than one would do as well"
    return f"that is too {'small' if value < true else 'large'}"


class _Lopsided(nn.Module):
    """Logits that know left from right and up from down."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.rand(3, 2 * 4 * 4, generator=generator, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x.to(torch.float64).flatten(1) @ self.weight.T


def check_mirror(with_mirror: Callable[[nn.Module, Tensor], Tensor]) -> str:
    """Whether a function averages the answers to images and to their mirror images.

    Args:
        with_mirror: a function of (model, pixels), of a network and images (N, C, H, W), that returns (N,
            classes): the mean of the logits, or that of the shares of the classes (softmax).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    model, generator = _Lopsided(), torch.Generator().manual_seed(1)
    pixels = torch.rand(5, 2, 4, 4, generator=generator)
    answer, wrong = tried(with_mirror, model, pixels.clone())
    if wrong:
        return wrong
    if not isinstance(answer, Tensor) or answer.shape != (5, 3):
        return f"five images and three classes should give a tensor (5, 3), but this is {described(answer)}"
    answer = answer.detach().double()
    plain, mirrored, upside_down = (model(x) for x in (pixels, pixels.flip(3), pixels.flip(2)))
    mean = (plain + mirrored) / 2
    shares = (plain.softmax(1) + mirrored.softmax(1)) / 2
    hints = (
        (mean, CORRECT),
        (shares, CORRECT),
        (2 * mean, "that is the sum of both; the mean is wanted"),
        (plain, "that is the answer to the images alone"),
        (mirrored, "that is the answer to the mirror images alone"),
        (upside_down, "that is the answer to images that stand on their heads, and to them alone"),
        ((plain + upside_down) / 2, "the images stand on their heads: which axis is left and right?"),
    )
    near = (said for known, said in hints if torch.allclose(answer, known, atol=1e-5))
    return next(near, "that is not the mean of the logits of the image and of its mirror image")


# --- stop_and_export ---------------------------------------------------------------------------------------


def _new_run() -> dict[str, Any]:
    """A small network with all that trains it; begins with the same numbers at each call."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=generator, dtype=torch.uint8)
    split = data.Split(images, torch.arange(40) % 10, tuple("abcdefghij"), source="noise")
    torch.manual_seed(0)
    model = models.build("resnet20", 10, in_channels=1, width=4)
    batches = data.loader(split, 10, shuffle=True, seed=0)
    optimizer = training.sgd(model, lr=0.1)
    schedule = training.one_cycle(optimizer, steps=3 * len(batches))
    return {"model": model, "optimizer": optimizer, "schedule": schedule, "batches": batches}


def _go_on(run: dict[str, Any], epochs: int) -> dict[str, Any]:
    for _ in range(epochs):
        training.train_one_epoch(
            run["model"], run["batches"], run["optimizer"], device="cpu", scheduler=run["schedule"]
        )
    return run


def check_carry_over(carry_over: Callable[[dict, dict], object]) -> str:
    """Whether a run that goes on in a new process ends like one that was never stopped.

    Args:
        carry_over: a function ``carry_over(old, new)`` of two dictionaries with "model", "optimizer",
            "schedule" and "batches" that copies state into the objects of the new one; the objects of the old
            process would be gone.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    with torch.random.fork_rng(devices=[]):
        whole, stopped, new = _go_on(_new_run(), 3), _go_on(_new_run(), 1), _new_run()
        own = dict(new)
        _, wrong = tried(carry_over, stopped, new)
        if wrong:
            return wrong
        if swapped := [name for name in own if new.get(name) is not own[name]]:
            return f"new[{swapped[0]!r}] is another object now: copy the state into the one that is there"
        try:
            _go_on(new, 2)
        except Exception as error:  # a reader's state may break anything
            return f"the new run does not go on: {type(error).__name__}"
        wanted, found = whole["model"].state_dict(), new["model"].state_dict()
        apart = sum(not torch.equal(wanted[name], found[name]) for name in wanted)
    return f"{apart} tensors end elsewhere: something was left behind" if apart else CORRECT


def check_size(megabytes: float) -> str:
    """Judges the size of a file with ResNet-50's weights and buffers as float32.

    Args:
        megabytes: the size in millions of bytes, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(megabytes)
    if value is None:
        return _not_a_number(megabytes, "one number of megabytes")
    with torch.device("meta"):
        model = models.build("resnet50")
    true = sum(tensor.nbytes for tensor in model.state_dict().values()) / 1e6
    if abs(value - true) < 0.02 * true:
        return CORRECT
    hints = (
        (true * 1e6, "that is in bytes; megabytes are wanted"),
        (true * 1e6 / 2**20, "that is in units of 2 to the 20; a megabyte here is a million bytes"),
        (true / 4, "a float32 number takes more than one byte"),
        (true / 2, "that would do for 16 bits a number"),
        (2 * true, "that would be 64 bits a number"),
        (8 * true, "those are megabits"),
    )
    near = (hint for known, hint in hints if abs(value - known) < 0.03 * known)
    return next(near, f"that is too {'small' if value < true else 'large'}")


# --- recipe ------------------------------------------------------------------------------------------------


def _stored(name: str, version: str) -> tuple[float, float]:
    """Top-1 accuracy in percent and billions of multiply-adds that torchvision stores with weights."""
    import torchvision

    meta = torchvision.models.get_model_weights(name)[version].meta
    return meta["_metrics"]["ImageNet-1K"]["acc@1"], meta["_ops"]


def check_errors(share: float) -> str:
    """Judges which share of the errors of ResNet-50's first weights the second ones remove.

    Args:
        share: one number between 0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(share)
    if value is None:
        return _not_a_number(share, "one number, a share")
    (old, _), (new, _) = (_stored("resnet50", f"IMAGENET1K_V{k}") for k in (1, 2))
    true = (new - old) / (100 - old)
    if abs(value - true) < 0.004:
        return CORRECT
    hints = (
        (100 * true, "give a share between 0 and 1"),
        (-true, "a share of errors that are gone is positive"),
        ((new - old) / 100, "that is the gain in points; which share of the errors is it?"),
        ((new - old) / old, "that is a share of the right answers, not of the errors"),
        ((new - old) / (100 - new), "compare with the errors that there were before"),
        ((100 - new) / (100 - old), "that is the share that stays"),
    )
    near = (hint for known, hint in hints if abs(value - known) < 0.02 * abs(known))
    return next(near, "divide what is gone by the errors of the first weights")


def check_gain(points: tuple[float, float]) -> str:
    """Judges the points that an extra billion multiply-adds buys, under the first weights of each network.

    Args:
        points: two numbers: from ResNet-50 to 101, and from 101 to 152.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    found = _numbers(points)
    if found is None or len(found) != 2:
        return f"a pair of numbers is wanted, but this is {described(points)}"
    (a, x), (b, y), (c, z) = (_stored(f"resnet{depth}", "IMAGENET1K_V1") for depth in (50, 101, 152))
    true = ((b - a) / (y - x), (c - b) / (z - y))
    hints = (
        (true, CORRECT),
        (true[::-1], "the first step comes first"),
        ((b - a, c - b), "those are points; divide each by the billions that its step costs"),
        ((1 / true[0], 1 / true[1]), "those are billions for a point; points for a billion are wanted"),
        ((b / y, c / z), "compare the *extra* points with the *extra* billions of each step"),
    )
    near = (
        said for known, said in hints
        if all(abs(value - wanted) < 0.02 * wanted for value, wanted in zip(found, known, strict=True))
    )  # fmt: skip
    return next(near, "divide the difference in accuracy by the difference in multiply-adds, step by step")
