"""Trainings that make controls: a network of the module's size, and a checkpoint at an accuracy."""

import logging
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import load_model
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import OptionError, TrainingError
from autola_analysis.data import ClutteredDigits
from autola_analysis.training.classification import ClassifierTraining
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Training
from autola_analysis.training.trainer import run_training
from tests.training.conftest import QUIET

pytestmark = pytest.mark.usefixtures("few_images")
EPOCHS = 3


def training(attention: str = "se", percent: float | None = None, match: int | str | None = None) -> Training:
    """Return a training of a network of width 4 over a few epochs of five steps."""
    values = {"epochs": str(EPOCHS), "batch_size": "16", "width": "4", "warmup_epochs": "0"}
    recipe = RECIPES.get("cluttered-digits").overridden(values)
    return Training("cluttered-digits", recipe, attention, seed=3, match_parameters=match, keep_at_accuracy=percent)


def plan_accuracies(monkeypatch: pytest.MonkeyPatch, *shares: float) -> list[int]:
    """Let the test split show given accuracies, one per epoch; return the list that notes the epochs looked at."""
    seen: list[int] = []

    def planned(trainer: object, module: ClassifierTraining, loader: object) -> float:
        seen.append(module.current_epoch + 1)
        return shares[module.current_epoch]

    monkeypatch.setattr("autola_analysis.training.keeping._accuracy", planned)
    return seen


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path).model.state_dict()


def equal(first: Path, second: Path) -> bool:
    ours, theirs = weights(first), weights(second)
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_first_epoch_that_reaches_the_accuracy_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[dict[str, torch.Tensor]] = []
    original = ClassifierTraining.on_train_epoch_end

    def notes(self: ClassifierTraining) -> None:
        states.append({name: tensor.clone() for name, tensor in self.model.state_dict().items()})
        original(self)

    monkeypatch.setattr(ClassifierTraining, "on_train_epoch_end", notes)
    seen = plan_accuracies(monkeypatch, 0.5, 0.9, 0.95)
    out = tmp_path / "se.safetensors"
    run_training(training(percent=90), out, QUIET)
    kept = tmp_path / "se.at90.safetensors"
    assert sorted(tmp_path.iterdir()) == [kept, out]
    assert seen == [1, 2]  # nothing is measured once it is kept
    loaded = load_model(kept)
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in loaded.model.state_dict().items())
    assert not equal(kept, out)
    assert loaded.metadata["metrics"] == {"accuracy": 0.9, "epoch": 2}
    assert loaded.metadata["recipe"]["keep_at_accuracy"] == 90
    assert loaded.classes == load_model(out).classes


def test_keeping_leaves_the_training_as_it_is_and_measures_what_the_file_holds(tmp_path: Path) -> None:
    plain, watched = tmp_path / "plain.safetensors", tmp_path / "watched.safetensors"
    run_training(training(), plain, QUIET)
    run_training(training(percent=1.5), watched, QUIET)
    assert equal(plain, watched)
    kept = load_model(tmp_path / "watched.at1.5.safetensors")
    source = ClutteredDigits("test", 20)
    images = torch.stack([kept.preprocessing.geometry(source.image(index)) for index in range(20)])
    with torch.no_grad():
        predicted = kept.model(kept.preprocessing.normalize(images)).argmax(1)
    assert kept.metadata["metrics"]["accuracy"] == float((predicted.numpy() == source.labels).mean())


