from pathlib import Path

import pytest
import torch
from torch import nn

from autola_analysis.attention import Genotype, list_attentions, register_attention
from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.backbones import ModelSpec, list_backbones
from autola_analysis.checkpoints.identification import identify
from autola_analysis.core.errors import CheckpointError

PATH = Path("file.pth")


def tensors(spec: ModelSpec) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return spec.build().state_dict()


@pytest.mark.parametrize("attention", sorted({*list_attentions()} - {"hoga-random", "hoga-search", "simam"}))
@pytest.mark.parametrize("backbone", [name for name in list_backbones() if name not in ("resnet110", "resnet152")])
def test_every_network_is_identified_as_itself(backbone: str, attention: str) -> None:
    spec = ModelSpec(backbone, attention, 12)
    assert identify(tensors(spec), PATH).spec == spec


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec("resnet20", "none", 10, {"shortcut": "A"}),
        ModelSpec("resnet32", "se", 100, {"width": 64}),
        ModelSpec("resnet18", "cbam", 10, {"width": 32}),
        ModelSpec("resnet101", "none", 1000, {"inner_width": 128}),
        ModelSpec("resnet50", "se", 10, {"position": "inner"}),
        ModelSpec("resnet50", "cbam", 10, {"position": "inner"}),
        ModelSpec("resnet50", "hoga", 10, {"position": "outer"}),
        ModelSpec("resnet20", "se", 10, {}, {"reduction": 4}),
        ModelSpec("resnet20", "se", 10, {}, {"reduction": 32, "minimum": 0}),
        ModelSpec("resnet18", "se", 10, {}, {"divisor": 8, "bias": True}),
        ModelSpec("resnet20", "cbam", 10, {}, {"reduction": 8}),
        ModelSpec("resnet20", "hoga", 10, {}, {"reduction": 2}),
        ModelSpec("resnet20", "hoga", 10, {}, {"authors_rounding": True}),
        ModelSpec("resnet18", "none", 0),
        ModelSpec("resnet50", "eca", 10, {"position": "inner"}),
        ModelSpec("resnet20", "eca", 10, {}, {"kernel_size": 7}),
        ModelSpec("resnet50", "coordinate", 10, {"position": "inner"}),
        ModelSpec("resnet50", "global-context", 10, {"position": "inner"}),
    ],
    ids=str,
)
def test_options_are_identified(spec: ModelSpec) -> None:
    assert identify(tensors(spec), PATH).spec == spec


def test_a_module_without_parameters_does_not_show() -> None:
    found = identify(tensors(ModelSpec("resnet20", "simam", 10)), PATH)
    assert found.spec == ModelSpec("resnet20", "none", 10)
    assert any("one without any, as simam, is named by the user" in line for line in found.evidence)


@pytest.mark.parametrize("options", [{}, {"position": "inner"}], ids=["outer", "inner"])
def test_tensors_that_are_the_same_at_both_places_are_taken_for_the_usual_one_with_a_warning(options) -> None:
    found = identify(tensors(ModelSpec("resnet50", "triplet", 10, options)), PATH)
    assert found.spec == ModelSpec("resnet50", "triplet", 10)
    assert len(found.warnings) == 1
    assert "'outer', the usual one of triplet, is assumed" in found.warnings[0]
    assert identify(tensors(ModelSpec("resnet20", "triplet", 10)), PATH).warnings == ()


def test_ecas_kernels_that_differ_within_a_stage_are_no_eca() -> None:
    state = tensors(ModelSpec("resnet20", "eca", 10))
    state["layer2.1.attention.conv.weight"] = torch.empty(1, 1, 5)
    with pytest.raises(CheckpointError, match=r"\(its parts: conv\)"):
        identify(state, PATH)


def test_a_search_network_whose_mixture_is_not_in_its_tensors_is_refused() -> None:
    with pytest.raises(CheckpointError, match="mixture of operations is not in its tensors"):
        identify(tensors(ModelSpec("resnet20", "hoga-search", 10)), PATH)


def test_every_conclusion_has_a_line_of_evidence() -> None:
    evidence = identify(tensors(ModelSpec("resnet50", "se", 10)), PATH).evidence
    starts = ("backbone resnet50", "width 64", "inner width 64", "attention se", "reduction 16", "10 classes")
    assert all(any(line.startswith(start) for line in evidence) for start in starts)


def test_a_hoga_file_is_taken_for_the_released_genotype_with_a_warning() -> None:
    found = identify(tensors(ModelSpec("resnet20", "hoga", 10)), PATH)
    assert len(found.warnings) == 1
    assert "released genotype, which is assumed" in found.warnings[0]


