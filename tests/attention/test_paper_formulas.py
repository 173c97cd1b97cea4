"""ECA, coordinate, SimAM, triplet and global context attention: held to the formulas of their papers."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autola_analysis.analyses.gates.find import Gate, find_gates, gates_of
from autola_analysis.attention import GlobalContext, create_attention
from autola_analysis.attention.efficient_channel import kernel_size_of
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.inference.cost import cost_of
from tests.attention import paper_formulas
from tests.attention.paper_formulas import weights

FORMULAS: dict[str, Callable[..., np.ndarray]] = {
    "eca": paper_formulas.eca,
    "coordinate": paper_formulas.coordinate,
    "simam": lambda x, w: paper_formulas.simam(x),
    "triplet": paper_formulas.triplet,
    "global-context": paper_formulas.global_context,
}


def lively(name: str, channels: int, seed: int = 0, **options: object) -> nn.Module:
    """Return a module in evaluation whose parameters and statistics are all different from those it begins with."""
    generator = torch.Generator().manual_seed(seed)
    module = create_attention(name, channels, **options).double().eval()
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(drawn.square() + 0.5 if key.endswith("running_var") else drawn)
    return module


def images(channels: int, rows: int, columns: int, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, rows, columns, generator=generator, dtype=torch.float64) * 2 + 0.3


@pytest.mark.parametrize(("channels", "rows", "columns"), [(16, 5, 4), (6, 9, 3), (130, 2, 2)])
@pytest.mark.parametrize("name", FORMULAS)
def test_it_is_the_formula_of_its_paper(name: str, channels: int, rows: int, columns: int) -> None:
    module, x = lively(name, channels), images(channels, rows, columns)
    with torch.no_grad():
        found = module(x).numpy()
    for image, own in zip(x.numpy(), found, strict=True):
        np.testing.assert_allclose(own, FORMULAS[name](image, weights(module)), rtol=1e-9, atol=1e-9)


def test_simams_regularisation_is_an_option() -> None:
    x = images(3, 4, 4, 1) / 50
    found = lively("simam", 3, regularisation=0.5)(x)[0].numpy()
    np.testing.assert_allclose(found, paper_formulas.simam(x[0].numpy(), 0.5), rtol=1e-9)


@pytest.mark.parametrize(
    ("channels", "size"), [(8, 3), (16, 3), (64, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)]
)
def test_ecas_kernel_follows_from_the_channels(channels: int, size: int) -> None:
    assert kernel_size_of(channels) == create_attention("eca", channels).conv.weight.shape[-1] == size


def test_ecas_kernel_can_be_given_for_all_stages_or_for_each() -> None:
    sizes = [[256, 3], [512, 5]]
    assert create_attention("eca", 512, kernel_size=9).conv.weight.shape[-1] == 9
    assert [create_attention("eca", c, kernel_size=sizes).conv.weight.shape[-1] for c in (256, 512)] == [3, 5]


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("eca", {"kernel_size": 4}, "odd number from 1 on; found 4"),
        ("eca", {"kernel_size": -1}, "odd number from 1 on; found -1"),
        ("eca", {"kernel_size": [[64, 3]]}, "no size for 16 channels, only for 64"),
        ("simam", {"regularisation": 0.0}, "positive number; found 0"),
    ],
)
def test_impossible_options_are_answered_in_a_sentence(name: str, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(OptionError, match=complaint):
        create_attention(name, 16, **options)


C, SIDE = 64, 8


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("eca", 3, C * 3),
        # conv, norm, two gates; 2 x 8 pooled places go through the first, 8 through each gate
        ("coordinate", (C * 8 + 8) + 2 * 8 + 2 * (8 * C + C), 2 * SIDE * C * 8 + 2 * SIDE * 8 * C),
        ("simam", 0, 0),
        ("triplet", 3 * (2 * 49 + 2), 98 * (C * SIDE + C * SIDE + SIDE * SIDE)),
        # mask, fc1, norm, fc2; mask and pooling read every value once
        ("global-context", (C + 1) + (C * 4 + 4) + 2 * 4 + (4 * C + C), 2 * C * SIDE * SIDE + 2 * C * 4),
    ],
)
def test_parameters_and_multiply_adds_are_those_counted_by_hand(name: str, parameters: int, macs: int) -> None:
    cost = cost_of(create_attention(name, C), (C, SIDE, SIDE))
    assert (cost.parameters, cost.macs) == (parameters, macs)


@pytest.mark.parametrize(
    ("name", "gates"),
    [
        ("eca", {"gate": (16, 1, 1)}),
        ("coordinate", {"height_gate": (16, 6, 1), "width_gate": (16, 1, 5)}),
        ("simam", {"gate": (16, 6, 5)}),
        (
            "triplet",
            {"channel_width_gate": (16, 1, 5), "channel_height_gate": (16, 6, 1), "spatial_gate": (1, 6, 5)},
        ),
    ],
)
def test_its_gates_are_found_and_are_what_the_input_is_multiplied_by(name: str, gates: dict[str, tuple]) -> None:
    network = nn.Sequential()
    network.add_module("attention", lively(name, 16).float())
    found = find_gates(network, side=6)
    assert [gate.name for gate in found] == list(gates)
    values: dict[str, Tensor] = {}
    for gate in found:
        layer = network.get_submodule(gate.layer)
        layer.register_forward_hook(lambda module, inputs, output, gate=gate: values.update({gate.name: output}))
    x = images(16, 6, 5).float()
    with torch.no_grad():
        y = network(x)
    factors = [values[gate].view(2, *shape) for gate, shape in gates.items()]
    factor = sum(factors) / 3 if name == "triplet" else factors[0] * (factors[1] if len(factors) > 1 else 1)
    assert 0 < factor.min() < factor.max() < 1
    torch.testing.assert_close(y, x * factor)


def test_all_blocks_have_gates_of_their_own() -> None:
    gates = gates_of(create_model("resnet8", "triplet", 4, width=8))
    blocks = [f"layer{stage}.0.attention" for stage in (1, 2, 3)]
    names = ("channel_width_gate", "channel_height_gate", "spatial_gate")
    assert gates == [Gate(block, name, f"{block}.{name}") for block in blocks for name in names]


def test_global_context_has_no_gate_for_its_softmax_says_only_where_to_pool() -> None:
    with pytest.raises(LayerError, match="the network has no gates: no feature map is multiplied"):
        find_gates(create_model("resnet8", "global-context", 4, width=8))


def test_global_context_has_at_least_four_hidden_units_for_the_norm_of_one_is_a_constant() -> None:
    hidden = [create_attention("global-context", channels).transform.fc1.out_features for channels in (16, 64, 256)]
    assert hidden == [4, 4, 16]


def test_a_new_global_context_adds_nothing_and_learns() -> None:
    network = create_model("resnet8", "global-context", 4, width=8)
    module = network.layer3[0].attention
    assert isinstance(module, GlobalContext)
    x = torch.randn(2, 32, 4, 4)
    assert torch.equal(module(x), x)
    network(torch.randn(4, 3, 8, 8)).square().sum().backward()
    assert module.transform.fc2.weight.grad.abs().max() > 0


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("side", [1, 4])
def test_small_images_and_maps_of_one_position_give_finite_numbers(name: str, side: int) -> None:
    module = lively(name, 8)
    x = images(8, side, side).requires_grad_()
    y = module(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


def test_simams_gate_of_a_map_of_one_position_is_that_of_a_value_at_the_mean() -> None:
    x = images(8, 1, 1)
    torch.testing.assert_close(lively("simam", 8)(x), x * torch.tensor(0.5).double().sigmoid())


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_the_same_numbers_up_to_its_rounding(name: str, dtype: torch.dtype) -> None:
    module = create_attention(name, 32).eval()
    x = torch.randn(2, 32, 40, 40, generator=torch.Generator().manual_seed(0)) * 40
    with torch.no_grad():
        expected, found = module(x), module.to(dtype)(x.to(dtype)).float()
    assert (found - expected).abs().max() <= 8 * torch.finfo(dtype).eps * expected.abs().max()


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(sorted(FORMULAS)),
    channels=st.integers(1, 40),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_an_image_is_attended_as_if_it_were_alone(name: str, channels: int, rows: int, columns: int, seed: int) -> None:
    module, x = lively(name, channels, seed), images(channels, rows, columns, 3)
    with torch.no_grad():
        together = module(x)
        assert together.shape == x.shape
        for image, expected in zip(x.split(1), together.split(1), strict=True):
            torch.testing.assert_close(module(image), expected, rtol=1e-9, atol=1e-9)


def test_triplets_gates_see_what_the_others_pool_away() -> None:
    module, x = lively("triplet", 16), images(16, 6, 5)
    gates = (module.channel_width_gate, module.channel_height_gate, module.spatial_gate)
    with torch.no_grad():
        shapes = [tuple(gate(x).shape[1:]) for gate in gates]
        turned = [gate(x.flip(axis)) for gate, axis in zip(gates, (2, 3, 1), strict=True)]
        for gate, again in zip(gates, turned, strict=True):
            torch.testing.assert_close(gate(x), again)
    assert shapes == [(16, 1, 5), (16, 6, 1), (1, 6, 5)]
    assert all(first != second for first, second in pairwise(shapes))
