"""The checkers of chapter 5 accept right answers in any form, and refuse wrong ones with a sentence."""

from __future__ import annotations

import copy
import inspect
import math
import random

import numpy as np
import pytest
import torch
import torchvision
from exercises.rows import named
from torch import nn

from resnet_utils import finetuning, training
from resnet_utils.analysis import grad_cam
from resnet_utils.exercises import ch05

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# --- answers that are functions -----------------------------------------------------------------------


def mean_recall(logits, labels):
    right = (logits.argmax(dim=1) == labels).double()
    return torch.stack([right[labels == k].mean() for k in labels.unique()]).mean()


def mean_recall_by_counting(logits, labels):
    recalls = []
    for kind in sorted(set(labels.tolist())):
        answers = [
            int(row.argmax()) for row, label in zip(logits, labels.tolist(), strict=True) if label == kind
        ]
        recalls.append(answers.count(kind) / len(answers))
    return sum(recalls) / len(recalls)


def mean_precision(logits, labels):
    answers = logits.argmax(dim=1)
    right = (answers == labels).double()
    return torch.stack([right[answers == k].mean() for k in answers.unique()]).mean()


def over_all_columns(logits, labels):
    right = (logits.argmax(dim=1) == labels).double()
    return (
        sum(right[labels == k].sum() / max(1, int((labels == k).sum())) for k in range(logits.shape[1]))
        / (logits.shape[1])
    )


def without_prior(logits, counts):
    return logits - counts.log()


def without_prior_in_shares(logits, counts):
    return (logits.softmax(dim=1) / (counts / counts.sum())).log()


def head_in_order(model):
    model.requires_grad_(False)
    model.fc = nn.Linear(model.fc.in_features, 2)
    return model, torch.optim.SGD(model.fc.parameters(), lr=0.1)


def head_by_the_package(model):
    finetuning.freeze(model)
    model.reset_head(2)
    return [model, torch.optim.AdamW(model.parameters(), lr=0.01)]


def optimiser_too_early(model):
    model.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.fc = nn.Linear(model.fc.in_features, 2)
    return model, optimizer


def frozen_after_the_head(model):
    model.fc = nn.Linear(model.fc.in_features, 2)
    model.requires_grad_(False)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def nothing_frozen(model):
    model.fc = nn.Linear(model.fc.in_features, 2)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def old_head(model):
    finetuning.freeze(model)
    return model, torch.optim.SGD(model.fc.parameters(), lr=0.1)


