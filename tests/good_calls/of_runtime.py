"""Calls of the functions in ``runtime``."""

import torch

from good_calls.makers import images, labels
from resnet_utils.runtime import seeding, speed

CALLS = {
    "runtime.processes.Shares": lambda _: {},
    "runtime.seeding.SeededGenerator": lambda _: {},
    "runtime.speed.Pace": lambda _: {"half": True},
    "runtime.classes.classes_of": lambda _: {"holder": ["cat", "dog"]},
    "runtime.classes.difference": lambda _: {"first": ("cat", "dog"), "second": ("dog", "cat")},
    "runtime.environment.progress": lambda _: {"iterable": [1, 2], "description": "epoch 1"},
    "runtime.environment.note": lambda _: {"line": "epoch 1"},
    "runtime.given.explained": lambda _: {"function": len},
    "runtime.given.of_kind": lambda _: {"value": "cat", "kind": str},
    "runtime.given.texts": lambda _: {"values": ["cat", "dog"]},
    "runtime.given.reason_told": lambda _: {"words": "the network cannot take it"},
    "runtime.given.answer_of": lambda _: {"function": torch.sin},
    "runtime.given.number_within": lambda _: {"value": 0.5, "least": 0.0, "most": 1.0},
    "runtime.timing.turns": lambda _: {"names": ["one", "two"], "rounds": 3},
    "runtime.given.whole_number": lambda _: {"value": 3},
    "runtime.given.yes_or_no": lambda _: {"value": True},
    "runtime.given.real_number": lambda _: {"value": 0.5},
    "runtime.given.real_numbers": lambda _: {"values": [0.5, 1]},
    "runtime.given.table": lambda _: {"value": [[0.5, 1]]},
    "runtime.given.require_batches": lambda _: {"times": 2},
    "runtime.given.batches": lambda _: {"caller": "evaluate"},
    "runtime.given.pair_of": lambda _: {"batch": (images(), labels()), "where": "evaluate(), batch 1"},
    "runtime.processes.total": lambda _: {"numbers": [1.0, 2]},
    "runtime.processes.said_by_first": lambda _: {"flags": [True, False]},
    "runtime.processes.same_tensors": lambda _: {"tensors": [torch.zeros(2)]},
    "runtime.processes.joined": lambda _: {"parts": [torch.zeros(2, 3), torch.ones(1, 3)]},
    "runtime.processes.cut_of": lambda _: {"length": 9, "number": 1},
    "runtime.seeding.generators_of": lambda _: {"holder": torch.utils.data.RandomSampler(range(3))},
    "runtime.seeding.set_global_generators": lambda _: {"states": seeding.global_generators()},
    "runtime.seeding.kept_generators": lambda _: {"holder": None},
    "runtime.speed.use": lambda _: {"fast": False},
    "runtime.speed.using": lambda _: {"fast": True},
    "runtime.speed.asked": lambda _: {"fast": "auto"},
    "runtime.speed.choose": lambda _: {"fast": True},
    "runtime.speed.settle": lambda _: {"pace": speed.Pace()},
    "runtime.speed.agree": lambda _: {"together": None},
    "runtime.speed.computing": lambda _: {"pace": speed.Pace(half=True)},
    "runtime.speed.arranged": lambda _: {"pace": speed.Pace(channels_last=True)},
    "runtime.speed.kept_order": lambda _: {"pace": speed.Pace(channels_last=True)},
    "runtime.speed.fastest_of": lambda _: {"seconds": {speed.Pace(): 1.0, speed.Pace(half=True): 0.5}},
    "runtime.timing.alternated": lambda _: {"works": {"one": list, "two": dict}},
    "runtime.timing.times_faster": lambda _: {
        "seconds": {"one": [1.0, 2.0], "two": [2.0, 4.0]}, "name": "one", "than": "two",
    },
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {
    ("runtime.environment.progress", "total"): "of an empty list nothing is to come",
}