def test_an_accuracy_that_is_never_reached_is_one_sentence_with_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan_accuracies(monkeypatch, 0.5, 0.875, 0.875)
    with caplog.at_level(logging.WARNING, logger="autola_analysis"):
        run_training(training(percent=90), tmp_path / "se.safetensors", QUIET)
    assert caplog.messages == [
        "no epoch reached an accuracy of 90 %, so that no checkpoint is kept at it; the best was 87.50 % after epoch 2."
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["se.safetensors"]


@pytest.mark.parametrize("reached", [1, 3])
def test_a_killed_training_goes_on_with_what_it_kept(
    reached: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, state = tmp_path / "se.safetensors", tmp_path / "se.safetensors.training"
    shares = [0.1] * (reached - 1) + [0.95] * (EPOCHS + 1 - reached)
    original = ClassifierTraining.training_step

    def dies(self: ClassifierTraining, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return original(self, batch, index)

    seen = plan_accuracies(monkeypatch, *shares)
    with monkeypatch.context() as patch:
        patch.setattr(ClassifierTraining, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            run_training(training(percent=90), out, QUIET)
    assert (state / "kept.safetensors").exists() == (reached == 1)
    assert [path.name for path in tmp_path.iterdir()] == [state.name]

    run_training(training(percent=90), out, QUIET)
    kept = load_model(tmp_path / "se.at90.safetensors")
    assert kept.metadata["metrics"]["epoch"] == reached
    assert seen == list(range(1, reached + 1))
    assert not state.exists()


def test_a_kept_checkpoint_that_was_lost_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, state = tmp_path / "se.safetensors", tmp_path / "se.safetensors.training"
    plan_accuracies(monkeypatch, *[0.95] * EPOCHS)
    with monkeypatch.context() as patch:
        patch.setattr("autola_analysis.training.trainer.kept_checkpoint", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_training(training(percent=90), out, QUIET)
    (state / "kept.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"kept\.safetensors is damaged \(it is missing\), so the unfinished"):
        run_training(training(percent=90), out, QUIET)


def test_a_file_in_the_place_of_the_kept_checkpoint_stays(tmp_path: Path) -> None:
    mine = tmp_path / "se.at90.safetensors"
    mine.write_text("mine")
    with pytest.raises(OptionError, match=r"se\.at90\.safetensors exists already; choose another --out"):
        run_training(training(percent=90), tmp_path / "se.safetensors", QUIET)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]


@pytest.mark.parametrize("percent", [0.9, 1, 0, -5, 100.5, float("nan")])
def test_an_accuracy_that_is_no_percentage_is_refused(percent: float) -> None:
    with pytest.raises(OptionError, match=r"takes an accuracy in percent, above 1 and up to 100, such as 90; found"):
        training(percent=percent)


@pytest.mark.parametrize("match", ["hoga", 24_000])
def test_a_network_is_trained_at_the_width_that_matches(match: int | str, tmp_path: Path) -> None:
    out = tmp_path / "wide.safetensors"
    run_training(training("none", match=match), out, QUIET)
    wanted = ModelSpec("resnet20", "hoga", 10, {"width": 4}).parameters if match == "hoga" else 24_000
    loaded = load_model(out)
    assert loaded.spec == ModelSpec("resnet20", "none", 10, {"width": 4}).matched(wanted)
    recipe = loaded.metadata["recipe"]
    assert (recipe["match_parameters"], recipe["parameters"]) == (match, loaded.spec.parameters)


def test_flags_reach_the_training_and_the_name_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan_accuracies(monkeypatch, 0.95)
    short = ["--set", "epochs=1", "--set", "width=4", "--set", "batch_size=16"]
    command = ["train", "cluttered-digits", *short, "--device", "cpu", "--keep-at-accuracy", "90"]
    assert entry._run([*command, "--match-parameters", "hoga"], debug=True) == 0
    name = "resnet20_none-as-hoga_cluttered-digits_seed0"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.at90.safetensors", f"{name}.safetensors"]
    assert f"{name}.at90.safetensors: the first epoch with 90 % or more\n" in capsys.readouterr().out
    assert load_model(tmp_path / f"{name}.safetensors").metadata["recipe"]["match_parameters"] == "hoga"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--match-parameters", "hga"), "unknown attention 'hga'; the nearest known: hoga"),
        (("--match-parameters", "12"), "cannot have as few as 12 parameters: at its smallest width, 1, it has"),
        (("--match-parameters", "-5"), "unknown attention '-5'"),
        (("--images-root", "x"), "--images-root is for data in COCO's format"),
        (("--bad-boxes", "keep"), "--bad-boxes is one of clip, drop; found 'keep'"),
        (("--keep-at-accuracy", "0.9"), "in percent, above 1 and up to 100, such as 90; found 0.9"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    refused: Callable[..., str], flags: tuple[str, str], message: str
) -> None:
    assert message in refused("cluttered-digits", *flags)
