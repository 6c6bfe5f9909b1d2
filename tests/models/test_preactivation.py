"""The five orders of a block against the two blocks of the package and against their formulas."""

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from resnet_utils.models import blocks, preactivation

CASES = [(8, 8, 1), (8, 16, 1), (8, 16, 2)]
TWINS = [("original", blocks.BasicBlock), ("full pre-activation", preactivation.PreActBlock)]


def ordered(order, *shape, shortcut="B"):
    """A block whose scales and shifts are not the initial ones."""
    torch.manual_seed(0)
    block = preactivation.OrderedBlock(*shape, order=order, shortcut=shortcut)
    for p in block.parameters():
        p.data = torch.rand(p.shape) - 0.4
    return block


def step(block, x):
    """Output, gradient at the input, and everything the block holds after a step of SGD."""
    x = x.clone().requires_grad_()
    out = block(x)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    torch.optim.SGD(block.parameters(), lr=0.1).step()
    return [out, x.grad, *[block.state_dict()[name] for name in sorted(block.state_dict())]]


@pytest.mark.parametrize("shape", CASES)
@pytest.mark.parametrize("shortcut", ["A", "B", "C", "none"])
@pytest.mark.parametrize(("order", "kind"), TWINS)
def test_first_and_last_order_are_the_packages_blocks_to_the_bit(order, kind, shortcut, shape):
    mine, twin = ordered(order, *shape, shortcut=shortcut), kind(*shape, shortcut=shortcut)
    twin.load_state_dict(mine.state_dict(), strict=True)
    x = torch.rand(4, shape[0], 9, 7) - 0.5
    for a, b in zip(step(mine, x), step(twin, x), strict=True):
        assert torch.equal(a, b)


FORMULAS = {  # He et al. 2016, figure 4, written down one by one
    "original": lambda b, x: relu(b.bn2(b.conv2(relu(b.bn1(b.conv1(x))))) + x),
    "BN after addition": lambda b, x: relu(b.bn2(b.conv2(relu(b.bn1(b.conv1(x)))) + x)),
    "ReLU before addition": lambda b, x: relu(b.bn2(b.conv2(relu(b.bn1(b.conv1(x)))))) + x,
    "ReLU-only pre-activation": lambda b, x: b.bn2(b.conv2(relu(b.bn1(b.conv1(relu(x)))))) + x,
    "full pre-activation": lambda b, x: b.conv2(relu(b.bn2(b.conv1(relu(b.bn1(x)))))) + x,
}


@pytest.mark.parametrize("order", preactivation.ORDERS)
def test_each_order_is_its_formula(order):
    block = ordered(order, 8, 8)
    x = torch.rand(4, 8, 6, 5) - 0.5
    assert torch.equal(block(x), FORMULAS[order](block, x))


def test_the_five_orders_are_five_different_functions_of_the_same_weights():
    x, outs = torch.rand(4, 8, 6, 5) - 0.5, []
    for order in preactivation.ORDERS:
        outs.append(ordered(order, 8, 8)(x))
    for i, a in enumerate(outs):
        assert not any(torch.allclose(a, b, atol=0.01) for b in outs[:i])


@pytest.mark.parametrize("shape", CASES)
@pytest.mark.parametrize("order", preactivation.ORDERS)
def test_every_order_has_torchvisions_names_and_gives_the_documented_shape(order, shape):
    block = ordered(order, *shape)
    in_channels, width, stride = shape
    assert block(torch.rand(2, in_channels, 9, 7)).shape == (
        2,
        width,
        9 // stride + 9 % stride,
        7 // stride + 7 % stride,
    )
    assert {name.split(".")[0] for name in block.state_dict()} <= {
        "conv1",
        "bn1",
        "conv2",
        "bn2",
        "downsample",
    }


@pytest.mark.parametrize("order", preactivation.ORDERS)
def test_projection_starts_from_what_the_first_convolution_reads(order):
    block = ordered(order, 8, 16, 2)
    seen = {}
    for name in ("conv1", "downsample"):
        block.get_submodule(name).register_forward_pre_hook(
            lambda module, inputs, name=name: seen.update({name: inputs[0]})
        )
    block(torch.rand(2, 8, 6, 6) - 0.5)
    assert torch.equal(seen["conv1"], seen["downsample"])


def test_branch_that_ends_in_a_relu_can_only_add():
    x = torch.rand(4, 8, 6, 6) - 0.5
    lowered = {order: bool((ordered(order, 8, 8)(x) < x).any()) for order in preactivation.ORDERS}
    assert [order for order, any_lower in lowered.items() if not any_lower] == ["ReLU before addition"]


def test_silent_branch_is_the_identity_in_the_three_orders_with_nothing_after_the_addition():
    x, exact = torch.rand(4, 8, 6, 6) - 0.5, []
    for order in preactivation.ORDERS:
        block = preactivation.OrderedBlock(8, 8, order=order)
        nn.init.zeros_(block.conv2.weight)
        exact += [order] if torch.equal(block(x), x) else []
    assert exact == ["ReLU before addition", "ReLU-only pre-activation", "full pre-activation"]


def test_a_network_ends_with_the_steps_that_the_next_block_would_begin_with():
    kinds = {o: [type(m).__name__ for m in preactivation.closing_steps(o, 4)] for o in preactivation.ORDERS}
    assert kinds["full pre-activation"] == ["BatchNorm2d", "ReLU"]
    assert kinds["ReLU-only pre-activation"] == ["ReLU"]
    assert kinds["original"] == kinds["BN after addition"] == kinds["ReLU before addition"] == []


def test_published_errors_name_the_orders():
    assert list(preactivation.PUBLISHED_ERROR) == list(preactivation.ORDERS)
    table_2 = [6.61, 8.17, 7.84, 6.71, 6.37]  # He et al. 2016, arXiv:1603.05027, ResNet-110
    assert list(preactivation.PUBLISHED_ERROR.values()) == table_2


def test_unknown_order_is_refused_with_the_valid_ones():
    for call in (
        lambda: preactivation.OrderedBlock(8, 8, order="new"),
        lambda: preactivation.closing_steps("new", 4),
    ):
        with pytest.raises(ValueError, match=r"must be one of original, BN after .*; got 'new'"):
            call()


@pytest.mark.parametrize("stride", [0, 3])
def test_wrong_stride_is_refused(stride):
    with pytest.raises(ValueError, match="stride must be 1 or 2"):
        preactivation.OrderedBlock(8, 8, stride)
