from pathlib import Path

import pytest
import torch

from autola_analysis.backbones.building import build_aside
from autola_analysis.checkpoints import load_model
from autola_analysis.checkpoints.matching import check_match, load_strictly
from autola_analysis.core.errors import CheckpointError

from .helpers import logits

PATH = Path("file.pth")


@pytest.fixture
def state(tiny):
    return {name: tensor.clone() for name, tensor in tiny.state_dict().items()}


def test_missing_tensor_is_named_with_its_nearest_candidate(tiny, state) -> None:
    state["layer2.0.bn1.gamma"] = state.pop("layer2.0.bn1.weight")
    with pytest.raises(CheckpointError) as failure:
        check_match(tiny, state, PATH)
    message = str(failure.value)
    assert (
        "1 tensors of the network are not in it: layer2.0.bn1.weight (nearest in the file: layer2.0.bn1.gamma)"
        in message
    )
    assert "1 of its tensors fit nowhere: layer2.0.bn1.gamma (nearest in the network: layer2.0.bn1.weight)" in message
    assert "--arch" in message


@pytest.mark.parametrize("name", ["layer1.0.bn1.running_mean", "fc.bias", "layer3.2.conv2.weight"])
def test_no_parameter_or_statistic_may_be_missing(saved, state, name: str) -> None:
    del state[name]
    with pytest.raises(CheckpointError, match=name):
        load_model(saved(state))


def test_unknown_tensor_is_refused(saved, state) -> None:
    state["layer1.0.extra.weight"] = torch.ones(1)
    with pytest.raises(CheckpointError, match=r"fit nowhere: layer1\.0\.extra\.weight"):
        load_model(saved(state))


def test_wrong_shape_is_named_with_both_shapes(saved, state) -> None:
    state["layer3.1.conv1.weight"] = torch.ones(16, 16, 1, 1)
    with pytest.raises(CheckpointError, match=r"layer3\.1\.conv1\.weight .*\(16, 16, 1, 1\), .*\(16, 16, 3, 3\)"):
        load_model(saved(state))


def test_quantised_weights_are_refused(saved, state) -> None:
    state["fc.weight"] = state["fc.weight"].to(torch.int8)
    with pytest.raises(CheckpointError, match=r"fc\.weight holds int8 values where float32 is expected"):
        load_model(saved(state))


def test_counters_of_batches_may_be_missing(saved, state, tiny) -> None:
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert torch.equal(logits(load_model(saved(old)).model), logits(tiny))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_weights_become_float32_with_equal_values(saved, state, dtype: torch.dtype) -> None:
    half = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    loaded = load_model(saved(half))
    for name, tensor in loaded.model.state_dict().items():
        assert tensor.dtype in (torch.float32, torch.int64)
        assert torch.equal(tensor, half[name].to(tensor.dtype))
    assert any("loaded as float32" in line for line in loaded.evidence)


def test_rounding_of_float64_weights_is_a_warning(saved, state) -> None:
    double = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    assert load_model(saved(double)).warnings == ("float64 weights were rounded to float32",)


def test_refused_state_leaves_the_model_as_it_was(tiny, state) -> None:
    model = build_aside(lambda: torch.nn.Linear(2, 2))
    before = model.weight.clone()
    with pytest.raises(CheckpointError):
        load_strictly(model, {"weight": torch.zeros(2, 2)}, PATH)
    assert torch.equal(model.weight, before)
