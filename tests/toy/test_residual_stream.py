"""The stream of a Transformer against PyTorch's own layer, and its twins."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resnet_utils.toy import residual_stream


@pytest.mark.parametrize("norm", residual_stream.PLACES)
def test_a_layer_is_that_of_pytorch(norm):
    first = norm == "pre"
    library = nn.TransformerEncoderLayer(8, 2, 32, 0.0, norm_first=first, batch_first=True).double()
    ours = residual_stream.StreamLayer(8, 2, norm=norm).double()
    pairs = (
        (ours.attention.ask_fit_offer, (library.self_attn.in_proj_weight, library.self_attn.in_proj_bias)),
        (ours.attention.back, (library.self_attn.out_proj.weight, library.self_attn.out_proj.bias)),
        (ours.network[0], (library.linear1.weight, library.linear1.bias)),
        (ours.network[2], (library.linear2.weight, library.linear2.bias)),
        (ours.norm1, (library.norm1.weight, library.norm1.bias)),
        (ours.norm2, (library.norm2.weight, library.norm2.bias)),
    )
    with torch.no_grad():
        for layer, (weight, bias) in pairs:
            weight.uniform_(0.1, 1)
            bias.uniform_(-1, 1)
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    x = torch.rand(2, 5, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), library.train()(x), rtol=0, atol=1e-12)


def test_both_places_begin_with_the_same_weights_and_leave_the_global_state():
    state = torch.random.get_rng_state()
    pre, post = (residual_stream.Stream(2, norm=norm, seed=4) for norm in residual_stream.PLACES)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in post.state_dict().items():
        assert torch.equal(value, pre.state_dict()[name])


def test_words_are_read_backward():
    words, answers = residual_stream.words(5, seed=1)
    assert torch.equal(words.flip(1), answers)
    assert words.shape == (5, residual_stream.LENGTH)


def test_a_shallow_stream_learns_and_a_warm_up_changes_the_steps():
    runs = {}
    for warmup in (0, 30):
        stream = residual_stream.Stream(1, width=16, seed=0)
        runs[warmup] = residual_stream.train_backward(stream, steps=40, lr=0.01, warmup=warmup)
    assert runs[0][0] == runs[30][0]
    assert runs[0][-1] < 0.9 * runs[0][0]
    assert runs[0][5] != runs[30][5]


def test_what_makes_no_stream_is_refused():
    with pytest.raises(ValueError, match="norm must be one of pre, post"):
        residual_stream.StreamLayer(8, 2, norm="both")
    with pytest.raises(ValueError, match="multiple of heads"):
        residual_stream.StreamLayer(9, 2)
    with pytest.raises(ValueError, match="depth must be at least 1"):
        residual_stream.Stream(0)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        residual_stream.train_backward(residual_stream.Stream(1), steps=0, lr=0.1)


def test_before_the_head_pre_norm_norms_the_sum_and_post_norm_has_done_so():
    letters, _ = residual_stream.words(3)
    pre = residual_stream.Stream(2, width=16, norm="pre")
    nn.init.zeros_(pre.last.weight)  # then nothing of the stream gets through
    nn.init.constant_(pre.fc.bias, 0.5)
    assert torch.equal(pre(letters), torch.full((3, residual_stream.LENGTH, residual_stream.LETTERS), 0.5))
    post = residual_stream.Stream(2, width=16, norm="post")
    assert isinstance(post.last, nn.Identity)


@pytest.mark.parametrize(("warmup", "share"), [(0, 1.0), (1, 0.5), (3, 0.25)])
def test_warm_up_begins_with_its_share_of_the_rate(warmup, share):
    stream = residual_stream.Stream(1, width=16)
    before = stream.fc.bias.detach().clone()
    residual_stream.train_backward(stream, steps=1, lr=0.01, warmup=warmup)
    moved = (stream.fc.bias.detach() - before).abs()
    # Kingma and Ba 2015, section 2.1: Adam's first step is as long as the rate, whatever the gradient.
    torch.testing.assert_close(moved, torch.full_like(moved, 0.01 * share), rtol=1e-3, atol=0)
