"""The cache of finished passes: what it recognises, and several analyses in one pass."""

from pathlib import Path

import numpy as np
import pytest
import torch

from autola_analysis.analyses import observation as module
from autola_analysis.analyses.embedding.extract import FeatureAnalysis, feature_result
from autola_analysis.analyses.gates.measure import GateAnalysis, gate_result
from autola_analysis.analyses.observation import Reading, observe_all, passes_of
from autola_analysis.analyses.pass_cache import network_hash
from autola_analysis.analyses.selectivity.measure import (
    SelectivityAnalysis,
    SelectivityOptions,
    measure_selectivity,
    selectivity_result,
)
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from tests.inference.networks import InPlaceAfterwards, Tiny

QUIET = Settings(device="cpu", quiet=True)
DIGITS = ClutteredDigits("test", 40)


class Counting(ClutteredDigits):
    """Counts how often images are decoded."""

    def __init__(self) -> None:
        super().__init__("test", 40)
        self.decoded = 0

    def image(self, index: int):  # type: ignore[no-untyped-def]
        self.decoded += 1
        return super().image(index)


def analyses() -> list:
    return [
        SelectivityAnalysis(None, SelectivityOptions()),
        GateAnalysis(),
        FeatureAnalysis("layer3", images=[3, 1, 30]),
    ]


def variants() -> list[Variant]:
    torch.manual_seed(0)
    return [Variant(create_model("resnet20", name, 10, width=8).eval(), name) for name in ("none", "se")]


def test_all_analyses_share_one_forward_and_one_decoding() -> None:
    data, networks = Counting(), variants()
    forwards = dict.fromkeys(["none", "se"], 0)
    for variant in networks:
        variant.model.register_forward_pre_hook(
            lambda module, inputs, name=variant.name: forwards.__setitem__(name, forwards[name] + len(inputs[0]))
        )
    selectivity, gates, features = observe_all(networks, data, analyses(), Reading(QUIET, batch_size=40))
    probing = data.decoded - 40
    assert probing <= 3  # to learn the size of the images
    # The copies count too: what they do beyond 40 images is probing, the same for any number of images.
    assert all(40 <= count <= 80 for count in forwards.values())
    assert len(passes_of(selectivity)) == 1
    assert gates[0] is None
    assert gates[1] is not None
    assert features[0] is not None
    found = feature_result(features[0], data, "mean", images=[3, 1, 30])
    assert found.ids == tuple(data.ids[index] for index in (1, 3, 30))
    assert found.labels.tolist() == data.labels[[1, 3, 30]].tolist()


def test_together_and_from_the_cache_the_results_are_those_of_each_analysis_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, reading = variants(), Reading(QUIET, cache=tmp_path)
    first = observe_all(networks, DIGITS, analyses(), reading)
    monkeypatch.setattr(module, "run", lambda *arguments: pytest.fail("a network ran again"))
    again = observe_all(networks, DIGITS, analyses(), reading)
    monkeypatch.undo()
    for one, other in zip(first[0], again[0], strict=True):
        assert one is not None
        assert other is not None
        options = SelectivityOptions()
        one_result, other_result = selectivity_result(one, options), selectivity_result(other, options)
        assert one_result.units.equals(other_result.units)
        assert one_result.summary.equals(other_result.summary)
        assert one_result.settings == other_result.settings
        alone = measure_selectivity(one.variant, DIGITS, settings=QUIET)
        np.testing.assert_allclose(one_result.units["selectivity"], alone.units["selectivity"], atol=1e-5)
    assert first[1][1] is not None
    assert again[1][1] is not None
    assert gate_result(first[1][1]).gates.equals(gate_result(again[1][1]).gates)


def test_an_analysis_with_other_options_is_run_again(tmp_path: Path) -> None:
    network, reading = variants()[:1], Reading(QUIET, cache=tmp_path)
    for options in (SelectivityOptions(), SelectivityOptions(seed=1), SelectivityOptions(folds=5)):
        (found,) = observe_all(network, DIGITS, [SelectivityAnalysis(None, options)], reading)
        assert len(passes_of(found)) == 1


def test_a_hash_of_a_network_sees_weights_types_and_structure() -> None:
    model = Tiny()
    twin = Tiny()
    twin.load_state_dict(model.state_dict())
    assert network_hash(model) == network_hash(twin)
    assert network_hash(model) != network_hash(twin.to(torch.bfloat16))
    skipping = InPlaceAfterwards()
    skipping.load_state_dict(model.state_dict())
    assert network_hash(model) != network_hash(skipping)
