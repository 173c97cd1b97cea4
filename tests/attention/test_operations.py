"""The operations on HOGA's edges against their formulas."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.attention.memory import FEW_CHANNELS
from autola_analysis.attention.operations import OPERATIONS, ConvolutionalGate


def randomised(name: str, channels: int = 8) -> nn.Module:
    module = OPERATIONS.get(name)(channels).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.weight)
    return module


def norm(x: Tensor, bn: nn.BatchNorm2d) -> Tensor:
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    return (x - bn.running_mean[:, None, None]) * scale[:, None, None] + bn.bias[:, None, None]


def stack(x: Tensor, gate: nn.Sequential) -> Tensor:
    """dw3x3, 1x1, BN, ReLU, dw3x3, 1x1, BN."""
    channels = x.shape[1]
    x = F.conv2d(F.conv2d(x, gate[0].weight, padding=1, groups=channels), gate[1].weight)
    x = torch.relu(norm(x, gate[2]))
    x = F.conv2d(F.conv2d(x, gate[4].weight, padding=1, groups=channels), gate[5].weight)
    return norm(x, gate[6])


def max_and_mean(x: Tensor) -> Tensor:
    return torch.stack((x.max(1).values, x.mean(1)), 1)


X = torch.randn(2, 8, 7, 6, generator=torch.Generator().manual_seed(3))


def test_none_lets_nothing_through_and_skip_everything() -> None:
    assert torch.equal(OPERATIONS.get("none")(8)(X), torch.zeros_like(X))
    assert torch.equal(OPERATIONS.get("skip_connect")(8)(X), X)


def test_sep_conv_3x3_gates_by_two_separable_convolutions() -> None:
    op = randomised("sep_conv_3x3")
    torch.testing.assert_close(op(X), X * torch.sigmoid(stack(X, op.gate)))


def test_dil_conv_3x3_gates_by_one_dilated_separable_convolution() -> None:
    op = randomised("dil_conv_3x3")
    y = F.conv2d(F.conv2d(X, op.gate[0].weight, padding=2, dilation=2, groups=8), op.gate[1].weight)
    torch.testing.assert_close(op(X), X * torch.sigmoid(norm(y, op.gate[2])))


def test_sep_conv_3x3_spatial_gates_positions_by_maximum_and_mean() -> None:
    op = randomised("sep_conv_3x3_spatial")
    gate = stack(max_and_mean(X), op.gate)
    assert gate.shape[1] == 1
    torch.testing.assert_close(op(X), X * torch.sigmoid(gate))


def test_dil_conv_3x3_spatial_gates_positions_by_a_dilated_convolution() -> None:
    op = randomised("dil_conv_3x3_spatial")
    y = F.conv2d(F.conv2d(max_and_mean(X), op.gate[0].weight, padding=2, dilation=2), op.gate[1].weight)
    torch.testing.assert_close(op(X), X * torch.sigmoid(norm(y, op.gate[2])))


def test_se_a_m_adds_the_perceptron_of_mean_and_maximum() -> None:
    op = randomised("SE_A_M")
    w1, w2 = op.gate.mlp.fc1.weight, op.gate.mlp.fc2.weight
    assert w1.shape == (2, 8)
    assert op.gate.mlp.fc1.bias is None
    total = sum(torch.relu(p @ w1.T) @ w2.T for p in (X.mean((2, 3)), X.amax((2, 3))))
    torch.testing.assert_close(op(X), X * torch.sigmoid(total)[:, :, None, None])


@pytest.mark.parametrize(("name", "hidden"), [("SE", 2), ("CBAM", 2)])
def test_gates_inside_hoga_reduce_by_four(name: str, hidden: int) -> None:
    linear = next(part for part in randomised(name).modules() if isinstance(part, nn.Linear))
    assert linear.out_features == hidden


def test_convolutions_have_no_bias() -> None:
    for name in OPERATIONS:
        for part in OPERATIONS.get(name)(8).modules():
            assert not (isinstance(part, nn.Conv2d) and part.bias is not None), name


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("channels", [FEW_CHANNELS, FEW_CHANNELS + 1])
def test_a_stack_of_layers_is_its_layers_in_a_row_in_the_memory_of_its_input(
    channels: int, channels_last: bool
) -> None:
    torch.manual_seed(0)
    stack = ConvolutionalGate([nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)]).gate.double()
    x = torch.randn(3, channels, 6, 5, dtype=torch.float64)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    expected = inputs[0]
    for layer in copy.deepcopy(stack):
        expected = layer(expected)
    found = stack(inputs[1])
    for out in (expected, found):
        (out**2).sum().backward()
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, rtol=1e-12, atol=1e-13)
    if channels_last:
        assert found.is_contiguous(memory_format=torch.channels_last)
