"""An accuracy beside the weights, and what is said where the measured one is below it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.checkpoints.recorded_accuracy import recorded_accuracy
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tasks.accuracy import Accuracy, accuracy_warning
from tests.inference.networks import Tiny

READING = Reading(Settings(device="cpu", quiet=True), batch_size=20)


@pytest.mark.parametrize(
    ("metrics", "leftovers", "expected"),
    [
        ({"accuracy": 0.918}, [], 0.918),
        ({}, ["epoch: 12", "best_prec1: 91.78"], 0.9178),
        ({}, ["best_acc1: 76.13"], 0.7613),
        ({}, ["Acc: 94"], 0.94),
        ({}, ["accuracy: 1.0"], 1.0),
        ({}, ["best_loss: 0.3", "lr: 0.1", "top1_error: 8.2"], None),
        ({}, ["best_acc: tensor", "acc: nan", "acc1: 0", "top1: 9178"], None),
        ({"epoch": 3}, [], None),
    ],
)
def test_shares_and_per_cent_are_told_apart(
    metrics: dict[str, float], leftovers: list[str], expected: float | None
) -> None:
    assert recorded_accuracy(metrics, leftovers) == (None if expected is None else pytest.approx(expected))


def test_files_of_ours_and_of_others_record_it(tmp_path: Path) -> None:
    spec = ModelSpec("resnet20", num_classes=10)
    model = spec.build()
    save_model(tmp_path / "ours.safetensors", model, spec, metrics={"accuracy": 0.75})
    beside = {"state_dict": model.state_dict(), "best_acc1": torch.tensor(75.0), "epoch": 3}
    torch.save(beside, tmp_path / "theirs.pth")
    torch.save(model.state_dict(), tmp_path / "bare.pth")
    for name, expected in (("ours.safetensors", 0.75), ("theirs.pth", 0.75), ("bare.pth", None)):
        loaded = load_model(tmp_path / name, device="cpu")
        assert loaded.recorded_accuracy == as_variant(loaded).recorded_accuracy == expected


@pytest.mark.parametrize(
    ("measured", "images", "recorded", "warned"),
    [
        (0.24, 10_000, 0.918, True),
        (0.918, 10_000, 0.918, False),
        (0.95, 10_000, 0.918, False),
        (0.914, 10_000, 0.918, False),  # within 0.5 points
        (0.909, 10_000, 0.918, True),  # three standard errors are 0.0082
        (0.8, 50, 0.918, False),  # and 0.12 here
        (0.7, 50, 0.918, True),
        (1.0, 20, 1.0, False),
        (None, 100, 0.918, False),
        (0.24, 10_000, None, False),
    ],
)
def test_only_a_loss_beyond_chance_is_worth_a_warning(
    measured: float | None, images: int, recorded: float | None, warned: bool
) -> None:
    warning = accuracy_warning("SE", Accuracy(images, measured, None), 10, recorded)
    assert (warning is not None) == warned
    if warning is not None:
        assert f"{measured:.1%}" in warning
        assert f"{recorded:.1%}" in warning


def test_guessing_without_a_record_is_still_told() -> None:
    warning = accuracy_warning("SE", Accuracy(1000, 0.1, None), 10, None)
    assert warning is not None
    assert "no better than chance" in warning


class Knows(Tiny):
    """A network that puts out the blue of a corner, which the data set below makes the label."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 0 + torch.eye(10)[(x[:, 2, 0, 0] * 255).round().long().clamp(0, 9)]


class Marked(ClutteredDigits):
    """Digits whose label stands in a corner."""

    def image(self, index: int):
        image = super().image(index)
        image.putpixel((0, 0), (0, 0, int(self.labels[index])))
        return image


def test_wrong_statistics_are_told_by_every_analysis() -> None:
    source = Marked("test", 60)
    right = Variant(Knows(), "SE", preprocessing=Preprocessing(), recorded_accuracy=0.918)
    wrong = Variant(Knows(), "SE", preprocessing=Preprocessing(std=(0.5,) * 3), recorded_accuracy=0.918)
    for variant, warned in ((right, False), (wrong, True)):
        results = (
            evaluate(variant, source, reading=READING),
            measure_saliency(variant, source, methods=["grad-cam"], layers=["layer2"], reading=READING),
        )
        for result in results:
            told = [warning for warning in result.warnings if "below the 91.8% that the file records" in warning]
            assert len(told) == warned


def test_a_single_logit_keeps_its_record(tmp_path: Path) -> None:
    torch.save({"model": create_model("resnet20", num_classes=1).state_dict(), "acc": 0.9}, tmp_path / "m.pth")
    assert as_variant(load_model(tmp_path / "m.pth")).recorded_accuracy == 0.9
