"""Every attention module against its formula, written out naively."""

import pytest
import torch
from torch import Tensor, nn

from autola_analysis.attention import (
    CBAM,
    RELEASED,
    HighOrderGroupAttention,
    SqueezeExcitation,
    create_attention,
    list_attentions,
    register_attention,
)
from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.core.errors import OptionError, UnknownNameError


def features(channels: int = 16) -> Tensor:
    return torch.randn(3, channels, 6, 5)


@pytest.mark.parametrize("name", list_attentions())
def test_the_output_has_the_shape_of_the_input(name: str) -> None:
    x = features(32)
    assert create_attention(name, 32)(x).shape == x.shape


@pytest.mark.parametrize("name", list_attentions())
def test_the_input_is_left_as_it_was(name: str) -> None:
    x = features(32)
    before = x.clone()
    create_attention(name, 32)(x)
    assert torch.equal(x, before)


def test_se_scales_each_channel_by_the_gate_of_its_mean() -> None:
    x = features()
    se = SqueezeExcitation(16, reduction=4)
    w1, w2 = se.gate.fc1.weight, se.gate.fc2.weight
    assert w1.shape == (4, 16)
    expected = torch.empty_like(x)
    for image in range(len(x)):
        gate = torch.sigmoid(w2 @ torch.relu(w1 @ x[image].flatten(1).mean(1)))
        for channel in range(16):
            expected[image, channel] = x[image, channel] * gate[channel]
    torch.testing.assert_close(se(x), expected)


def test_se_has_at_least_one_hidden_unit() -> None:
    assert SqueezeExcitation(8, reduction=16).gate.fc1.weight.shape == (1, 8)


def test_cbam_gates_channels_and_then_positions() -> None:
    x = features()
    cbam = CBAM(16, reduction=4).eval()
    nn.init.normal_(cbam.spatial_gate.bn.running_mean)
    mlp = cbam.channel_gate.mlp
    pooled = [x.mean((2, 3)), x.flatten(2).max(2).values]
    hidden = [torch.relu(p @ mlp.fc1.weight.T + mlp.fc1.bias) @ mlp.fc2.weight.T + mlp.fc2.bias for p in pooled]
    y = x * torch.sigmoid(hidden[0] + hidden[1])[:, :, None, None]
    maps = torch.stack((y.max(1).values, y.mean(1)), dim=1)
    conv = nn.functional.conv2d(maps, cbam.spatial_gate.conv.weight, padding=3)
    bn = cbam.spatial_gate.bn
    normed = (conv - bn.running_mean) / torch.sqrt(bn.running_var + bn.eps) * bn.weight + bn.bias
    torch.testing.assert_close(cbam(x), y * torch.sigmoid(normed))


def test_hoga_follows_the_released_wiring_edge_by_edge() -> None:
    x = features()
    hoga = HighOrderGroupAttention(16).eval()
    x1, x2, x3, x4 = x[:, :4], x[:, 4:8], x[:, 8:12], x[:, 12:]
    op = hoga.ops
    s1 = x1
    s2 = op[1](x2) + op[2](s1)
    s3 = op[3](x3) + s2 + op[5](s1)
    s4 = op[6](x4) + s1 + op[8](s3) + op[9](s2)
    z = torch.cat((s1, s2, s3, s4, hoga.se_a(x1 + x2 + x3 + x4)), 1)
    torch.testing.assert_close(hoga(x), hoga.se_b(hoga.fuse(z) + x))


def test_hoga_keeps_the_operations_of_the_released_genotype_in_its_order() -> None:
    kinds = [type(op).__name__ for op in HighOrderGroupAttention(16).ops]
    assert kinds == [
        "Identity",
        "SpatialConvolutionalGate",
        "ConvolutionalGate",
        "CBAM",
        "Identity",
        "ConvolutionalGate",
        "ConvolutionalGate",
        "Identity",
        "ConvolutionalGate",
        "ConvolutionalGate",
    ]
    assert len(RELEASED.edges) == 10


@pytest.mark.parametrize(
    ("channels", "parameters"),
    [(16, 1405), (32, 4262), (64, 14744), (128, 54812), (256, 211364), (512, 830132)],
)
def test_hoga_has_the_published_number_of_parameters(channels: int, parameters: int) -> None:
    module = create_attention("hoga", channels, authors_rounding=True)
    assert sum(p.numel() for p in module.parameters()) == parameters


def test_hoga_with_at_least_one_hidden_unit_has_eight_parameters_more_at_16_channels() -> None:
    assert sum(p.numel() for p in create_attention("hoga", 16).parameters()) == 1413


def test_the_authors_rounding_makes_the_gate_of_a_narrow_group_one_half() -> None:
    x = features(4)
    hoga = HighOrderGroupAttention(16, authors_rounding=True)
    torch.testing.assert_close(hoga.se_a(x), 0.5 * x)


def test_hoga_needs_channels_that_split_into_four_groups() -> None:
    with pytest.raises(OptionError, match="4 groups; 18 is not a multiple of 4"):
        create_attention("hoga", 18)


def test_random_hoga_is_the_same_for_the_same_seed_and_differs_between_seeds() -> None:
    first, again, other = (create_attention("hoga-random", 16, genotype_seed=seed).genotype for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_gate_ends_in_a_sigmoid_module() -> None:
    for name in ("se", "cbam", "hoga"):
        sigmoids = [m for m in create_attention(name, 16).modules() if isinstance(m, nn.Sigmoid)]
        assert sigmoids, name


def test_an_own_module_is_available_by_name_class_and_function() -> None:
    class Twice(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()

        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    register_attention("twice")(Twice)
    try:
        x = features()
        for spec in ("twice", Twice, lambda channels: Twice(channels)):
            assert torch.equal(create_attention(spec, 16)(x), 2 * x)
    finally:
        del ATTENTIONS._items["twice"]


def test_an_instance_is_refused_because_all_blocks_would_share_it() -> None:
    with pytest.raises(OptionError, match="instance of SqueezeExcitation, which all blocks would share"):
        create_attention(SqueezeExcitation(16), 16)


def test_an_unknown_attention_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown attention 'hogga'; the nearest known: hoga"):
        create_attention("hogga", 16)
