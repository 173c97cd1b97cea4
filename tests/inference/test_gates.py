"""Gates are what feature maps are multiplied by, whatever makes the numbers between 0 and 1."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import timm
import torch
from timm.layers.activations import HardSigmoid as TimmHardSigmoid
from timm.layers.activations import Sigmoid as TimmSigmoid
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from autola_analysis.analyses.gates.find import find_gates
from autola_analysis.analyses.gates.measure import measure_gates
from autola_analysis.analyses.observation import Reading
from autola_analysis.core.errors import LayerError
from autola_analysis.inference.gates import gate_layers
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tap import tap
from autola_analysis.inference.tasks import Classification
from tests.inference.rectifiers import HandWrittenReLU
from tests.inference.state import state_of

IMAGES = torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(5))
Squash = Callable[[Tensor], Tensor]
Apply = Callable[[Tensor, Tensor], Tensor]


class Squeeze(nn.Module):
    """Excites channels by their mean; `squash` is a module or a function."""

    def __init__(self, squash: Squash, apply: Apply) -> None:
        super().__init__()
        self.fc1, self.fc2, self.relu = nn.Linear(8, 4), nn.Linear(4, 8), torch.relu
        self.squash, self.apply_gate = squash, apply

    def score(self, x: Tensor) -> Tensor:
        return 9 * self.fc2(self.relu(self.fc1(x.mean((2, 3)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_gate(x, self.squash(self.score(x))[:, :, None, None])


class Gated(nn.Module):
    """A network with one attention module and, where asked for, something behind its head."""

    def __init__(self, squash: Squash = torch.sigmoid, apply: Apply = torch.mul, behind: Squash = torch.clone) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.stem, self.se, self.fc = nn.Conv2d(3, 8, 3), Squeeze(squash, apply), nn.Linear(8, 4)
        self.act, self.behind = torch.relu, behind

    def forward(self, x: Tensor) -> Tensor:
        return self.behind(self.fc(self.act(self.se(self.stem(x))).mean((2, 3))))


SIGMOID, HARD = torch.sigmoid, lambda x: (x + 3).clamp(0, 6) / 6
SQUASHES: dict[str, tuple[Any, Squash]] = {
    "module": (nn.Sigmoid(), SIGMOID),
    "module in place": (TimmSigmoid(inplace=True), SIGMOID),
    "hard module": (nn.Hardsigmoid(), HARD),
    "timm's hard module": (TimmHardSigmoid(), HARD),
    "timm's hard module in place": (TimmHardSigmoid(inplace=True), HARD),
    "function": (torch.sigmoid, SIGMOID),
    "method": (lambda x: x.sigmoid(), SIGMOID),
    "hard function": (F.hardsigmoid, HARD),
    "relu6": (lambda x: F.relu6(x + 3.0) / 6.0, HARD),
    "clamp": (lambda x: torch.clamp(x / 6 + 0.5, min=0, max=1), HARD),
    "tanh": (lambda x: 0.5 * torch.tanh(x / 2) + 0.5, SIGMOID),
    "one minus": (lambda x: 1 - torch.sigmoid(-x), SIGMOID),
}
APPLIES: dict[str, Apply] = {
    "times": lambda x, gate: x * gate,
    "gate first": lambda x, gate: gate * x,
    "in place": lambda x, gate: x.clone().mul_(gate),
    "expanded": lambda x, gate: x * gate.expand_as(x),
    "residual": lambda x, gate: x * (1 + gate),
    "added": lambda x, gate: torch.addcmul(x, x, gate),
    "twice": lambda x, gate: torch.cat([x[:, :4] * gate[:, :4], x[:, 4:] * gate[:, 4:]], 1),
}


def measured(model: nn.Module) -> Any:
    data = TensorDataset(IMAGES, torch.arange(12) % 2)
    return measure_gates(model, data, reading=Reading(Settings(device="cpu", quiet=True), batch_size=5)).gates


@pytest.mark.parametrize("name", list(SQUASHES))
def test_gates_are_found_and_measured_whatever_makes_them(name: str) -> None:
    squash, formula = SQUASHES[name]
    model = Gated(squash).eval()
    (gate,) = find_gates(model)
    assert (gate.module, gate.name) == ("se", "gate")
    assert gate.layer == ("se.squash" if isinstance(squash, nn.Module) else "se*1")
    rows = measured(model)
    with torch.no_grad():
        expected = formula(model.se.score(model.stem(IMAGES)).double()).numpy()
    np.testing.assert_allclose(rows["mean"], expected.mean(0), atol=1e-5)
    np.testing.assert_allclose(rows["std"], expected.std(0), atol=1e-4)


@pytest.mark.parametrize("name", list(APPLIES))
def test_gates_are_found_however_they_are_applied(name: str) -> None:
    model = Gated(apply=APPLIES[name]).eval()
    rows = measured(model)
    with torch.no_grad():
        expected = torch.sigmoid(model.se.score(model.stem(IMAGES)).double()).numpy().mean(0)
    np.testing.assert_allclose(rows["mean"], expected, atol=1e-5)


class Mix(nn.Module):
    """Multiplies by what is no gate."""

    def __init__(self, mix: Callable[[Tensor], Tensor], behind: Squash = torch.clone) -> None:
        super().__init__()
        self.conv, self.fc, self.mix, self.behind = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), mix, behind
        self.scale = nn.Parameter(torch.full((8, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.behind(self.fc(self.mix(self.scale * self.conv(x)).mean((2, 3))))


def self_attention(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return ((tokens @ tokens.transpose(1, 2)).softmax(2) @ tokens).transpose(1, 2)[..., None]


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x * torch.sigmoid(x),
        lambda x: x * torch.sigmoid(1.702 * x),
        lambda x: x.clone().mul_(x.sigmoid()),
        lambda x: x * F.relu6(x + 3) / 6,
        lambda x: x * (F.relu6(x + 3) / 6),
        lambda x: x * torch.tanh(F.softplus(x)),
        lambda x: x * torch.tanh(x.mean((2, 3), keepdim=True)),
        lambda x: x * x.std((2, 3), keepdim=True),
        lambda x: torch.sigmoid(x) + 1,
        lambda x: torch.sigmoid(x) * torch.sigmoid(x.mean((2, 3), keepdim=True)),
        self_attention,
    ],
)
@pytest.mark.parametrize("head", [nn.Sigmoid(), torch.sigmoid, nn.Softmax(1)])
def test_activation_functions_scales_and_heads_are_no_gates(mix: Any, head: Any) -> None:
    assert gate_layers(Mix(mix, head)) == []


def test_the_gates_of_a_network_whose_head_ends_in_a_sigmoid_are_those_of_its_modules() -> None:
    assert gate_layers(Gated(nn.Sigmoid(), behind=nn.Sigmoid())) == ["se.squash"]
    assert gate_layers(nn.Sequential(Gated(), nn.Hardsigmoid())) == ["0.se*1"]


def test_halves_that_gate_each_other_are_no_activation_function() -> None:
    assert gate_layers(Mix(lambda x: (x[:, :4] * torch.sigmoid(x[:, 4:])).repeat(1, 2, 1, 1))) == ["*1"]


class Learned(Mix):
    """A gate per channel that is the same for all images."""

    def __init__(self, form: str) -> None:
        super().__init__(self.gated)
        self.weight, self.form = nn.Parameter(torch.linspace(-3, 3, 8)[:, None, None]), form
        self.squash = nn.Sigmoid()

    def gated(self, x: Tensor) -> Tensor:
        weight = self.weight[None] if self.form == "row" else self.weight
        gate = self.squash(weight)
        return x * (gate.expand(len(x), -1, 1, 1) if self.form == "expanded" else gate)


@pytest.mark.parametrize("form", ["plain", "row", "expanded"])
def test_a_gate_may_be_the_same_for_all_images(form: str) -> None:
    model = Learned(form).eval()
    np.testing.assert_allclose(measured(model)["mean"], 1 / (1 + np.exp(-np.linspace(-3, 3, 8))), atol=1e-6)


class TwoGates(nn.Module):
    """Gates of rows and columns, applied one after the other or as their product, in the network's own forward."""

    def __init__(self, together: bool) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv, self.rows, self.columns = (nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
        self.together = together

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.conv(x)
        of_rows, of_columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True)
        return x, torch.sigmoid(4 * self.rows(of_rows)), torch.sigmoid(4 * self.columns(of_columns))

    def forward(self, x: Tensor) -> Tensor:
        x, rows, columns = self.parts(x)
        return (x * (rows * columns) if self.together else x * rows * columns).mean((2, 3))


