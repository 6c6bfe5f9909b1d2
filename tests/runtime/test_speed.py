"""The switch ``fast``: what it means, that its check leaves no trace, and what the check decides."""

import copy
import itertools
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from bits import assert_same_bits, state, used
from torch import nn

from resnet_utils import evaluation, models, runtime
from resnet_utils.runtime import seeding, speed
from resnet_utils.runtime.speed import PLAIN, Pace

LAST, HALF, BOTH = Pace(channels_last=True), Pace(half=True), Pace(channels_last=True, half=True)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _as_before():
    with speed.using(None):
        yield
    speed.agree(None)


def network():
    torch.manual_seed(0)
    return used(models.build("resnet20", 5, width=4))


def images(count=16, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def clock_of(monkeypatch, seconds, *, half=True):
    """Let each pass take the ``seconds`` of its pace, and the processor have 16 bits."""
    monkeypatch.setattr(speed, "has_half", lambda device: half)
    seen = []

    def take(model, images, pace, training, clock):
        seen.append(pace)
        return seconds[pace]

    monkeypatch.setattr(speed, "_pass", take)
    return seen


def test_the_default_of_a_process_that_has_said_nothing_is_to_measure():
    code = "from resnet_utils.runtime import speed; print(speed.asked(None))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "auto"


def test_setting_up_a_notebook_turns_the_measuring_off_unless_it_says_otherwise():
    speed.use("auto")
    runtime.setup()
    assert speed.asked(None) is False
    runtime.setup(fast="auto")
    assert speed.asked(None) == "auto"
    runtime.setup(fast=True)
    assert speed.asked(None) is True


def test_a_block_can_have_another_default():
    speed.use(False)
    with speed.using("auto"):
        assert speed.asked(None) == "auto"
        assert speed.asked(True) is True
        with speed.using(None):
            assert speed.asked(None) == "auto"
    assert speed.asked(None) is False


@pytest.mark.parametrize("wrong", ["yes", 1, 0, "True", 1.0, torch.tensor(True), []])
def test_what_the_switch_cannot_be_is_refused(wrong):
    for function in (speed.use, speed.asked):
        with pytest.raises(ValueError, match="fast must be True, False, 'auto' or None, got"):
            function(wrong)
    with pytest.raises(ValueError, match="give it True, False or 'auto'"):
        speed.use(None)
    with pytest.raises(ValueError, match="fast must be True, False, 'auto' or None, got"):
        evaluation.predict(network(), [(images(2), torch.tensor([0, 1]))], fast=wrong)


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({PLAIN: 1.0, LAST: 0.8, BOTH: 0.4}, BOTH),
        ({PLAIN: 1.0, LAST: 0.8, BOTH: 6.0}, LAST),  # 16 bits without instructions for them
        ({PLAIN: 1.0, LAST: 0.9, BOTH: 0.88}, PLAIN),  # 14 % is not worth other digits
        ({PLAIN: 1.15, LAST: 1.0, BOTH: 1.1}, LAST),
        ({PLAIN: 1.0, LAST: 1.2, BOTH: 1.3}, PLAIN),
        ({PLAIN: 1.0}, PLAIN),
    ],
)
def test_the_fastest_pace_is_taken_if_it_gains_at_least_fifteen_percent(seconds, best):
    assert speed.fastest_of(seconds) == best


def tried(seen):
    """The rounds of a check, without the passes before them that see how long one takes."""
    start = next(place for place, pace in enumerate(seen) if pace != PLAIN) - 1
    return seen[start:]


@pytest.mark.parametrize("training", [False, True])
def test_the_paces_are_tried_in_turn_and_the_fastest_is_taken(monkeypatch, training):
    seen = clock_of(monkeypatch, {PLAIN: 0.02, LAST: 0.019, BOTH: 0.017})
    assert speed.choose("auto", network(), images(), training=training) == BOTH
    assert tried(seen) == [PLAIN, LAST, BOTH] * speed.ROUNDS


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({PLAIN: 0.02, LAST: 0.018, BOTH: 0.01}, BOTH),
        ({PLAIN: 0.02, LAST: 0.021, BOTH: 0.03}, PLAIN),
    ],
)
def test_a_check_ends_when_two_rounds_after_the_first_agree_clearly(monkeypatch, seconds, best):
    seen = clock_of(monkeypatch, seconds)
    assert speed.choose("auto", network(), images()) == best
    assert tried(seen) == [PLAIN, LAST, BOTH] * 3


def test_a_neighbour_that_slows_one_round_does_not_decide(monkeypatch):
    seen = clock_of(monkeypatch, {PLAIN: 0.02, LAST: 0.019, BOTH: 0.014})
    take = speed._pass

    def disturbed(model, images, pace, training, clock):
        return take(model, images, pace, training, clock) * (
            3 if pace == BOTH and seen.count(BOTH) == 2 else 1
        )

    monkeypatch.setattr(speed, "_pass", disturbed)
    assert speed.choose("auto", network(), images()) == BOTH