def by_owner(owner):
    names = sorted(set(owner))
    order = torch.randperm(len(names)).tolist()  # may draw from the global state
    inside = {names[k] for k in order[: len(names) // 2]}
    return [place for place, name in enumerate(owner) if name in inside]


def by_owner_as_array(owner):
    names = sorted(set(owner))
    random.shuffle(names)
    return np.array([k for k, name in enumerate(owner) if name in names[: len(names) // 2]])


def by_name():
    return torchvision.models.resnet50(weights=torchvision.models.ResNet50_Weights.IMAGENET1K_V2)


def by_text():
    return torchvision.models.get_model("resnet50", weights="IMAGENET1K_V2")


def feed(images):
    shift, scale = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (images.float() / 255 - shift) / scale


def feed_in_float64(images):
    pixels = images.numpy().astype(float) / 255
    return (pixels - np.array(MEAN).reshape(1, 3, 1, 1)) / np.array(STD).reshape(1, 3, 1, 1)


def in_the_article(model, images):
    model.train()
    model(images)


def in_the_package(model, images):
    training.train_mode(model)
    model(images)


def all_in_eval(model, images):
    return model.eval()(images)


def momentum_of_zero(model, images=None):
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    return None if images is None else model(images)


def without_statistics(model):
    gradients_only(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None


def no_momentum(model):
    gradients_only(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum, module.num_batches_tracked = 0.0, None


def gradients_only(model):
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("fc.")


def freeze_all_but_head(model):
    gradients_only(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def frozen_copy(model):
    fresh = copy.deepcopy(model).eval()
    fresh.requires_grad_(False).fc.requires_grad_(True)
    return fresh


def everything_frozen(model):
    model.eval().requires_grad_(False)


def pulls(w, s, strength):
    return strength * w, strength * ((w > 0) - (w < 0)), strength * (w - s)


def pulls_in_tensors(w, s, strength):
    w = torch.tensor(w, dtype=torch.float32)
    return [strength * w, strength * w.sign(), strength * (w - s)]


def chosen_on_validation(valid, test):
    return test[valid.double().mean(dim=1).argmax()].double().mean()


def chosen_with_numpy(valid, test):
    return np.float32(test.numpy()[int(valid.numpy().mean(axis=1).argmax())].mean())


def my_map(model, x, target):
    maps = model.forward_features(x)
    chosen = model.fc(maps.mean(dim=(2, 3)))[torch.arange(len(x)), target]
    (gradient,) = torch.autograd.grad(chosen.sum(), maps)
    return torch.einsum("nc,nchw->nhw", gradient.mean(dim=(2, 3)), maps).relu().detach()


def map_by_the_head(model, x, target):
    maps = model.forward_features(x).detach()
    weights = model.fc.weight[target] / maps.shape[-1] ** 2
    return (weights[:, :, None, None] * maps).sum(1).clamp(min=0).detach().numpy()


def map_of_probability(model, x, target):
    maps = model.forward_features(x)
    shares = model.fc(model.avgpool(maps).flatten(1)).softmax(dim=1)
    (gradient,) = torch.autograd.grad(shares.gather(1, target[:, None]).sum(), maps)
    return (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).relu().detach()


def twice_as_bright(model, x, target):
    return 2 * grad_cam.grad_cam(model, x, target)


def not_cut_off(model, x, target):
    maps = model.forward_features(x).detach()
    weights = model.fc.weight[target] / maps.shape[-1] ** 2
    return (weights[:, :, None, None] * maps).sum(1).detach()


def inside(maps, masks):
    return (maps * masks).sum(dim=(1, 2)) / maps.sum(dim=(1, 2))


def inside_in_numpy(maps, masks):
    pairs = zip(maps.numpy(), masks.numpy(), strict=True)
    return [float(one[mask].sum() / one.sum()) for one, mask in pairs]


def threshold_for(w, d):
    return 1 - d / w


def sort_folder(judge, folder):
    heaps = {}
    for file in sorted(folder.iterdir()):
        try:
            heaps[file.name] = judge.answer(file).label or "unknown"
        except ValueError:
            heaps[file.name] = "no picture"
    return heaps


def sort_by_bytes(judge, folder):
    def heap(file):
        try:
            answer = judge.answer(file.read_bytes())
        except ValueError:
            return "no picture"
        return "unknown" if answer.label is None else answer.best

    return {file: heap(file) for file in folder.iterdir()}


def hasty(judge, folder):
    return {file.name: judge.answer(file).best for file in sorted(folder.iterdir(), reverse=True)}


def without_a_threshold(judge, folder):
    heaps = sort_folder(judge, folder)
    return {
        name: judge.answer(folder / name).best if heap == "unknown" else heap for name, heap in heaps.items()
    }


def only_pictures(judge, folder):
    return {name: heap for name, heap in sort_folder(judge, folder).items() if heap != "no picture"}


def decide(logits, classes, threshold):
    weights = [math.exp(logit - max(logits)) for logit in logits]
    probability = max(weights) / sum(weights)
    return classes[weights.index(max(weights))] if probability >= threshold else None


def decide_in_numpy(logits, classes, threshold):
    shares = np.exp(np.array(logits) - np.max(logits))
    shares = shares / shares.sum()
    return classes[int(shares.argmax())] if shares.max() >= threshold else None


def by_the_logit(logits, classes, threshold):
    best = max(range(len(logits)), key=logits.__getitem__)
    return classes[best] if logits[best] >= threshold else None


def overflowing(logits, classes, threshold):
    weights = [math.exp(logit) for logit in logits]
    best = weights.index(max(weights))
    return classes[best] if max(weights) / sum(weights) >= threshold else None


def says_unknown(logits, classes, threshold):
    return decide(logits, classes, threshold) or "unknown"


def table():
    for depth in (18, 34, 50, 101, 152):
        for weights in torchvision.models.get_model_weights(f"resnet{depth}"):
            top1 = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
            yield weights.meta["_ops"], -top1, f"resnet{depth}", weights


def cheapest(top1):
    return min((row for row in table() if -row[1] >= top1), key=lambda row: row[:2])[2:]


def cheapest_by_name(top1):
    name, weights = cheapest(top1)
    return [name, weights.name]


def older_edition(top1):
    found = [row for row in table() if -row[1] >= top1]
    return max((row for row in found if row[0] == min(found, key=lambda r: r[:2])[0]), key=lambda r: r[1])[2:]


def side(c, s, b):
    return int(s * (b / c) ** 0.5 + 1e-9)


def side_by_trying(c, s, b):
    pixels = 1
    while c * ((pixels + 1) / s) ** 2 <= b * (1 + 1e-9):
        pixels += 1
    return float(pixels)


RUN = (None, (0.0, 1.0), (0.8, 0.7))
SMOOTHED = (None, (0.1, 1.0), (0.6, 0.68))

RIGHT = [
    (ch05.check_test_size, (1825,)),
    (ch05.check_test_size, (torch.tensor(1825.0),)),
    (ch05.check_test_size, (np.int64(1850),)),
    (ch05.check_only_b, (15, 100)),
    (ch05.check_only_b, (np.int64(20), torch.tensor(90))),
    (ch05.check_new_head, (head_in_order,)),
    (ch05.check_new_head, (head_by_the_package,)),
    (ch05.check_stem_rates, (0.1 * 0.5**5, 0.1 * 0.5**4)),
    (ch05.check_stem_rates, (torch.tensor(0.003125), np.float32(0.00625))),
    (ch05.check_torn, (lambda s: 2 * s * (1 - s),)),
    (ch05.check_torn, (lambda s: torch.tensor(1 - s**2 - (1 - s) ** 2),)),
    (ch05.check_cut, (by_owner,)),
    (ch05.check_cut, (by_owner_as_array,)),
    (ch05.check_cut, (lambda owner: torch.tensor(by_owner(owner)),)),
    (ch05.check_weights, (by_name,)),
    (ch05.check_weights, (by_text,)),
    (ch05.check_feed, (feed,)),
    (ch05.check_feed, (feed_in_float64,)),
    (ch05.check_still, (in_the_package,)),
    (ch05.check_still, (all_in_eval,)),
    (ch05.check_frozen, (freeze_all_but_head,)),
    (ch05.check_frozen, (frozen_copy,)),
    (ch05.check_left_over, (lambda batches: 0.9**batches,)),
    (ch05.check_left_over, (lambda batches: np.float32(math.exp(batches * math.log(0.9))),)),
    (ch05.check_cure, (SMOOTHED, RUN)),
    (ch05.check_cure, ([None, [0.0, 1.0], [torch.tensor(0.5), np.float64(0.8)]], RUN)),
    (ch05.check_pulls, (pulls,)),
    (ch05.check_pulls, (pulls_in_tensors,)),
    (ch05.check_report, (chosen_on_validation,)),
    (ch05.check_report, (chosen_with_numpy,)),
    (ch05.check_leak_formula, (lambda a, s: s + (1 - s) * a,)),
    (ch05.check_leak_formula, (lambda a, s: np.float32(a + s - a * s),)),
    (ch05.check_map, (my_map,)),
    (ch05.check_map, (map_by_the_head,)),
    (ch05.check_map, (grad_cam.grad_cam,)),
    (ch05.check_mass, (inside,)),
    (ch05.check_mass, (inside_in_numpy,)),
    (ch05.check_temperature, (math.log(99) / math.log(9),)),
    (ch05.check_temperature, (torch.tensor(2.0913),)),
    (ch05.check_threshold, (threshold_for,)),
    (ch05.check_threshold, (lambda w, d: torch.tensor((w - d) / w),)),
    (ch05.check_balanced_accuracy, (mean_recall,)),
    (ch05.check_balanced_accuracy, (mean_recall_by_counting,)),
    (ch05.check_prior, (without_prior,)),
    (ch05.check_prior, (without_prior_in_shares,)),
    (ch05.check_sorting, (sort_folder,)),
    (ch05.check_sorting, (sort_by_bytes,)),
    (ch05.check_decision, (decide,)),
    (ch05.check_decision, (decide_in_numpy,)),
    (ch05.check_cheapest, (cheapest,)),
    (ch05.check_cheapest, (cheapest_by_name,)),
    (ch05.check_side, (side,)),
    (ch05.check_side, (side_by_trying,)),
]

WRONG = [
    (ch05.check_test_size, (1000,), "too few"),
    (ch05.check_test_size, (5000,), "more than needed"),
    (ch05.check_test_size, (None,), "should be a number"),
    (ch05.check_test_size, (-3,), "positive"),
    (ch05.check_test_size, (1825.5,), "whole number"),
    (ch05.check_only_b, (100, 15), "a coin does that too often"),
    (ch05.check_only_b, (15, 16), "a coin hardly ever does that"),
    (ch05.check_only_b, (10, 100), "cannot be"),
    (ch05.check_only_b, ("15", 100), "should be a number"),
    (ch05.check_new_head, (optimiser_too_early,), "did not move the head"),
    (ch05.check_new_head, (frozen_after_the_head,), "backward() stops"),
    (ch05.check_new_head, (nothing_frozen,), "still take gradients"),
    (ch05.check_new_head, (old_head,), "two outputs"),
    (ch05.check_new_head, (lambda model: model,), "the model and the optimiser"),
    (ch05.check_new_head, (None,), "a function is wanted"),
    (ch05.check_stem_rates, (0.1, 0.1), "too fast"),
    (ch05.check_stem_rates, (0.003125, 0.003125), "too slow"),
    (ch05.check_stem_rates, (0.00625, 0.003125), "resnet18"),
    (ch05.check_stem_rates, ("slow", 0.1), "should be a number"),
    (ch05.check_torn, (lambda s: 1 - s,), "more often"),
    (ch05.check_torn, (lambda s: s * (1 - s),), "more often"),
    (ch05.check_torn, (lambda s: 100 * s,), "between 0 and 1"),
    (ch05.check_torn, (lambda s: s,), "less often"),
    (ch05.check_torn, (lambda s: None,), "should be a number"),
    (ch05.check_cut, (lambda owner: range(0, len(owner), 2),), "on both sides"),
    (ch05.check_cut, (lambda owner: [],), "not between a third and two thirds"),
    (ch05.check_cut, (lambda owner: [name == "the friend" for name in owner],), "not True and False"),
    (ch05.check_cut, (lambda owner: None,), "the places of the training part are wanted"),
    (ch05.check_cut, (lambda owner: [500],), "places lie between"),
    (
        ch05.check_weights,
        (lambda: torchvision.models.resnet50(pretrained=True),),
        "does not name its weights",
    ),
    (ch05.check_weights, (lambda: torchvision.models.resnet50(weights="IMAGENET1K_V1"),), "newer ones"),
    (ch05.check_weights, (torchvision.models.resnet50,), "no weights at all"),
    (ch05.check_weights, (lambda: torchvision.models.resnet18(weights="DEFAULT"),), "another network"),
    (ch05.check_weights, (lambda: torchvision.models.resnet50(weights="NEWEST"),), "load stops"),
    (ch05.check_weights, ("IMAGENET1K_V2",), "has to be a function"),
    (ch05.check_feed, (lambda images: images / 255,), "are other ones"),
    (ch05.check_feed, (lambda images: images.float(),), "are other ones"),
    (ch05.check_feed, (lambda images: feed(images)[:, :1],), "the shape of"),
    (ch05.check_feed, (lambda images: None,), "has to be a tensor"),
    (ch05.check_still, (in_the_article,), "moved without a gradient"),
    (ch05.check_still, (momentum_of_zero,), "moved without a gradient"),
    (ch05.check_still, (lambda model, images: None,), "never went through"),
    (ch05.check_still, (None,), "a function is wanted"),
    (ch05.check_frozen, (gradients_only,), "moved without a gradient"),
    (ch05.check_frozen, (without_statistics,), "depends on the others in its batch"),
    (ch05.check_frozen, (no_momentum,), "depends on the others in its batch"),
    (ch05.check_frozen, (everything_frozen,), "the head is frozen too"),
    (ch05.check_frozen, (lambda model: model.eval(),), "below the head still takes gradients"),
    (ch05.check_frozen, ("model.eval()",), "a function is wanted"),
    (ch05.check_left_over, (lambda batches: 1 - batches / 10,), "more is left"),
    (ch05.check_left_over, (lambda batches: 0.1**batches,), "more is left"),
    (ch05.check_left_over, (lambda batches: 0.99**batches,), "less is left"),
    (ch05.check_left_over, (lambda batches: "little",), "should be a number"),
    (ch05.check_cure, (RUN, RUN), "the loss on other images"),
    (ch05.check_cure, ((None, (0, 1), (0.1, 0.4)), RUN), "right less often"),
    (ch05.check_cure, (None, RUN), "three things"),
    (ch05.check_cure, ((1, 2, 3), RUN), "the loss and the accuracy on others"),
    (ch05.check_pulls, (lambda w, s, strength: (strength * w, strength, strength * (w - s)),), "wrong sign"),
    (ch05.check_pulls, (lambda w, s, strength: (w, math.copysign(1, w), w - s),), "is not its derivative"),
    (ch05.check_pulls, (lambda w, s, strength: strength * w,), "three numbers are wanted"),
    (ch05.check_pulls, (lambda w, s, strength: (None, None, None),), "should be a number"),
    (ch05.check_report, (lambda valid, test: test.double().mean(dim=1).max(),), "points too much"),
    (ch05.check_report, (lambda valid, test: valid.double().mean(dim=1).max(),), "points too much"),
    (ch05.check_report, (lambda valid, test: test.double().mean(dim=1).min(),), "points too little"),
    (ch05.check_report, (lambda valid, test: 100 * test.double().mean(),), "no accuracy"),
    (ch05.check_report, (lambda valid, test: 0.9,), "points too much"),
    (ch05.check_report, (lambda valid, test: test,), "should be a number"),
    (ch05.check_leak_formula, (lambda a, s: a + s,), "is lower"),
    (ch05.check_leak_formula, (lambda a, s: a,), "is higher"),
    (ch05.check_leak_formula, (lambda a, s: 80,), "between 0 and 1"),
    (ch05.check_leak_formula, (lambda a, s: None,), "should be a number"),
    (ch05.check_map, (map_of_probability,), "differ"),
    (ch05.check_map, (twice_as_bright,), "by a factor for each image"),
    (ch05.check_map, (not_cut_off,), "has to be cut off"),
    (ch05.check_map, (lambda model, x, target: x,), "the shape of the maps should be"),
    (ch05.check_map, (None,), "a function is wanted"),
    (ch05.check_mass, (lambda maps, masks: (maps * masks).mean(dim=(1, 2)),), "another score"),
    (ch05.check_mass, (lambda maps, masks: masks.double().mean(dim=(1, 2)),), "is another one"),
    (ch05.check_mass, (lambda maps, masks: 1 / inside(maps, masks),), "between 0 and 1"),
    (ch05.check_mass, (lambda maps, masks: inside(maps, masks).mean(),), "the shape of the score"),
    (ch05.check_mass, (lambda maps, masks: "half",), "has to be a tensor"),
    (ch05.check_temperature, (1.1,), "its confidence is then"),
    (ch05.check_temperature, (2.1,), "near"),
    (ch05.check_temperature, (-1,), "above 0"),
    (ch05.check_temperature, (None,), "should be a number"),
    (ch05.check_threshold, (lambda w, d: d / w,), "it is higher"),
    (ch05.check_threshold, (lambda w, d: 1 - 1 / w,), "it is lower"),
    (ch05.check_threshold, (lambda w, d: 80,), "between 0 and 1"),
    (ch05.check_threshold, (0.8,), "a function is wanted"),
    (
        ch05.check_balanced_accuracy,
        (lambda z, y: (z.argmax(1) == y).double().mean(),),
        "that is the accuracy",
    ),
    (ch05.check_balanced_accuracy, (mean_precision,), "and that is too"),
    (ch05.check_balanced_accuracy, (over_all_columns,), "too small"),
    (ch05.check_balanced_accuracy, (lambda z, y: 100 * mean_recall(z, y),), "between 0 and 1"),
    (ch05.check_balanced_accuracy, (0.5,), "a function is wanted"),
    (ch05.check_prior, (lambda z, n: z,), "still those of the training"),
    (ch05.check_prior, (lambda z, n: z + n.log(),), "the last class gets too little"),
    (ch05.check_prior, (lambda z, n: z - 2 * n.log(),), "the last class gets too much"),
    (ch05.check_prior, (lambda z, n: z / n,), "the last class gets too"),
    (ch05.check_prior, (lambda z, n: z.argmax(1),), "the shape of"),
    (ch05.check_prior, (None,), "a function is wanted"),
    (ch05.check_sorting, (hasty,), "one bad file ended the run"),
    (ch05.check_sorting, (without_a_threshold,), "wrong heap"),
    (ch05.check_sorting, (only_pictures,), "is in no heap"),
    (ch05.check_sorting, (lambda judge, folder: None,), "a dictionary is wanted"),
    (ch05.check_sorting, (7,), "has to be a function"),
    (ch05.check_decision, (by_the_logit,), "answers"),
    (ch05.check_decision, (overflowing,), "stops"),
    (ch05.check_decision, (says_unknown,), "a class or None is wanted"),
    (ch05.check_decision, (lambda logits, classes, threshold: None,), "sure enough"),
    (ch05.check_decision, (None,), "a function is wanted"),
    (ch05.check_cheapest, (lambda top1: ("resnet152", "IMAGENET1K_V2"),), "a cheaper one is good enough"),
    (ch05.check_cheapest, (lambda top1: ("resnet18", "IMAGENET1K_V1"),), "has only"),
    (ch05.check_cheapest, (older_edition,), "a better one costs the same"),
    (ch05.check_cheapest, (lambda top1: ("vgg16", "IMAGENET1K_V1"),), "none of torchvision's"),
    (ch05.check_cheapest, (lambda top1: "resnet50",), "two names are wanted"),
    (ch05.check_side, (lambda c, s, b: int(s * b / c),), "cost more"),
    (ch05.check_side, (lambda c, s, b: s,), "one more can be afforded"),
    (ch05.check_side, (lambda c, s, b: s + 0.5,), "whole number"),
    (ch05.check_side, (lambda c, s, b: None,), "should be a number"),
]

SECRETS = {
    ch05.check_prior: [".log()", "log(counts"],
    ch05.check_test_size: ["1825", "1,825", "1824"],
    ch05.check_only_b: ["(15, 100)"],
    ch05.check_stem_rates: ["0.003125 is the rate", "0.00625 is the rate"],
    ch05.check_torn: ["0.375", "2 * s", "0.18"],
    ch05.check_weights: ["ResNet50_Weights.IMAGENET1K_V2"],
    ch05.check_feed: ["0.485", "0.229"],
    ch05.check_left_over: ["0.28", "0.9 **", "0.9**"],
    ch05.check_leak_formula: ["0.82", "0.820"],
    ch05.check_temperature: ["2.09"],
    ch05.check_threshold: ["0.7 ", "0.70", "0.83"],
    ch05.check_cheapest: ["resnet50 with"],
    ch05.check_side: ["141", "316"],
}

CHECKERS = [value for name, value in vars(ch05).items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKERS, ids=lambda check: check.__name__)
def test_each_checker_says_what_it_wants(check):
    assert inspect.getdoc(check)
    assert inspect.signature(check).return_annotation in (str, "str")


@pytest.mark.parametrize(("check", "answer"), named([row[:2] for row in RIGHT + WRONG]))
def test_the_global_random_state_is_untouched(check, answer):
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002 - the global state is what is tested
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    check(*answer)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_a_reader_whose_code_fails_gets_a_sentence():
    def failing(*_):
        raise KeyError("no such thing")

    for check in (ch05.check_torn, ch05.check_cut, ch05.check_feed, ch05.check_new_head, ch05.check_map):
        assert "KeyError" in check(failing)
