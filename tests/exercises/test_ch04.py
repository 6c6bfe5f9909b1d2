"""The checkers of chapter 4: right answers in several forms are accepted, plausible wrong ones refused."""

from __future__ import annotations

import copy
import inspect
import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from resnet_utils import models
from resnet_utils.exercises import ch04
from resnet_utils.models import blocks, preactivation

# --- networks ----------------------------------------------------------------------------------------------


def resnet(block, *lengths):
    """torchvision's class with a row of our own, the reader's likeliest other form."""
    return torchvision.models.ResNet(block, list(lengths))


def of_row(name, *lengths):
    return models.ResNet(replace(models.SPECS[name], blocks_per_stage=lengths))


def without_pool():
    model = models.build("resnet18")
    model.maxpool = nn.Identity()
    return model


def flattened():
    model = models.build("resnet18")
    model.avgpool, model.fc = nn.Identity(), nn.Linear(512 * 7 * 7, 1000)
    return model


def half_of_the_channels():
    model = models.build("resnet18")
    model.avgpool = nn.AdaptiveAvgPool2d((2, 1))
    model.fc = nn.Linear(1024, 1000)
    return model


def preact(*end, stem=(), strides=(1, 2, 2), shortcut="A"):
    body, channels = [blocks.conv(3, 16, 3), *stem], 16
    for width, stride in zip((16, 32, 64), strides, strict=True):
        for k in range(3):
            body.append(
                preactivation.PreActBlock(channels, width, stride if k == 0 else 1, shortcut=shortcut)
            )
            channels = width
    return nn.Sequential(*body, *end, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def bottlenecks_without_shortcuts():
    model = of_row("resnet50", 2, 2, 2, 2)
    for module in model.modules():
        if isinstance(module, blocks.Bottleneck):
            module.forward = lambda x, own=module: own.bn3(
                own.conv3(own.bn2(own.conv2(own.bn1(own.conv1(x)).relu())).relu())
            ).relu()
    return model


def projections_without_norm():
    model = of_row("resnet50", 2, 2, 2, 2)
    for stage in model.stages:
        first = model.get_submodule(stage)[0]
        first.downsample = first.downsample[:1]
    return model


def relus_between_the_blocks():
    whole = preact(nn.BatchNorm2d(64), nn.ReLU())
    return nn.Sequential(*whole[:4], nn.ReLU(), *whole[4:])


class PreActNet(nn.Module):
    """The same network with the end registered first and a functional ReLU."""

    def __init__(self, relu_first=False, idle=False):
        super().__init__()
        whole = preact(nn.BatchNorm2d(64), nn.ReLU())
        self.fc, self.bn = whole[-1], whole[10]
        self.body = whole[:10]
        self.relu_first, self.idle = relu_first, idle

    def forward(self, x):
        x = self.body(x)
        if self.idle:
            return self.fc(x.relu().mean(dim=(2, 3)))
        x = self.bn(x.relu()) if self.relu_first else self.bn(x).relu()
        return self.fc(x.mean(dim=(2, 3)))


def with_inverted_strides():
    model = models.build("resnet18", 5)
    model.layer2[0].conv1.stride = model.layer2[0].downsample[0].stride = (1, 1)
    return model


def without_norm():
    model = models.build("resnet18", 5)
    model.layer2[0].downsample = model.layer2[0].downsample[:1]
    return model


def with_a_detached_branch():
    model = models.build("resnet18", 5)
    model.layer3[0].conv2.register_forward_hook(lambda module, inputs, out: out.detach())
    return model


REFERENCE = torchvision.models.resnet18(num_classes=5)
PIXELS = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
SMALL = models.build("resnet20", 10, in_channels=1, width=4)


def grey(outputs):
    return models.build("resnet20", outputs, in_channels=1, width=8)


def with_a_silent_head(outputs):
    """All outputs alike, so the loss begins at exactly the logarithm of their number."""
    model = grey(outputs)
    nn.init.zeros_(model.fc.weight)
    nn.init.zeros_(model.fc.bias)
    return model


# --- functions that a reader may write ---------------------------------------------------------------------


def careful(pixels):
    with torch.inference_mode():
        return copy.deepcopy(SMALL).eval()(pixels)


def careful_in_double(pixels):
    return copy.deepcopy(SMALL).double().eval()(pixels.double())


def forgetful(pixels):
    return copy.deepcopy(SMALL).train()(pixels)


def zero_start(model):
    for module in model.modules():
        if isinstance(module, blocks.BasicBlock):
            blocks.zero_last_scale(module)


def other_start(model):
    for p in model.parameters():
        nn.init.normal_(p, std=0.02)
    return model


def one_detached(model):
    model.layer1[0].conv2.register_forward_hook(lambda module, inputs, out: out.detach())


def other_stride(model):
    model.layer2[0].conv1.stride = model.layer2[0].downsample[0].stride = (1, 1)


def other_statistics(model):
    model.bn1.running_mean.add_(1)


def by_factors(low, high, steps):
    return [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]


def in_numpy(low, high, steps):
    return np.geomspace(low, high, steps)


def in_torch(low, high, steps):
    return torch.logspace(math.log10(low), math.log10(high), steps)


def by_amounts(low, high, steps):
    return np.linspace(low, high, steps)


def one_short(low, high, steps):
    return by_factors(low, high, steps + 1)[:-1]


def mix(images, targets, share):
    return tuple(share * x + (1 - share) * x.roll(1, dims=0) for x in (images, targets))


def mix_in_place(images, targets, share):
    partner, labels = images.roll(1, 0).float(), targets.roll(1, 0).float()
    return [
        images.float().mul_(share) + (1 - share) * partner,
        share * targets.float() + (1 - share) * labels,
    ]


def images_only(images, targets, share):
    return share * images + (1 - share) * images.roll(1, 0), targets


def next_partner(images, targets, share):
    return tuple(share * x + (1 - share) * x.roll(-1, 0) for x in (images, targets))


def the_other_way_round(images, targets, share):
    return tuple((1 - share) * x + share * x.roll(1, 0) for x in (images, targets))


def ask_twice(model, pixels):
    return (model(pixels) + model(pixels.flip(3))) / 2


def ask_twice_in_shares(model, pixels):
    return torch.stack([model(x).softmax(1) for x in (pixels, pixels.flip(-1))]).mean(0).float()


def carry_over(old, new, leave=None):
    for name in ("model", "optimizer", "schedule"):
        if name != leave:
            new[name].load_state_dict(copy.deepcopy(old[name].state_dict()))
    if leave != "batches":
        new["batches"].generator.set_state(old["batches"].generator.get_state())
    return new


def carry_over_by_hand(old, new):
    with torch.no_grad():
        for own, other in zip(new["model"].parameters(), old["model"].parameters(), strict=True):
            own.copy_(other)
        for own, other in zip(new["model"].buffers(), old["model"].buffers(), strict=True):
            own.copy_(other)
    new["optimizer"].load_state_dict(old["optimizer"].state_dict())
    new["schedule"].load_state_dict(old["schedule"].state_dict())
    new["batches"].generator.set_state(old["batches"].generator.get_state().clone())


def without_batches(old, new):
    carry_over(old, new, "batches")


def without_optimizer(old, new):
    carry_over(old, new, "optimizer")


def swap_all(old, new):
    new.update(old)


def refreshed(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    was = model.training
    model.train()
    with torch.no_grad():
        for images, _ in batches:
            model(images)
    model.train(was)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def refreshed_by_torch(model, batches):
    torch.optim.swa_utils.update_bn(batches, model)
    return model


def refreshed_from_one_batch(model, batches):
    refreshed(model, batches[:1])


def refreshed_and_forgotten(model, batches):
    refreshed(model, batches)
    model.train()


def refreshed_on_top(model, batches):
    model.train()
    with torch.no_grad():
        for images, _ in batches:
            model(images)
    model.eval()


def scaled_step(gradients, scale):
    found = [g.float() / scale for g in gradients]
    return found, all(g.isfinite().all() for g in found)


def scaled_step_by_division(gradients, scale):
    fine = bool(torch.stack([g.isfinite().all() for g in gradients]).all())
    return tuple(g.to(torch.float32).mul(1 / scale) for g in gradients), fine


def scaled_step_always(gradients, scale):
    return [g.float() / scale for g in gradients], True


def scaled_step_in_half(gradients, scale):
    found = [g / scale for g in gradients]
    return found, all(g.isfinite().all() for g in found)


def place_norm(x):
    variance, mean = torch.var_mean(x, dim=1, keepdim=True, correction=0)
    return (x - mean) / (variance + 1e-6).sqrt()


def place_norm_by_torch(x):
    return nn.functional.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=1e-6).movedim(-1, 1)


def paste(images, targets, box):
    top, left, height, width = box
    images = images.clone()
    images[..., top : top + height, left : left + width] = images.roll(1, 0)[
        ..., top : top + height, left : left + width
    ]
    other = height * width / images[0, 0].numel()
    return images, (1 - other) * targets + other * targets.roll(1, 0)


def paste_by_mask(images, targets, box):
    top, left, height, width = box
    mask = torch.zeros_like(images)
    mask[:, :, top : top + height, left : left + width] = 1
    other = mask[0, 0].mean()
    return [images * (1 - mask) + images.roll(1, 0) * mask, targets.lerp(targets.roll(1, 0), other)]


def paste_images_only(images, targets, box):
    return paste(images, targets, box)[0], targets


def paste_half(images, targets, box):
    return paste(images, targets, box)[0], (targets + targets.roll(1, 0)) / 2


def paste_sideways(images, targets, box):
    top, left, height, width = box
    return paste(images, targets, (left, top, width, height))


def paste_from_the_next(images, targets, box):
    pasted = paste(images.flip(0), targets.flip(0), box)
    return pasted[0].flip(0), pasted[1].flip(0)


# --- the tables --------------------------------------------------------------------------------------------

RIGHT = [
    (ch04.check_stem_and_head, (models.build("resnet18"),)),
    (ch04.check_stem_and_head, (torchvision.models.resnet50(),)),
    (ch04.check_classifier, (careful, PIXELS)),
    (ch04.check_classifier, (careful_in_double, PIXELS)),
    (ch04.check_resnet26, (of_row("resnet50", 2, 2, 2, 2),)),
    (ch04.check_resnet26, (resnet(torchvision.models.resnet.Bottleneck, 2, 2, 2, 2),)),
    (ch04.check_resnet26, (of_row("resnet50", 2, 2, 2, 2).to("meta"),)),
    (ch04.check_layers, (26,)),
    (ch04.check_layers, (np.int64(26),)),
    (ch04.check_layers, (torch.tensor(26.0),)),
    (ch04.check_images, (11310,)),
    (ch04.check_images, (11310.0,)),
    (ch04.check_images, (np.int32(11310),)),
    (ch04.check_preact, (preact(nn.BatchNorm2d(64), nn.ReLU()),)),
    (ch04.check_preact, (preact(nn.BatchNorm2d(64), nn.ReLU(inplace=True)).double(),)),
    (ch04.check_preact, (PreActNet(),)),
    (ch04.check_fewer_pixels, (0.51,)),
    (ch04.check_fewer_pixels, (torch.tensor((160 / 224) ** 2),)),
    (ch04.check_fewer_pixels, (Fraction(25, 49),)),
    (ch04.check_maxpool, (4,)),
    (ch04.check_maxpool, (np.float32(4),)),
    (ch04.check_field, (81,)),
    (ch04.check_field, (81.0,)),
    (ch04.check_batch, (87,)),
    (ch04.check_batch, (87.0,)),
    (ch04.check_parity, (models.build("resnet18", 5), REFERENCE)),
    (ch04.check_parity, (models.build("resnet50", 5), torchvision.models.resnet50(num_classes=5))),
    (ch04.check_levels, (("answers", "a step"),)),
    (ch04.check_levels, (["Answers ", "step"],)),
    (ch04.check_unseen, (zero_start,)),
    (ch04.check_unseen, (other_start,)),
    (ch04.check_head, (grey(10), 10)),
    (ch04.check_head, (models.build("resnet20", 100, width=8), np.int64(100))),
    (ch04.check_rates, (by_factors,)),
    (ch04.check_rates, (in_numpy,)),
    (ch04.check_rates, (in_torch,)),
    (ch04.check_excess, (math.log(2),)),
    (ch04.check_excess, (torch.tensor(0.69),)),
    (ch04.check_stretch, (9,)),
    (ch04.check_stretch, (torch.tensor(9.0),)),
    (ch04.check_growth, (math.e,)),
    (ch04.check_growth, (np.float64(2.71841),)),
    (ch04.check_memory, (346,)),
    (ch04.check_memory, (346.2,)),
    (ch04.check_refresh, (refreshed,)),
    (ch04.check_refresh, (refreshed_by_torch,)),
    (ch04.check_lost, (2**-8,)),
    (ch04.check_lost, (Fraction(1, 256),)),
    (ch04.check_scaled_step, (scaled_step,)),
    (ch04.check_scaled_step, (scaled_step_by_division,)),
    (ch04.check_steps, (5040,)),
    (ch04.check_steps, (5040.0,)),
    (ch04.check_epochs, (160,)),
    (ch04.check_epochs, (161.3,)),
    (ch04.check_depthwise, (3136 / 36864,)),
    (ch04.check_depthwise, (Fraction(49, 576),)),
    (ch04.check_place_norm, (place_norm,)),
    (ch04.check_place_norm, (place_norm_by_torch,)),
    (ch04.check_paste, (paste,)),
    (ch04.check_paste, (paste_by_mask,)),
    (ch04.check_box_side, (16,)),
    (ch04.check_box_side, (torch.tensor(16.0),)),
    (ch04.check_mix, (mix,)),
    (ch04.check_mix, (mix_in_place,)),
    (ch04.check_half_life, (13863,)),
    (ch04.check_half_life, (math.log(2) / 5e-5,)),
    (ch04.check_tries, (0.9375,)),
    (ch04.check_tries, (Fraction(15, 16),)),
    (ch04.check_tries, (0.94,)),
    (ch04.check_mirror, (ask_twice,)),
    (ch04.check_mirror, (ask_twice_in_shares,)),
    (ch04.check_carry_over, (carry_over,)),
    (ch04.check_carry_over, (carry_over_by_hand,)),
    (ch04.check_size, (102.4,)),
    (ch04.check_size, (torch.tensor(102),)),
    (ch04.check_errors, (0.198,)),
    (ch04.check_errors, (np.float64(0.2),)),
    (ch04.check_gain, ((0.335, 0.253),)),
    (ch04.check_gain, (np.array([0.33513, 0.25262]),)),
]

WRONG = [
    (ch04.check_stem_and_head, (without_pool(),), "is there a max-pool"),
    (ch04.check_stem_and_head, (flattened(),), "depends on the size"),
    (ch04.check_stem_and_head, (half_of_the_channels(),), "one number a channel"),
    (ch04.check_stem_and_head, (nn.Linear(2, 2),), "the parts conv1, layer1"),
    (ch04.check_stem_and_head, (None,), "a network (an nn.Module) is wanted"),
    (ch04.check_stem_and_head, (models.build("resnet18", in_channels=1),), "does not run"),
    (ch04.check_classifier, (forgetful, PIXELS), "in train mode"),
    (ch04.check_classifier, (careful, PIXELS[:1]), "at least two images"),
    (ch04.check_classifier, (lambda pixels: None, PIXELS), "should give logits of shape"),
    (ch04.check_classifier, ("careful", PIXELS), "a function is wanted"),
    (ch04.check_classifier, (lambda pixels: torch.zeros(len(pixels), 10), PIXELS), "same logits"),
    (ch04.check_classifier, (lambda pixels: pixels @ pixels[0, 0, 0], None), "at least two images"),
    (ch04.check_resnet26, (models.build("resnet50"),), "equally long"),
    (ch04.check_resnet26, (of_row("resnet50", 3, 3, 3, 3),), "38 weighted layers, not 26"),
    (ch04.check_resnet26, (of_row("resnet50", 8),), "four stages"),
    (ch04.check_resnet26, (of_row("resnet18", 3, 3, 3, 3),), "should be a bottleneck"),
    (ch04.check_resnet26, (of_row("resnext50_32x4d", 2, 2, 2, 2),), "in groups"),
    (ch04.check_resnet26, (of_row("wide_resnet50_2", 2, 2, 2, 2),), "widths or strides"),
    (ch04.check_resnet26, (bottlenecks_without_shortcuts(),), "is it added"),
    (ch04.check_resnet26, (projections_without_norm(),), "stands one BatchNorm"),
    (ch04.check_resnet26, ((2, 2, 2, 2),), "a network (an nn.Module) is wanted"),
    (ch04.check_layers, (50,), "what its name says"),
    (ch04.check_layers, (12,), "those are the blocks"),
    (ch04.check_layers, (24,), "stem and head"),
    (ch04.check_layers, (38,), "fewer convolutions"),
    (ch04.check_layers, (17,), "too few"),
    (ch04.check_layers, ("26",), "a whole number of layers"),
    (ch04.check_images, (1000,), "more than half a point"),
    (ch04.check_images, (11309,), "more than half a point"),
    (ch04.check_images, (20_000,), "more than needed"),
    (ch04.check_images, (11310.5,), "a whole number of images"),
    (ch04.check_images, (0,), "a whole number of images"),
    (ch04.check_images, (None,), "is there a return missing"),
    (ch04.check_preact, (models.build("resnet20"),), "nine PreActBlocks"),
    (ch04.check_preact, (preact(),), "one more BatchNorm"),
    (ch04.check_preact, (preact(nn.ReLU(), nn.BatchNorm2d(64)),), "a ReLU belongs last"),
    (ch04.check_preact, (preact(nn.BatchNorm2d(64)),), "a ReLU belongs last"),
    (ch04.check_preact, (PreActNet(relu_first=True),), "a ReLU belongs last"),
    (ch04.check_preact, (preact(nn.ReLU(), stem=(nn.BatchNorm2d(16),)),), "as many parameters"),
    (ch04.check_preact, (relus_between_the_blocks(),), "nothing else"),
    (ch04.check_preact, (PreActNet(idle=True),), "should run after the last block"),
    (ch04.check_preact, (preact(nn.BatchNorm2d(64), nn.ReLU(), stem=(nn.BatchNorm2d(16),)),), "too many"),
    (ch04.check_preact, (preact(nn.BatchNorm2d(64), nn.ReLU(), shortcut="B"),), "as many parameters"),
    (ch04.check_preact, (preact(nn.BatchNorm2d(64), nn.ReLU(), strides=(1, 1, 1)),), "halve the image"),
    (ch04.check_preact, (preact(nn.BatchNorm2d(64), nn.ReLU())[:-1],), "logits of shape (2, 10)"),
    (ch04.check_preact, ("PreActResNet20",), "a network (an nn.Module) is wanted"),
    (ch04.check_fewer_pixels, (0.71,), "the ratio of the sides"),
    (ch04.check_fewer_pixels, (1.4,), "cannot cost more"),
    (ch04.check_fewer_pixels, (0.25,), "count the places"),
    (ch04.check_fewer_pixels, (-1,), "above 0"),
    (ch04.check_fewer_pixels, (float("nan"),), "one number"),
    (ch04.check_fewer_pixels, ("half",), "one number"),
    (ch04.check_maxpool, (2,), "too small"),
    (ch04.check_maxpool, (8,), "too large"),
    (ch04.check_maxpool, ((2, 2),), "one number"),
    (ch04.check_maxpool, (None,), "one number"),
    (ch04.check_field, (87,), "at the step of the stage before"),
    (ch04.check_field, (80,), "before any window"),
    (ch04.check_field, (39,), "too narrow"),
    (ch04.check_field, (500,), "too wide"),
    (ch04.check_field, ([1, 2],), "a whole number of pixels"),
    (ch04.check_batch, (32,), "there is room for more"),
    (ch04.check_batch, (88,), "more than 7"),
    (ch04.check_batch, (86.5,), "a whole number of images"),
    (ch04.check_batch, ("all",), "a whole number of images"),
    (ch04.check_parity, (with_inverted_strides(), REFERENCE), "the logits differ"),
    (ch04.check_parity, (without_norm(), REFERENCE), "the names or shapes"),
    (ch04.check_parity, (with_a_detached_branch(), REFERENCE), "the gradients differ"),
    (ch04.check_parity, (models.build("resnet18", 10), REFERENCE), "the names or shapes"),
    (ch04.check_parity, (None, REFERENCE), "a network (an nn.Module) is wanted"),
    (ch04.check_parity, (grey(10), grey(10)), "images of 3 channels"),
    (ch04.check_levels, (("answers", "answers"),), "what does momentum do"),
    (ch04.check_levels, (("a step", "a step"),), "is epsilon idle"),
    (ch04.check_levels, (("names", "a step"),), "stored with the weights"),
    (ch04.check_levels, ("answers",), "give a pair"),
    (ch04.check_levels, (("answers", 3),), "give a pair"),
    (ch04.check_levels, (("answers", "gradients"),), "none of the three levels"),
    (ch04.check_unseen, (lambda model: None,), "the same weights as before"),
    (ch04.check_unseen, (other_statistics,), "the same weights as before"),
    (ch04.check_unseen, (one_detached,), "the comparison notices: the gradients"),
    (ch04.check_unseen, (other_stride,), "the comparison notices: the logits"),
    (ch04.check_unseen, (lambda model: 1 / 0,), "your function stops with ZeroDivisionError"),
    (ch04.check_unseen, (None,), "a function is wanted"),
    (ch04.check_head, (grey(1000), 10), "nats off"),
    (ch04.check_head, (grey(5), 10), "5 outputs for 10 classes"),
    (ch04.check_head, (with_a_silent_head(20), 10), "20 outputs for 10 classes"),
    (ch04.check_head, (nn.Linear(3, 3), 10), "does not give logits"),
    (ch04.check_head, (None, 10), "a network (an nn.Module) is wanted"),
    (ch04.check_head, (grey(10), "ten"), "a number of classes"),
    (ch04.check_rates, (by_amounts,), "equal factors"),
    (ch04.check_rates, (one_short,), "the last rate"),
    (ch04.check_rates, (lambda low, high, steps: by_factors(low, high, steps + 1),), "50 rates are wanted"),
    (ch04.check_rates, (lambda low, high, steps: by_factors(high, low, steps),), "the first rate"),
    (ch04.check_rates, (lambda low, high, steps: None,), "a list of numbers"),
    (ch04.check_rates, (lambda low, high: [low, high],), "your function stops with TypeError"),
    (ch04.check_rates, ([0.1, 0.2],), "a function is wanted"),
    (ch04.check_excess, (math.log(20),), "a whole loss"),
    (ch04.check_excess, (1,), "in bits"),
    (ch04.check_excess, (-math.log(2),), "too high or too low"),
    (ch04.check_excess, (2,), "ten equal outputs"),
    (ch04.check_excess, (None,), "one number of nats"),
    (ch04.check_stretch, (3,), "the gradient"),
    (ch04.check_stretch, (1 / 9,), "the other way"),
    (ch04.check_stretch, (1,), "turns"),
    (ch04.check_stretch, (27,), "too large"),
    (ch04.check_stretch, (None,), "one number"),
    (ch04.check_growth, (1.65,), "squared"),
    (ch04.check_growth, (1 / math.e,), "grows"),
    (ch04.check_growth, (4,), "too large"),
    (ch04.check_growth, (1.0001,), "one step"),
    (ch04.check_growth, ("e",), "one number"),
    (ch04.check_memory, (500,), "a third"),
    (ch04.check_memory, (0.998,), "a number of steps"),
    (ch04.check_memory, (34,), "% are left"),
    (ch04.check_memory, (None,), "a number of steps"),
    (ch04.check_refresh, (lambda model, batches: None,), "still"),
    (ch04.check_refresh, (refreshed_from_one_batch,), "all batches"),
    (ch04.check_refresh, (refreshed_and_forgotten,), "modes"),
    (ch04.check_refresh, (refreshed_on_top,), "all batches"),
    (ch04.check_refresh, (lambda model, batches: 1 / 0,), "your function stops"),
    (ch04.check_refresh, (3,), "a function is wanted"),
    (ch04.check_lost, (2**-10,), "float16"),
    (ch04.check_lost, (2**-23,), "float32"),
    (ch04.check_lost, (0.5,), "is kept"),
    (ch04.check_lost, (-1,), "above 0"),
    (ch04.check_lost, (None,), "one number"),
    (ch04.check_scaled_step, (lambda gradients, scale: ([g.float() for g in gradients], True),), "divide"),
    (ch04.check_scaled_step, (scaled_step_always,), "not finite"),
    (ch04.check_scaled_step, (scaled_step_in_half,), "float32"),
    (ch04.check_scaled_step, (lambda gradients, scale: None,), "a pair"),
    (ch04.check_scaled_step, ("unscale",), "a function is wanted"),
    (ch04.check_steps, (5042.5,), "whole batches"),
    (ch04.check_steps, (5080,), "short last batch"),
    (ch04.check_steps, (126,), "one epoch"),
    (ch04.check_steps, (322_720,), "those are images"),
    (ch04.check_steps, (None,), "a number of steps"),
    (ch04.check_epochs, (16,), "fewer steps"),
    (ch04.check_epochs, (1.6,), "shorter"),
    (ch04.check_epochs, (100,), "too few"),
    (ch04.check_epochs, ("many",), "a number of epochs"),
    (ch04.check_depthwise, (49 / 9,), "compares the windows"),
    (ch04.check_depthwise, (1 / 64,), "differ in size"),
    (ch04.check_depthwise, (11.76,), "how many times"),
    (ch04.check_depthwise, (0.5,), "too large"),
    (ch04.check_depthwise, (None,), "one number"),
    (ch04.check_place_norm, (nn.BatchNorm2d(5).double(),), "depends on the others"),
    (ch04.check_place_norm, (lambda x: nn.functional.layer_norm(x, x.shape[1:]),), "not all of an image"),
    (ch04.check_place_norm, (lambda x: nn.functional.instance_norm(x),), "not over the places"),
    (
        ch04.check_place_norm,
        (lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True),),
        "correction",
    ),
    (ch04.check_place_norm, (lambda x: x - x.mean(1, keepdim=True),), "not divided"),
    (ch04.check_place_norm, (lambda x: x.mean(1),), "the same shape"),
    (ch04.check_paste, (paste_images_only,), "shared too"),
    (ch04.check_paste, (paste_half,), "share of the area"),
    (ch04.check_paste, (paste_sideways,), "outside the box"),
    (ch04.check_paste, (paste_from_the_next,), "the image before"),
    (ch04.check_paste, (lambda images, targets, box: images,), "two things"),
    (ch04.check_paste, (None,), "a function is wanted"),
    (ch04.check_box_side, (8,), "a quarter of the side"),
    (ch04.check_box_side, (256,), "how long is its side"),
    (ch04.check_box_side, (24,), "three quarters"),
    (ch04.check_box_side, (10,), "10 % of the picture"),
    (ch04.check_box_side, ("half",), "one number"),
    (ch04.check_mix, (images_only,), "not mixed in the same way"),
    (ch04.check_mix, (next_partner,), "the partner should be"),
    (ch04.check_mix, (the_other_way_round,), "keep the weight"),
    (ch04.check_mix, (lambda images, targets, share: (images, 2 * targets),), "sum to one"),
    (ch04.check_mix, (lambda images, targets, share: images,), "two things are wanted"),
    (ch04.check_mix, (lambda images, targets, share: (images[:2], targets),), "keep their shapes"),
    (ch04.check_mix, (3,), "a function is wanted"),
    (ch04.check_half_life, (1386,), "the learning rate counts too"),
    (ch04.check_half_life, (10_000,), "a share of what is left"),
    (ch04.check_half_life, (20_000,), "about a third"),
    (ch04.check_half_life, (1000,), "% are left"),
    (ch04.check_half_life, ("many",), "a number of steps"),
    (ch04.check_tries, (0.5,), "a single try"),
    (ch04.check_tries, (2.0,), "between 0 and 1"),
    (ch04.check_tries, (1 / 16,), "no try reaches it"),
    (ch04.check_tries, (0.25,), "exactly one"),
    (ch04.check_tries, (0.8,), "too small"),
    (ch04.check_tries, (None,), "one number"),
    (ch04.check_mirror, (lambda model, pixels: model(pixels.flip(2)),), "stand on their heads"),
    (ch04.check_mirror, (lambda model, pixels: model(pixels),), "the images alone"),
    (ch04.check_mirror, (lambda model, pixels: model(pixels) + model(pixels.flip(3)),), "the sum of both"),
    (ch04.check_mirror, (lambda model, pixels: pixels,), "a tensor (5, 3)"),
    (ch04.check_mirror, (lambda model, pixels: None,), "a tensor (5, 3)"),
    (ch04.check_mirror, ("flip",), "a function is wanted"),
    (ch04.check_carry_over, (without_batches,), "something was left behind"),
    (ch04.check_carry_over, (without_optimizer,), "something was left behind"),
    (ch04.check_carry_over, (lambda old, new: None,), "something was left behind"),
    (ch04.check_carry_over, (swap_all,), "another object now"),
    (ch04.check_carry_over, (lambda old, new: new["network"],), "your function stops with KeyError"),
    (ch04.check_carry_over, (None,), "a function is wanted"),
    (ch04.check_size, (25.6,), "more than one byte"),
    (ch04.check_size, (102_400_000,), "in bytes"),
    (ch04.check_size, (97.7,), "2 to the 20"),
    (ch04.check_size, (51.2,), "16 bits"),
    (ch04.check_size, (204.9,), "64 bits"),
    (ch04.check_size, (1000,), "too large"),
    (ch04.check_size, ("big",), "one number of megabytes"),
    (ch04.check_gain, ((1.24, 0.94),), "those are points"),
    (ch04.check_gain, ((0.253, 0.335),), "the first step comes first"),
    (ch04.check_gain, ((2.98, 3.96),), "billions for a point"),
    (ch04.check_gain, ((1.0, 1.0),), "step by step"),
    (ch04.check_gain, (0.335,), "a pair of numbers"),
    (ch04.check_gain, ((0.335, None),), "a pair of numbers"),
    (ch04.check_errors, (0.0473,), "the gain in points"),
    (ch04.check_errors, (0.0621,), "a share of the right answers"),
    (ch04.check_errors, (0.247,), "the errors that there were before"),
    (ch04.check_errors, (0.802,), "the share that stays"),
    (ch04.check_errors, (19.8,), "between 0 and 1"),
    (ch04.check_errors, (None,), "one number"),
]