def test_a_check_that_takes_long_has_one_round(monkeypatch):
    seen = clock_of(monkeypatch, {PLAIN: 3.0, LAST: 2.0, BOTH: 1.0})
    assert speed.choose("auto", network(), images()) == BOTH
    assert seen == [PLAIN, PLAIN, LAST, BOTH]


def spent_in_check(monkeypatch, an_image, *, to_come):
    """Seconds of a check of a network that needs ``an_image`` seconds for one, whatever the pace."""
    monkeypatch.setattr(speed, "has_half", lambda device: True)
    passes = []

    def take(model, images, pace, training, clock):
        passes.append(len(images) * an_image / (1 + 0.1 * pace.half))  # no round is clear
        return passes[-1]

    monkeypatch.setattr(speed, "_pass", take)
    speed.choose("auto", network(), images(128, size=4), to_come=to_come)
    return sum(passes)


@pytest.mark.parametrize("an_image", [1e-4, 1e-3, 1e-2, 3e-2])
def test_a_check_takes_about_two_seconds_at_most(monkeypatch, an_image):
    # One round of two images may lie on top: 6 * 0.03 s.
    assert spent_in_check(monkeypatch, an_image, to_come=None) < speed.MOST_SECONDS + 0.2


@pytest.mark.parametrize("an_image", [1e-4, 1e-3, 1e-2])
def test_a_check_for_few_images_takes_about_a_tenth_of_their_time(monkeypatch, an_image):
    # Passes of two images, two to begin with and a round that has begun: ten images in all on top.
    assert spent_in_check(monkeypatch, an_image, to_come=600) < (60 + 10) * an_image