def test_gates_of_one_module_have_names_of_their_own_and_the_network_may_make_them_itself() -> None:
    model = TwoGates(together=False).eval()
    assert [(gate.module, gate.name, gate.layer) for gate in find_gates(model)] == [
        ("network", "*1", "*1"),
        ("network", "*2", "*2"),
    ]
    rows = measured(model)
    with torch.no_grad():
        _, *expected = model.parts(IMAGES)
    found = rows.groupby("gate", sort=False)["mean"].apply(np.array)
    for name, values in zip(("*1", "*2"), expected, strict=True):
        np.testing.assert_allclose(found[name], values.double().mean((0, 2, 3)), atol=1e-6)


def test_the_product_of_gates_is_one_gate() -> None:
    model = TwoGates(together=True).eval()
    with torch.no_grad():
        _, rows, columns = model.parts(IMAGES)
        expected = (rows * columns).double().mean((0, 2, 3))
    np.testing.assert_allclose(measured(model)["mean"], expected, atol=1e-6)


def test_a_module_that_is_used_twice_has_a_gate_per_run() -> None:
    model = Gated()
    twice = nn.Sequential(model.stem, model.se, nn.ReLU(), model.se, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    assert gate_layers(twice) == ["1#1*1", "1#2*1"]
    with torch.no_grad(), tap(twice, ["1#1*1", "1#2*1", "2"]) as kept:
        twice(IMAGES)
        second = torch.sigmoid(model.se.score(kept["2"]))
    torch.testing.assert_close(kept["1#2*1"][:, :, 0, 0], second)


def test_a_gate_that_a_layer_has_not_is_one_sentence() -> None:
    model = Gated()
    with pytest.raises(LayerError, match=r"no 'se\*2': layer 'se' has not so many gates"), tap(model, ["se*2"]):
        model(IMAGES)


class Raises(Gated):
    """Fails behind its gate."""

    def forward(self, x: Tensor) -> Tensor:
        self.se(self.stem(x))
        raise RuntimeError("the head is away")


@pytest.mark.parametrize("network", [Gated, Raises])
def test_the_network_and_the_random_state_are_as_before(network: type[Gated]) -> None:
    model = network(nn.Sigmoid()).train()
    before, random = state_of(model), torch.get_rng_state()
    assert gate_layers(model) == (["se.squash"] if network is Gated else [])
    failing = pytest.raises(RuntimeError, match="the head is away") if network is Raises else nullcontext()
    with tap(model, ["se*1"]), failing:
        model(IMAGES)
    assert state_of(model) == before
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.overrides._len_torch_function_stack() == 0


@pytest.mark.parametrize(
    ("attention", "gates", "first", "relus"),
    [
        ("se", 8, "layer1.0.se.gate", 8),
        ("eca", 8, "layer1.0.se*1", 0),
        ("cbam", 16, "layer1.0.se.channel.gate", 16),  # one perceptron for mean and maximum
    ],
)
def test_attention_of_another_library_is_found(attention: str, gates: int, first: str, relus: int) -> None:
    model = timm.create_model("resnet18", num_classes=3, block_args={"attn_layer": attention}).eval()
    found = gate_layers(model, 32)
    assert (len(found), found[0]) == (gates, first)
    on, off = (gradients(model, IMAGES[:2], best, guided=True, guide_gates=guided) for guided in (True, False))
    assert on.relus - off.relus == relus


best = Classification().score()


class SharedReLU(Gated):
    """The ReLU in front of the gate also leads to the score past the gate."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        hidden = self.se.relu(self.se.fc1(x.mean((2, 3))))
        gate = torch.sigmoid(self.se.fc2(hidden))[:, :, None, None]
        return self.fc(self.act(x * gate).mean((2, 3))) + hidden


@pytest.mark.parametrize(("network", "in_gates"), [(Gated, 1), (SharedReLU, 0)])
@pytest.mark.parametrize("apply", ["times", "in place", "residual"])
def test_relus_are_in_a_gate_where_the_score_hangs_on_them_through_gates_alone(
    network: type[Gated], in_gates: int, apply: str
) -> None:
    model = network(apply=APPLIES[apply]).eval()
    found = gradients(model, IMAGES, best, guided=True, guide_gates=False)
    assert found.relus == 2 - in_gates
    assert ("relu (in a gate)" in found.ordinary) is bool(in_gates)
    reference = copy.deepcopy(model)
    reference.act = HandWrittenReLU.apply
    if not in_gates:
        reference.se.relu = HandWrittenReLU.apply
    images = IMAGES.clone().requires_grad_()
    reference(images).amax(1).sum().backward()
    torch.testing.assert_close(found.guided, images.grad, rtol=1e-5, atol=1e-9)
    everything = gradients(model, IMAGES, best, guided=True)
    assert everything.relus == 2
