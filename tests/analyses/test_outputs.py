"""Heads of every kind, from the pass to maps: single logits, probabilities, several labels per image."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from autola_analysis.analyses.ablation.measure import measure_ablation
from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.explain import explain, explained_classes
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.output_kind import OutputKind
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.inference.run import Settings
from tests.inference.networks import Tiny
from tests.inference.state import state_of

READING = Reading(Settings(device="cpu", quiet=True), batch_size=7)
IMAGES = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(2, (20,), generator=torch.Generator().manual_seed(2))


class Head(Tiny):
    """A small network with some operation behind its head."""

    def __init__(self, outputs: int, ending: str = "") -> None:
        super().__init__(outputs)
        self.ending = ending

    def forward(self, x: Tensor) -> Tensor:
        output = super().forward(x)
        if "squeeze" in self.ending:
            output = output[:, 0]
        if "sigmoid" in self.ending:
            return output.sigmoid()
        return output.softmax(1) if "softmax" in self.ending else output

    def logits(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x).double()


def data(classes: int = 2) -> TensorDataset:
    dataset = TensorDataset(IMAGES, LABELS)
    dataset.classes = list("abcdef")[:classes]
    return dataset


def probabilities_of(model: Head, kind: OutputKind) -> Tensor:
    """Probabilities of every class, in float64, written from the definitions."""
    logits = model.logits(IMAGES)
    if logits.shape[1] == 1:
        positive = 1 / (1 + torch.exp(-logits))
        return torch.cat([1 - positive, positive], 1)
    if kind == "sigmoid" or model.ending == "sigmoid":
        return 1 / (1 + torch.exp(-logits))
    return logits.exp() / logits.exp().sum(1, keepdim=True)


HEADS = [
    (1, "", None, "sigmoid"),
    (1, "squeeze", None, "sigmoid"),
    (1, "sigmoid", None, "probabilities"),
    (1, "squeeze sigmoid", None, "probabilities"),
    (2, "", None, "softmax"),
    (2, "softmax", None, "probabilities"),
    (2, "sigmoid", None, "probabilities"),
    (2, "", "sigmoid", "sigmoid"),
    (2, "softmax", "probabilities", "probabilities"),
]


@pytest.mark.parametrize(("outputs", "ending", "asked", "kind"), HEADS)
def test_predictions_are_those_of_the_right_probabilities(
    outputs: int, ending: str, asked: OutputKind | None, kind: OutputKind
) -> None:
    model = Head(outputs, ending).eval()
    model.fc.bias.data += 0.3
    before = state_of(model)
    result = evaluate(Variant(model, "SE", output=asked), data(), reading=READING)
    assert state_of(model) == before
    expected = probabilities_of(model, kind)
    predicted = expected.argmax(1)
    found = result.predictions
    assert found.predicted.tolist() == predicted.tolist()
    np.testing.assert_allclose(found.confidence, expected.amax(1), rtol=1e-5)
    np.testing.assert_allclose(found.nll, -expected.gather(1, LABELS[:, None])[:, 0].log(), rtol=1e-4, atol=1e-6)
    assert result.accuracy.top1 == (predicted == LABELS).double().mean()
    told = [warning for warning in result.warnings if warning.startswith("SE: it")]
    assert len(told) == (kind != "softmax")
    assert all(("probabilities" in warning) == (kind == "probabilities") for warning in told)


@pytest.mark.parametrize(("outputs", "ending", "asked", "kind"), HEADS)
def test_maps_explain_the_score_of_each_class(
    outputs: int, ending: str, asked: OutputKind | None, kind: OutputKind
) -> None:
    model = Head(outputs, ending).eval()
    variant = Variant(model, output=asked)
    probabilities = probabilities_of(model, kind)
    for target in (0, 1):
        found = explain(variant, IMAGES, ["gradient", "captum:Saliency"], target=target, batch_size=7)
        images = IMAGES.clone().requires_grad_()
        output = model(images).reshape(20, -1)
        score = output[:, target] if outputs > 1 else output[:, 0]
        if outputs == 1 and target == 0:
            score = 1 - score if kind == "probabilities" else -score
        (gradient,) = torch.autograd.grad(score.sum(), images)
        torch.testing.assert_close(found.maps["gradient", None], gradient, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(found.maps["captum:Saliency", None], gradient.abs(), rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(found.scores, score.detach())
        assert found.predicted.tolist() == probabilities.argmax(1).tolist()
        np.testing.assert_allclose(found.probabilities, probabilities[:, target], rtol=1e-5)
        assert found.settings["output"] == kind
        assert any("it puts out" in warning or "sigmoid each" in warning for warning in found.warnings) == (
            kind != "softmax"
        )
    assert explained_classes(variant, IMAGES).tolist() == probabilities.argmax(1).tolist()


def test_the_map_against_a_single_logit_is_not_the_one_for_it() -> None:
    model = Head(1).eval()
    against, speaking = (explain(model, IMAGES, "layer-cam", layers="layer2", target=target) for target in (0, 1))
    (key,) = speaking.maps
    assert not torch.allclose(against.maps[key], speaking.maps[key])
    torch.testing.assert_close(against.scores, -speaking.scores)


class Coins(ClutteredDigits):
    """Digits, even and odd."""

    classes = ("even", "odd")

    def __init__(self, length: int) -> None:
        super().__init__("test", length)
        self.labels = self.labels % 2


@pytest.mark.parametrize("ending", ["", "sigmoid"])
def test_saliency_of_a_single_output_measures_names_and_tells(ending: str) -> None:
    source = Coins(8)
    model = Head(1, ending).eval()
    variant = Variant(model, "SE", preprocessing=Preprocessing())
    result = measure_saliency(
        variant, source, methods=["grad-cam"], faithfulness=True, sanity=4, sanity_draws=1, reading=READING
    )
    images = torch.stack([Preprocessing().geometry(source.image(index)) for index in range(8)]) / 255
    positive = model.logits(images)[:, 0] > 0
    rows = result.images[result.images["model"] == "SE"]
    assert rows["predicted"].tolist() == positive.long().tolist()
    assert rows["target"].tolist() == rows["label"].tolist() == source.labels.tolist()
    labels = dict(zip(source.ids, source.labels, strict=True))
    for picture in result.pictures:
        assert picture.target == picture.label == source.classes[labels[picture.image]]
        assert 0.5 <= picture.panels[0].probability <= 1
    assert any(warning.startswith("SE: it puts out") for warning in result.warnings)


def test_ablation_of_a_single_logit_is_that_of_its_two_classes() -> None:
    source = Coins(30)
    single, double = Head(1).eval(), Head(2).eval()
    images = torch.stack([Preprocessing().geometry(source.image(index)) for index in range(30)]) / 255
    single.fc.bias.data -= single.logits(images).median().float()  # so that it predicts both classes
    double.load_state_dict({name: each for name, each in single.state_dict().items() if "fc" not in name}, strict=False)
    double.fc.weight = nn.Parameter(torch.cat([-single.fc.weight, single.fc.weight]))
    double.fc.bias = nn.Parameter(torch.cat([-single.fc.bias, single.fc.bias]))
    (ours, *_), (theirs, *_) = (
        measure_ablation(Variant(model, preprocessing=Preprocessing()), source, layers=["layer2"], reading=READING)
        for model in (single, double)
    )
    pd.testing.assert_frame_equal(ours.units, theirs.units)
    assert ours.units["drop"].abs().max() > 0


def test_features_of_a_network_without_a_head_are_no_probabilities() -> None:
    variant = Variant(Head(2, "softmax"), has_head=False)
    result = measure_selectivity(variant, data(), layers=["layer1"], reading=READING)
    assert not any("puts out" in warning for warning in result.warnings)