def test_on_one_thread_a_check_is_measured_by_processor_time(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert speed._clock(CPU) is (time.perf_counter if os.name == "nt" else time.process_time)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert speed._clock(CPU) is time.perf_counter


def test_without_instructions_sixteen_bits_are_not_even_tried(monkeypatch):
    seen = clock_of(monkeypatch, {PLAIN: 1.0, LAST: 0.5, BOTH: 0.1}, half=False)
    assert speed.choose("auto", network(), images()) == LAST
    assert set(seen) == {PLAIN, LAST}
    assert speed.choose(True, network(), images()) == LAST


def test_what_autocast_says_is_not_measured(monkeypatch):
    seen = clock_of(monkeypatch, {PLAIN: 1.0, LAST: 0.5, HALF: 0.9, BOTH: 0.1})
    assert speed.choose("auto", network(), images(), half=False) == LAST
    assert set(seen) == {PLAIN, LAST}
    seen.clear()
    assert speed.choose("auto", network(), images(), half=True) == BOTH
    assert set(seen) == {HALF, BOTH}
    assert speed.choose(False, network(), images(), half=True) == HALF
    assert speed.choose(True, network(), images(), half=False) == LAST


def test_for_few_images_nothing_is_measured(monkeypatch):
    seen = clock_of(monkeypatch, {PLAIN: 1.0, LAST: 0.5, BOTH: 0.1})
    assert speed.choose("auto", network(), images(), to_come=speed.WORTH - 1) == PLAIN
    assert seen == []
    assert speed.choose("auto", network(), images(), to_come=speed.WORTH) == BOTH


def test_what_was_measured_for_a_network_is_remembered_for_images_of_that_size(monkeypatch):
    seen, model = clock_of(monkeypatch, {PLAIN: 1.0, LAST: 0.5, BOTH: 0.1}), network()
    speed.choose("auto", model, images())
    count = len(seen)
    speed.choose("auto", model, images(4))
    assert len(seen) == count
    for other in (images(size=24), images().double()):
        speed.choose("auto", model, other)
    assert len(seen) == 3 * count
    speed.choose("auto", copy.deepcopy(model), images())
    assert len(seen) == 4 * count


def test_a_pace_that_was_chosen_before_is_taken_as_it_is():
    assert speed.choose(BOTH, network(), images()) == BOTH


class Random(nn.Module):
    """Draws from every generator, counts how often it was asked, and tells whoever looks on."""

    def __init__(self):
        super().__init__()
        self.net, self.drop = network(), nn.Dropout(0.5)
        self.register_buffer("asked", torch.zeros(()))

    def forward(self, x):
        self.asked += 1
        return self.drop(self.net(x)) * (1 + 0 * (random.random() + np.random.rand()))  # noqa: NPY002


@pytest.mark.parametrize("training", [False, True])
def test_the_check_leaves_model_optimizer_and_generators_as_they_were(training):
    model = Random().train(training)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, looked = images(), []
    model(x).sum().backward()
    optimizer.step()
    model.register_forward_hook(lambda *_: looked.append(1))
    before = copy.deepcopy(state(model))
    momentum = copy.deepcopy(optimizer.state_dict()["state"])
    gradients = [p.grad.clone() for p in model.parameters()]
    strides = [p.stride() for p in model.parameters()]
    generators, pixels = seeding.global_generators(), x.clone()
    speed.choose("auto", model, x, training=training)
    assert_same_bits(before, state(model))
    after = optimizer.state_dict()["state"]
    for key in momentum:
        assert torch.equal(momentum[key]["momentum_buffer"], after[key]["momentum_buffer"])
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        assert torch.equal(gradient, parameter.grad)
    assert strides == [p.stride() for p in model.parameters()]
    now = seeding.global_generators()
    assert torch.equal(generators.pop("torch"), now.pop("torch"))
    assert generators == now
    assert torch.equal(pixels, x)
    assert looked == []
    assert model.training is training


def test_the_check_measures_passes_and_not_their_failure():
    """A real check of a network in which 16 bits would fail: what cannot be done is not chosen."""
    model = network().eval()
    ticks = itertools.count()
    passes = []

    def clock():
        passes.append(next(ticks))
        return float(passes[-1])

    assert speed.choose("auto", model, images(), clock=clock) == PLAIN  # a second each: nothing gains
    assert len(passes) >= 4


def test_in_inference_mode_it_can_be_measured_too(monkeypatch):
    spent = {PLAIN: 1.0, LAST: 0.5, BOTH: 0.5}
    real = speed._pass
    errors = []

    def noting(model, images, pace, training, clock):
        try:
            real(model, images, pace, training, clock)
        except Exception as error:
            errors.append(error)
            raise
        return spent[pace]

    monkeypatch.setattr(speed, "_pass", noting)
    monkeypatch.setattr(speed, "has_half", lambda device: True)
    with torch.inference_mode():
        assert speed.choose("auto", network().eval(), images()) == LAST
    assert errors == []


@pytest.mark.parametrize("bad", [images()[:, :2], images(size=16).long(), images()[0, 0]])
def test_images_that_do_not_fit_are_left_to_the_computing_itself(bad):
    assert speed.choose("auto", network(), bad) == PLAIN


def test_all_processes_of_a_training_can_take_the_same_choice():
    speed.agree(lambda own: HALF)
    for fast in (False, True, "auto"):
        assert speed.choose(fast, network(), images(), training=True, to_come=1) == HALF
    assert speed.choose(False, network(), images()) == PLAIN, "an evaluation may run in one of them alone"


def test_filters_lie_channels_last_inside_and_as_before_outside():
    model = network()
    model.layer1[0].conv1.weight.data = model.layer1[0].conv1.weight.data.contiguous(
        memory_format=torch.channels_last
    )
    before, strides = state(model), [p.stride() for p in model.parameters()]
    with speed.kept_order(model, LAST):
        filters = [p for p in model.parameters() if p.ndim == 4]
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in filters)
        assert_same_bits(before, state(model))
    assert strides == [p.stride() for p in model.parameters()]
    with speed.kept_order(model, PLAIN):
        assert strides == [p.stride() for p in model.parameters()]


def test_images_are_arranged_and_vectors_left_alone():
    x = images(2)
    assert speed.arranged(x, LAST).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(speed.arranged(x, LAST), x)
    assert speed.arranged(x, PLAIN) is x
    assert speed.arranged(x[0, 0], BOTH).shape == (16, 16)


@pytest.mark.parametrize(("isa", "allowed"), [("AVX2", False), ("avx512_core", False), ("", True)])
def test_sixteen_bits_that_were_forbidden_are_not_there(monkeypatch, isa, allowed):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert speed.has_half(CPU) is allowed


def test_a_processor_without_the_instructions_has_no_sixteen_bits(monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert not speed.has_half(CPU)
    assert speed.fastest(CPU) == LAST
    assert speed.fastest(torch.device("cuda")) == BOTH
    assert speed.fastest(torch.device("mps")) == PLAIN


def test_the_sixteen_bits_are_bfloat16_but_on_a_gpu_that_only_emulates_it(monkeypatch):
    for own, kind in ((True, torch.bfloat16), (False, torch.float16)):
        says = lambda including_emulation=True, own=own: own or including_emulation  # noqa: E731
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", says)
        assert speed.sixteen_bits(torch.device("cuda")) == kind
        assert speed.sixteen_bits(CPU) == torch.bfloat16


@pytest.mark.parametrize(
    ("pace", "words"),
    [(PLAIN, "float32"), (BOTH, "16 bits, channels last"), (LAST, "float32, channels last")],
)
def test_a_pace_says_what_it_is(pace, words):
    assert str(pace) == words
