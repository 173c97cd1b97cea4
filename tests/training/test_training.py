import json
import re
from pathlib import Path

import pytest
import torch

from autola_analysis.checkpoints import load_model
from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.training.images import AugmentedImages, cutout
from autola_analysis.training.module import ClassifierTraining
from autola_analysis.training.recipes import RECIPES, Recipe
from autola_analysis.training.settings import Machine, Training
from autola_analysis.training.trainer import run_training
from tests.data.conftest import write_image

QUIET = Machine(device="cpu", quiet=True)


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autola_analysis.data.cluttered_digits.DEFAULT_LENGTH", {"train": 80, "test": 20})


def short(**values: str) -> Training:
    recipe = RECIPES.get("cluttered-digits").overridden({"epochs": "2", "batch_size": "16", "width": "4", **values})
    return Training("cluttered-digits", recipe, attention="se", seed=3)


def test_a_training_leaves_a_checkpoint_with_recipe_seed_and_accuracy_inside(tmp_path: Path) -> None:
    out = tmp_path / "se.safetensors"
    metrics = run_training(short(), out, QUIET)
    loaded = load_model(out)
    assert loaded.spec.to_dict()["attention"] == "se"
    assert loaded.source == "cluttered-digits"
    assert loaded.classes == tuple("0123456789")
    assert loaded.metadata["recipe"]["epochs"] == 2
    assert loaded.metadata["seed"] == 3
    assert loaded.metadata["metrics"]["accuracy"] == pytest.approx(metrics["accuracy"])
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_the_same_seed_trains_the_same_network_and_the_callers_random_state_stays(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    for name in ("a", "b"):
        run_training(short(), tmp_path / name, QUIET)
    assert torch.equal(torch.get_rng_state(), before)
    first, second = (load_model(tmp_path / name).model.state_dict() for name in ("a", "b"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_killed_training_goes_on_after_its_last_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "se.safetensors"
    seen: list[int] = []
    original = AugmentedImages.__getitem__

    def dies_in_the_second_epoch(self: AugmentedImages, index: int) -> object:
        seen.append(index)
        if len(seen) > 100:
            raise KeyboardInterrupt
        return original(self, index)

    monkeypatch.setattr(AugmentedImages, "__getitem__", dies_in_the_second_epoch)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run_training(short(), out, QUIET)
    assert not out.exists()
    assert (tmp_path / "se.safetensors.training" / "last.ckpt").exists()

    with pytest.raises(OptionError, match="holds an unfinished training with other settings"):
        run_training(short(learning_rate="0.5"), out, QUIET)

    seen.clear()
    monkeypatch.setattr(
        AugmentedImages, "__getitem__", lambda self, index: (seen.append(index), original(self, index))[1]
    )
    run_training(short(), out, QUIET)
    assert len(seen) == 80  # one epoch, not two
    assert json.loads(json.dumps(dict(load_model(out).metadata["recipe"])))["epochs"] == 2
    assert not (tmp_path / "se.safetensors.training").exists()


def test_a_log_names_the_epochs_of_a_training_in_lines_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("SILENT_SECONDS", "REDRAWN_SECONDS", "LOGGED_SECONDS"):
        monkeypatch.setattr(f"autola_analysis.core.progress.{name}", 0.001)
    run_training(short(), tmp_path / "se.safetensors", Machine(device="cpu"))
    shown = capsys.readouterr()
    assert "\r" not in shown.out + shown.err
    assert re.search(r"^  epoch 2 of 2 \d+ %, \d+ of 10 batches", shown.err, re.MULTILINE)


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    out.write_text("mine")
    with pytest.raises(OptionError, match=r"exists already; choose another --out"):
        run_training(short(), out, QUIET)
    assert out.read_text() == "mine"


def test_half_precision_storage_keeps_the_predictions(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    run_training(short(), whole, QUIET)
    run_training(short(), half, Machine(device="cpu", quiet=True, half=True))
    assert half.stat().st_size < 0.7 * whole.stat().st_size
    images = Preprocessing().normalize(
        torch.stack([Preprocessing().geometry(ClutteredDigits().image(i)) for i in range(20)])
    )
    with torch.no_grad():
        torch.testing.assert_close(
            load_model(half).model(images), load_model(whole).model(images), atol=0.05, rtol=0.05
        )


def test_augmentation_shifts_and_mirrors_as_the_recipe_says() -> None:
    source = ClutteredDigits("train", 1)
    still = AugmentedImages(source, Recipe("", data="x", crop_padding=0, flip=False))
    image = still[0][0]
    assert torch.equal(image, still[0][0])
    mirrored = AugmentedImages(source, Recipe("", data="x", crop_padding=0, flip=True))
    seen = {tuple(mirrored[0][0].flatten().tolist()) for _ in range(20)}
    assert seen == {tuple(image.flatten().tolist()), tuple(image.flip(2).flatten().tolist())}
    shifted = AugmentedImages(source, Recipe("", data="x", crop_padding=4, flip=False))
    assert shifted[0][0].shape == image.shape
    assert len({tuple(shifted[0][0].flatten().tolist()) for _ in range(20)}) > 5
    resized = AugmentedImages(source, Recipe("", data="x", random_resized_crop=24, crop_padding=0))
    assert resized[0][0].shape == (3, 24, 24)


def test_cutout_zeroes_one_square_that_may_stick_out() -> None:
    images = torch.ones(200, 3, 12, 12)
    cut = cutout(images, 4)
    missing = (cut[:, 0] == 0).sum((1, 2))
    assert torch.equal(cut[:, 0], cut[:, 2])
    assert missing.max() == 16
    assert missing.min() >= 4
    assert images.min() == 1


def test_the_learning_rate_follows_the_schedule_and_cutout_reaches_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("", data="x", epochs=4, cutout=6)
    module = ClassifierTraining(torch.nn.Conv2d(3, 2, 32), Preprocessing(), recipe, steps_per_epoch=2)
    configured = module.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.1 * recipe.learning_rate_factor(step / 2) for step in range(8)])

    seen: list[torch.Tensor] = []
    module.model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 2))
    module.model[0].register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    monkeypatch.setattr(module, "log", lambda *arguments, **options: None)
    module.training_step((torch.full((5, 3, 32, 32), 255, dtype=torch.uint8), torch.zeros(5, dtype=int)), 0)
    assert ((seen[0] == 0).sum((1, 2, 3)) >= 3 * 9).all()


@pytest.mark.parametrize(
    ("options", "message"), [({"device": "gpu"}, "device is"), ({"precision": "8"}, "precision is")]
)
def test_machines_that_do_not_exist_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Machine(**options)


def test_a_folder_asks_for_statistics_and_leaves_nothing(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            write_image(tmp_path / "pets" / split / name / "0.png", size=(32, 32))
    training = Training("cifar10", RECIPES.get("cifar10"), data=f"folder:{tmp_path / 'pets'}")
    with pytest.raises(OptionError, match="has no statistics of its own; give --set normalize="):
        run_training(training, tmp_path / "out", QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]
