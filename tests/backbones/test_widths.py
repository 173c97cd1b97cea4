"""Networks widened to a number of parameters."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autola_analysis.attention import SqueezeExcitation
from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.backbones.widths import count_parameters, nearest_width
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.core.errors import OptionError, UnknownNameError


def resnet20_parameters(width: int, classes: int = 10) -> int:
    """Count by hand: 3x3 convolutions, two batch norm values per channel, projections, head."""
    count, channels = 27 * width + 2 * width, width
    for planes in (width, 2 * width, 4 * width):
        for _ in range(3):
            count += 9 * channels * planes + 9 * planes * planes + 4 * planes
            if channels != planes:
                count += channels * planes + 2 * planes
            channels = planes
    return count + channels * classes + classes


def test_the_plain_network_nearest_to_hoga_is_found_among_all_widths() -> None:
    hoga = ModelSpec("resnet20", "hoga", 10).parameters
    assert hoga == 333731
    nearest = min(range(1, 64), key=lambda width: abs(resnet20_parameters(width) - hoga))
    model = create_model("resnet20", "none", 10, match_parameters=hoga)
    assert nearest == 18
    assert model.conv1.out_channels == nearest
    assert count_parameters(model) == resnet20_parameters(nearest) == 344476


@settings(deadline=None, max_examples=8)
@given(st.integers(min_value=resnet20_parameters(1), max_value=resnet20_parameters(40)))
def test_no_other_width_is_nearer(parameters: int) -> None:
    width = ModelSpec("resnet20", "none", 10).matched(parameters).options["width"]
    distances = {other: abs(resnet20_parameters(other) - parameters) for other in range(1, 42)}
    assert distances[width] == min(distances.values())


@pytest.mark.parametrize("count", [1, 3, 10])
def test_of_two_widths_at_the_same_distance_the_smaller_is_taken(count: int) -> None:
    def build(width: int) -> nn.Module:
        return nn.Linear(width, 2, bias=False)

    assert nearest_width(build, 2 * count + 1, "a layer") == count


def test_widths_are_those_that_the_attention_accepts() -> None:
    spec = ModelSpec("resnet20", "hoga", 10).matched(50_000)
    counts = {width: ModelSpec("resnet20", "hoga", 10, {"width": width}).parameters for width in (4, 8, 12)}
    assert spec.options == {"width": min(counts, key=lambda width: abs(counts[width] - 50_000))}

    class FromSix(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            if channels < 6:
                raise ValueError("at least 6 channels")

    model = create_model("resnet20", FromSix, 10, match_parameters=resnet20_parameters(7))
    assert model.conv1.out_channels == 7


def test_bottlenecks_widen_their_inner_convolutions() -> None:
    spec = ModelSpec("resnet50", "none", 10).matched(ModelSpec("resnet50", "hoga", 10).parameters)
    assert spec.options == {"inner_width": 72}
    outline = spec.parameters
    assert abs(outline / ModelSpec("resnet50", "hoga", 10).parameters - 1) < 0.01


def test_other_options_stay_and_the_callers_random_numbers_too() -> None:
    before = torch.get_rng_state()
    spec = ModelSpec("resnet20", "se", 10, {"shortcut": "A"}, {"reduction": 2}).matched(20_000)
    assert torch.equal(torch.get_rng_state(), before)
    assert (spec.options["shortcut"], spec.attention_options) == ("A", {"reduction": 2})
    assert create_model("resnet20", SqueezeExcitation, 10, match_parameters=20_000).conv1.out_channels in (3, 4, 5)


@pytest.mark.parametrize("arguments", [("resnet20", "hoga", 80_000), ("resnet18", "none", 60_000)])
def test_a_widened_network_is_loaded_and_identified_again(arguments: tuple[str, str, int], tmp_path: Path) -> None:
    backbone, attention, parameters = arguments
    spec = ModelSpec(backbone, attention, 3).matched(parameters)
    model = spec.build()
    loaded = load_model(save_model(tmp_path / "wide.safetensors", model, spec))
    assert loaded.spec == spec
    assert count_parameters(loaded.model) == spec.parameters

    torch.save(model.state_dict(), tmp_path / "bare.pt")
    identified = load_model(tmp_path / "bare.pt").spec
    assert identified is not None
    assert identified.options["width"] == spec.options["width"]
    assert identified.parameters == spec.parameters


def test_what_cannot_be_matched_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        create_model("resnet20", "none", 10, match_parameters=resnet20_parameters(1) - 1)
    assert str(caught.value) == (
        f"resnet20 with the attention none cannot have as few as {resnet20_parameters(1) - 1:,} parameters: at its "
        f"smallest width, 1, it has {resnet20_parameters(1):,}; give at least that many."
    )
    with pytest.raises(OptionError, match="match_parameters chooses the width; leave inner_width out"):
        create_model("resnet50", match_parameters=10**7, inner_width=64)
    with pytest.raises(OptionError, match=r"shortcut is 'A'.*found 'C'"):
        create_model("resnet20", match_parameters=10**6, shortcut="C")
    with pytest.raises(UnknownNameError, match="unknown attention 'no'"):
        create_model("resnet20", "no", match_parameters=10**6)

    def never(channels: int) -> nn.Module:
        raise ZeroDivisionError("no channels")

    with pytest.raises(OptionError, match=r"no width from 1 to 128 can be built \(no channels\)"):
        create_model("resnet20", never, match_parameters=10**6)