SECRETS = {
    ch04.check_resnet26: ["(2, 2, 2, 2)", "[2, 2, 2, 2]", "two blocks"],
    ch04.check_layers: ["26"],
    ch04.check_images: ["11310", "11,310"],
    ch04.check_fewer_pixels: ["0.51", "0.510"],
    ch04.check_maxpool: ["4"],
    ch04.check_field: ["81"],
    ch04.check_batch: ["87"],
    ch04.check_levels: ["answers", "a step"],
    ch04.check_unseen: ["start", "initial", "zero_last_scale"],
    ch04.check_rates: ["**", "geomspace", "logspace"],
    ch04.check_excess: ["0.69", "ln 2", "log(2)"],
    ch04.check_stretch: ["9", "nine"],
    ch04.check_growth: ["2.7", " e "],
    ch04.check_memory: ["346", "ln "],
    ch04.check_lost: ["256", "0.0039"],
    ch04.check_steps: ["5040", "5,040"],
    ch04.check_epochs: ["160", "161"],
    ch04.check_depthwise: ["0.085", "0.08"],
    ch04.check_place_norm: ["layer_norm", "keepdim"],
    ch04.check_paste: ["roll", "0.15"],
    ch04.check_box_side: ["16"],
    ch04.check_mix: ["roll"],
    ch04.check_half_life: ["13863", "13862", "13,86"],
    ch04.check_tries: ["0.93", "0.94", "15/16"],
    ch04.check_mirror: ["flip(3)", "flip(-1)"],
    ch04.check_carry_over: ["generator", "momentum", "batches"],
    ch04.check_size: ["102"],
    ch04.check_errors: ["0.198", "0.2"],
    ch04.check_gain: ["0.33", "0.25"],
}
CHECKERS = [
    function for name, function in inspect.getmembers(ch04, inspect.isfunction) if name[:6] == "check_"
]


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_the_global_random_state_is_untouched(checker):
    torch.manual_seed(7)
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())  # noqa: NPY002
    for entry in [entry for entry in (*RIGHT, *WRONG) if entry[0] is checker]:
        checker(*entry[1])
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], np.random.get_state()[1])  # noqa: NPY002


def test_a_network_is_left_as_it_was():
    for checker, model in (
        (ch04.check_stem_and_head, models.build("resnet18")),
        (ch04.check_preact, preact(nn.BatchNorm2d(64), nn.ReLU())),
        (lambda model: ch04.check_parity(model, REFERENCE), models.build("resnet18", 5)),
        (lambda model: ch04.check_head(model, 10), grey(10)),
    ):
        before = copy.deepcopy(model.state_dict())
        hooks = [len(module._forward_hooks) for module in model.modules()]
        checker(model)
        assert model.training
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert hooks == [len(module._forward_hooks) for module in model.modules()]
