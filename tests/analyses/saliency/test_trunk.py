"""Many images are explained on a network whose trunk is folded and fused: same maps, and the record says so."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency import network
from autola_analysis.analyses.saliency.inputs import standardised
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.analyses.variants import Variant, preprocessing_for
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.inference.trunk import WORTH, Trunk
from tests.inference.test_fusing import randomised

READING = Reading(Settings(device="cpu", quiet=True), batch_size=24)
PLAIN = replace(READING, settings=Settings(device="cpu", quiet=True, fold=False))
SOURCE = ClutteredDigits("test", WORTH)
OPTIONS = SaliencyOptions(methods=["grad-cam"], target="label", shown=[0, 7, 50])


@pytest.fixture(scope="module")
def variants() -> list[Variant]:
    torch.manual_seed(0)
    names = ("none", "hoga")
    return [Variant(randomised(create_model("resnet8", attention=name, num_classes=10)), name) for name in names]


def trunks(result: SaliencyResult) -> Mapping[str, Mapping[str, Any]]:
    return {name: about["trunk"] for name, about in result.settings["networks"].items()}


def maps(result: SaliencyResult) -> dict[tuple[str, str], np.ndarray]:
    return {(panel.variant, picture.image): panel.map for picture in result.pictures for panel in picture.panels}


@pytest.mark.parametrize("layers", [None, ["layer1", "layer3"]])
def test_maps_on_a_faster_trunk_are_those_of_the_network(variants: list[Variant], layers: list[str] | None) -> None:
    options = OPTIONS.model_copy(update={"layers": layers})
    found, expected = (measure_saliency(variants, SOURCE, options, reading) for reading in (READING, PLAIN))
    for trunk in trunks(found).values():
        assert trunk["batch_norms_folded"] > 0
        assert trunk["as_it_is"] == ""
    assert {trunk["as_it_is"] for trunk in trunks(expected).values()} == {"it was not asked for"}
    for key, values in maps(expected).items():
        np.testing.assert_allclose(maps(found)[key], values, rtol=1e-3, atol=1e-4 * values.max())
    assert found.images["status"].tolist() == expected.images["status"].tolist()
    np.testing.assert_allclose(found.images["score"], expected.images["score"], rtol=1e-4, atol=1e-4)


def test_maps_on_a_faster_trunk_are_captums(variants: list[Variant]) -> None:
    result = measure_saliency(variants, SOURCE, OPTIONS, READING)
    for variant in variants:
        geometry = preprocessing_for(variant, SOURCE)
        assert geometry is not None
        images = torch.stack([geometry.geometry(SOURCE.image(index)) for index in OPTIONS.shown or ()])
        inputs = standardised(replace(variant, preprocessing=geometry), images)
        labels = torch.tensor([int(SOURCE.labels[index]) for index in OPTIONS.shown or ()])
        captum = LayerGradCam(variant.model, variant.model.get_submodule("layer3"))
        small = captum.attribute(inputs, target=labels, relu_attributions=True)
        expected = LayerAttribution.interpolate(small, (32, 32), "bilinear")[:, 0].detach().numpy()
        for picture, values in zip(result.pictures, expected, strict=True):
            found = maps(result)[variant.name, picture.image]
            np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-4 * values.max())


@pytest.mark.parametrize(
    ("change", "images", "reason"),
    [
        ({"methods": ["grad-cam", "guided-backprop"]}, WORTH, "a method explains the image itself"),
        ({"methods": ["guided-grad-cam"]}, WORTH, "a method explains the image itself"),
        ({}, 8, "few images"),
    ],
)
def test_where_the_network_itself_runs_the_record_says_why(
    variants: list[Variant], change: dict[str, Any], images: int, reason: str
) -> None:
    options = OPTIONS.model_copy(update={"shown": [0], **change})
    result = measure_saliency(variants[:1], ClutteredDigits("test", images), options, READING)
    assert trunks(result) == {"none": {"batch_norms_folded": 0, "blocks_fused": 0, "as_it_is": reason}}


def test_a_copy_that_fails_its_probe_does_not_run(variants: list[Variant], monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "its faster copy puts out something else"
    monkeypatch.setattr(network, "faster_trunk", lambda model, layers, probe: Trunk(model, reason=reason))
    found = measure_saliency(variants[:1], SOURCE, OPTIONS, READING)
    expected = measure_saliency(variants[:1], SOURCE, OPTIONS, PLAIN)
    assert trunks(found)["none"]["as_it_is"] == reason
    for key, values in maps(expected).items():
        np.testing.assert_array_equal(maps(found)[key], values)


def test_all_processes_run_the_network_itself_where_one_must(
    variants: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(network.current().__class__):  # type: ignore[misc]
        def all_true(self, value: bool) -> bool:
            return False

    monkeypatch.setattr(network, "current", Other)
    result = measure_saliency(variants[:1], SOURCE, OPTIONS, READING)
    assert trunks(result)["none"]["as_it_is"] == "in another process its faster copy puts out something else"
