"""The module of the search against its definition, edge by edge, and against HOGA."""

import copy
import math

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autola_analysis.attention import Genotype, HighOrderGroupAttention, HogaSearch
from autola_analysis.attention.gating import Gating
from autola_analysis.attention.genotype import EDGES, STANDARD_EDGES, edge_row
from autola_analysis.attention.mixture import wave_rows
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import OptionError
from autola_analysis.search.inherit import edge_state, inherit
from tests.attention.naive import genotypes
from tests.search.naive import EdgeByEdge, one_hot

NAMES = OPERATIONS.names()
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""Smaller examples of what fails are no clearer here, and take minutes to find."""


class Weights:
    """Mixing weights that take a gradient."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.tensor = torch.randn(EDGES, len(NAMES), dtype=torch.float64, generator=generator).softmax(1)
        self.tensor.requires_grad_()

    def __call__(self) -> Tensor:
        return self.tensor


def with_own_statistics(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, generator=generator)
            nn.init.uniform_(part.running_var, 0.5, 2, generator=generator)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
                nn.init.normal_(part.bias, std=0.5, generator=generator)
    return module


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def test_rows_are_the_edges_in_node_order() -> None:
    assert [edge_row(node, source) for node, source in STANDARD_EDGES] == list(range(10))


def test_the_waves_share_out_the_rows() -> None:
    assert [wave_rows(source) for source in range(4)] == [(0, 1, 3, 6), (2, 4, 7), (5, 8), (9,)]


@pytest.mark.parametrize(("group", "count"), [(2, 2616), (4, 4140), (8, 9342), (16, 27762), (32, 96666)])
def test_the_module_has_as_many_parameters_as_the_authors_one(group: int, count: int) -> None:
    assert parameters(HogaSearch(4 * group)) == count