def test_the_given_genotype_has_to_agree_with_the_operations() -> None:
    genotype = Genotype.random(3)
    spec = ModelSpec("resnet20", "hoga", 10, {}, {"genotype": genotype.to_pairs()})
    assert identify(tensors(spec), PATH, genotype=genotype).spec == spec
    with pytest.raises(CheckpointError, match="the given genotype has"):
        identify(tensors(spec), PATH, genotype=Genotype.random(4))


@pytest.mark.parametrize("attention", ["none", "se"])
def test_a_genotype_for_a_network_without_hoga_is_refused(attention: str) -> None:
    with pytest.raises(CheckpointError, match="leave --genotype out"):
        identify(tensors(ModelSpec("resnet20", attention, 10)), PATH, genotype=Genotype.random(0))


def test_equal_channels_inside_and_outside_leave_the_place_ambiguous() -> None:
    spec = ModelSpec("resnet50", "se", 10, {"inner_width": 256})
    with pytest.raises(CheckpointError, match=r"'inner' or 'outer'; decide with --arch SPEC\.json"):
        identify(tensors(spec), PATH)


class Scale(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor[:, None, None]


@pytest.fixture
def registered():
    register_attention("scale")(Scale)
    yield
    for name in ("scale", "scale-too"):
        ATTENTIONS._items.pop(name, None)


def test_a_registered_module_is_recognised_by_its_tensors(registered) -> None:
    spec = ModelSpec("resnet20", "scale", 10)
    assert identify(tensors(spec), PATH).spec == spec
    moved = ModelSpec("resnet50", "scale", 10, {"position": "inner"})
    assert identify(tensors(moved), PATH).spec == moved


def test_two_registered_modules_with_the_same_tensors_are_ambiguous(registered) -> None:
    register_attention("scale-too")(lambda channels: Scale(channels))
    with pytest.raises(CheckpointError, match=r"several modules or places: scale \(outer\), scale-too \(outer\)"):
        identify(tensors(ModelSpec("resnet20", "scale", 10)), PATH)


def test_an_unknown_module_asks_for_its_class() -> None:
    state = tensors(ModelSpec("resnet20", "se", 10))
    renamed = {name.replace("attention.gate", "attention.excite"): tensor for name, tensor in state.items()}
    with pytest.raises(CheckpointError, match=r"\(its parts: excite\).*--attention FILE\.py:Class"):
        identify(renamed, PATH)


def test_attention_in_some_blocks_only_is_refused() -> None:
    state = tensors(ModelSpec("resnet20", "se", 10))
    partly = {name: tensor for name, tensor in state.items() if not name.startswith("layer2.1.attention")}
    with pytest.raises(CheckpointError, match=r"none in layer2\.1;"):
        identify(partly, PATH)


def test_hidden_units_that_no_reduction_explains_are_refused() -> None:
    state = tensors(ModelSpec("resnet20", "se", 10))
    for name in state:
        if name.startswith("layer3") and name.endswith("gate.fc1.weight"):
            state[name] = torch.empty(1, 64)
    with pytest.raises(CheckpointError, match=r"no single reduction .*1 of 16, 2 of 32, 1 of 64"):
        identify(state, PATH)


def without(part: str) -> dict[str, torch.Tensor]:
    return {n: t for n, t in tensors(ModelSpec("resnet20", "none", 10)).items() if not n.startswith(part)}


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        (without("layer2.1."), "incomplete ResNet"),
        (without("conv1"), "no conv1.weight"),
        (without("layer3."), r"not known here \(3x3 stem, stages of \[3, 3\] blocks"),
        (without("layer3.2."), r"stages of \[3, 3, 2\] blocks"),
        ({**without("conv1"), "conv1.weight": torch.empty(16, 3, 7, 7)}, "7x7 stem, stages of"),
        ({**without("fc."), "fc.weight": torch.empty(10)}, r"\(classes, features\) is expected"),
    ],
)
def test_other_networks_are_refused_with_what_was_found(state: dict[str, torch.Tensor], complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        identify(state, PATH)


def test_grouped_convolutions_are_named() -> None:
    state = tensors(ModelSpec("resnet50"))
    state["layer1.0.conv2.weight"] = torch.empty(128, 4, 3, 3)
    with pytest.raises(CheckpointError, match=r"ResNeXt: .* 4 of 128 channels"):
        identify(state, PATH)