@pytest.mark.parametrize(("group", "count"), [(2, 242), (4, 346), (8, 675), (16, 1765), (32, 5673)])
def test_an_edge_has_as_many_parameters_as_the_authors_one(group: int, count: int) -> None:
    hidden = max(1, group // 4)
    assert parameters(HogaSearch(4 * group).waves[3]) == count
    assert count == 3 * group**2 + 28 * group + 6 * group * hidden + hidden + 161


@pytest.mark.parametrize(
    ("backbone", "count"), [("resnet20", 396_206), ("autola_resnet34", 1_840_976), ("resnet56", 1_226_966)]
)
def test_the_search_networks_have_as_many_parameters_as_the_authors_ones(backbone: str, count: int) -> None:
    assert parameters(create_model(backbone, "hoga-search", 10)) == count


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([4, 8, 16]))
def test_the_parameters_of_a_derived_module_follow_from_its_operations(seed: int, c: int) -> None:
    h = max(1, c // 4)
    own = {
        "skip_connect": 0,
        "sep_conv_3x3": 22 * c + 2 * c * c,
        "dil_conv_3x3": 11 * c + c * c,
        "sep_conv_3x3_spatial": 48,
        "dil_conv_3x3_spatial": 21,
        "SE": 2 * c * h,
        "SE_A_M": 2 * c * h,
        "CBAM": 2 * c * h + h + c + 100,
    }
    genotype = Genotype.random(seed)
    gates = 2 * c * max(1, c // 4) + 8 * c * max(1, 4 * c // 16)
    expected = sum(own[operation] for operation, _ in genotype.edges) + 36 * c * c + 16 * c + gates
    assert parameters(HighOrderGroupAttention(4 * c, genotype, (4, 16))) == expected


@settings(max_examples=6, deadline=None, phases=NO_SHRINKING)
@given(
    st.integers(0, 1000),
    st.sampled_from([8, 16, 32]),
    st.booleans(),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_waves_equal_the_sum_over_edges_and_operations(
    seed: int, channels: int, training: bool, memory_format: torch.memory_format
) -> None:
    torch.manual_seed(seed)
    weights = Weights(seed)
    module = with_own_statistics(HogaSearch(channels, weights).double()).train(training)
    naive = EdgeByEdge(copy.deepcopy(module)).train(training)
    assert naive.mixture()[0, 0] == module.mixture()[0, 0]
    x = torch.randn(2, channels, 5, 4, dtype=torch.float64).to(memory_format=memory_format)
    direction = torch.randn_like(x)
    results = []
    for each in (module, naive):
        inputs = x.clone().requires_grad_()
        output = each(inputs)
        own = [inputs, each.mixture(), *each.parameters()]
        gradients = torch.autograd.grad((output * direction).sum(), own, allow_unused=True)
        results.append((output, gradients[:2], dict(zip(dict(each.named_parameters()), gradients[2:], strict=True))))
    (output, gradients, by_name), (expected, expected_gradients, expected_by_name) = results
    assert_equal(output, expected, 1e-12)
    for found, wanted in zip(gradients, expected_gradients, strict=True):
        assert_equal(found, wanted, 1e-10)
    compared = 0
    for row, (node, source) in enumerate(STANDARD_EDGES):
        for column, name in enumerate(NAMES):
            for part, wanted in (
                (part, expected_by_name[f"ops.{row}.{column}.{part}"])
                for part, _ in naive.ops[row][column].named_parameters()
            ):
                batched = by_name.get(f"waves.{source}.{name}.{part}")
                if batched is not None:  # no scale and shift in the search
                    assert_equal(batched.chunk(4 - source)[node - source - 1], wanted, 1e-10)
                    compared += 1
    assert compared == 10 * 23
    for row, (node, source) in enumerate(STANDARD_EDGES):
        for column, name in enumerate(NAMES):
            state = edge_state(module.waves[source], node - source - 1, name, channels // 4)
            for part, buffer in naive.ops[row][column].named_buffers():
                assert_equal(state[part], buffer, 1e-12)


def assert_equal(found: Tensor, expected: Tensor, tolerance: float) -> None:
    assert float((found - expected).detach().abs().max()) <= tolerance * max(1.0, float(expected.detach().abs().max()))


@settings(max_examples=10, deadline=None, phases=NO_SHRINKING)
@given(genotypes(), st.sampled_from([8, 16]), st.booleans())
def test_a_one_hot_mixture_is_hoga_with_inherited_weights(genotype: Genotype, channels: int, training: bool) -> None:
    module = with_own_statistics(HogaSearch(channels, one_hot(genotype)).double())
    hoga = HighOrderGroupAttention(channels, genotype, (4, 16)).double()
    hoga.load_state_dict(inherit(module, genotype))
    x = torch.randn(2, channels, 5, 4, dtype=torch.float64)
    assert_equal(module.train(training)(x), hoga.train(training)(x), 1e-12)


def test_a_row_of_none_lets_nothing_through() -> None:
    rows = one_hot(Genotype.random(1))
    rows[0] = [float(name == "none") for name in NAMES]
    module = HogaSearch(16, rows)
    assert not module.nodes(torch.randn(2, 4, 4, 5, 5))[0].any()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_the_gate_of_an_edge_lies_between_zero_and_what_none_leaves(seed: int) -> None:
    torch.manual_seed(seed)
    module = HogaSearch(16, Weights(seed)).double()
    x = torch.rand(3, 4, 4, 5, 5, dtype=torch.float64) + 0.1
    weights = module.mixture()[list(wave_rows(0))]
    gates = module.waves[0](x, weights) / x
    left = (1 - weights[:, NAMES.index("none")]).view(1, 4, 1, 1, 1)
    assert (gates >= 0).all()
    assert (gates <= left + 1e-12).all()
    assert (gates.amax((0, 2, 3, 4)) > 0.2).all()


def test_permuted_operations_take_their_weights_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = Weights(3)
    x = torch.randn(2, 16, 5, 5, dtype=torch.float64)
    module = HogaSearch(16, weights).double()
    order = [4, 2, 8, 0, 1, 7, 3, 6, 5]
    monkeypatch.setattr(OPERATIONS, "_items", {NAMES[place]: OPERATIONS.get(NAMES[place]) for place in order})
    permuted = HogaSearch(16, lambda: weights.tensor[:, order]).double()
    permuted.load_state_dict(module.state_dict())
    assert_equal(permuted(x), module(x), 1e-12)


def test_an_operation_that_is_no_gate_is_evaluated_edge_by_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shift(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.randn(channels, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.shift

    monkeypatch.setattr(OPERATIONS, "_items", {**OPERATIONS._items, "shift": Shift})
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(10, 10, dtype=torch.float64, generator=generator)
    module = HogaSearch(16, lambda: weights).double()
    x = torch.randn(2, 16, 5, 5, dtype=torch.float64)
    assert_equal(module(x), EdgeByEdge(module)(x), 1e-12)
    genotype = Genotype((("shift", 0),) * 10)
    hoga = HighOrderGroupAttention(16, genotype, (4, 16)).double()
    hoga.load_state_dict(inherit(module, genotype))
    assert torch.equal(hoga.ops[9].shift, module.waves[0].shift[3].shift)


def test_weights_that_are_a_function_are_in_no_state_and_stored_numbers_move_with_the_module() -> None:
    architecture = nn.Linear(9, 10)
    searched = HogaSearch(16, lambda: architecture.weight)
    assert not [name for name in searched.state_dict() if "weights" in name or "architecture" in name]
    assert HogaSearch(16, one_hot(Genotype.random(0))).double().mixture().dtype == torch.float64
    assert set(HogaSearch(16).state_dict()) == set(searched.state_dict())
    assert torch.equal(HogaSearch(16).mixture(), torch.full((10, 9), 1 / 9))


@pytest.mark.parametrize("rows", [[[0.1] * 9] * 9, [[0.1] * 8] * 10, [[0.1] * 9] * 9 + [[0.1]]])
def test_a_mixture_of_another_shape_is_refused(rows: list[list[float]]) -> None:
    with pytest.raises(OptionError, match="a mixture has 10 rows, one per edge, of 9 weights"):
        HogaSearch(16, rows)


def test_channels_that_do_not_split_into_four_groups_are_refused() -> None:
    with pytest.raises(OptionError, match="18 is not a multiple of 4"):
        HogaSearch(18)


def test_weights_are_drawn_as_those_of_single_edges() -> None:
    """With one fan out for each edge, not for all of a wave; depthwise weights are few, so over several modules."""
    networks = [create_model("resnet8", "hoga-search", 10, width=64) for _ in range(3)]
    for part, fan_out in (("sep_conv_3x3.gate.0", 9), ("sep_conv_3x3.gate.1", 1), ("CBAM.spatial_gate.conv", None)):
        for source in range(4):
            drawn = []
            for network in networks:
                for stage in (1, 2, 3):
                    weight = network.get_parameter(f"layer{stage}.0.attention.waves.{source}.{part}.weight").detach()
                    out = 49 if fan_out is None else weight.shape[0] // (4 - source) * fan_out
                    drawn.append(weight.flatten() / math.sqrt(2 / out))
            values = torch.cat(drawn)
            assert abs(values.std() - 1) < 5 / math.sqrt(2 * len(values)), (part, source)


def test_perceptrons_start_as_torch_draws_single_ones() -> None:
    weight = HogaSearch(256).waves[0].SE.gate.fc1.weight
    assert weight.shape == (4 * 16, 64)
    assert 0.99 / 8 < weight.abs().max() <= 1 / 8


def test_every_candidate_is_a_gate_of_an_operation() -> None:
    """Only then is ``x G(x)`` the sum of the operations."""
    for name in OPERATIONS:
        module = OPERATIONS.get(name)(8)
        assert isinstance(module, Gating) or name in ("none", "skip_connect")
