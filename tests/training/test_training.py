import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from autola_analysis.checkpoints import load_model
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.training import trainer
from autola_analysis.training.classification import ClassifierTraining
from autola_analysis.training.images import AugmentedImages, PreprocessedImages, cutout, shifted_and_mirrored
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

    def dies_in_the_second_epoch(self: AugmentedImages, indices: list[int]) -> object:
        seen.extend(indices)
        if len(seen) > 100:
            raise KeyboardInterrupt
        return original(self, indices)

    monkeypatch.setattr(AugmentedImages, "__getitem__", dies_in_the_second_epoch)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run_training(short(), out, QUIET)
    assert not out.exists()
    assert (tmp_path / "se.safetensors.training" / "last.ckpt").exists()

    with pytest.raises(OptionError, match="holds an unfinished training with other settings"):
        run_training(short(learning_rate="0.5"), out, QUIET)

    seen.clear()
    monkeypatch.setattr(
        AugmentedImages, "__getitem__", lambda self, indices: (seen.extend(indices), original(self, indices))[1]
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


def test_memory_that_a_step_frees_is_kept_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, kept, active = ClassifierTraining.training_step, [], []

    @contextmanager
    def noting() -> Iterator[None]:
        active.append(True)
        yield
        active.pop()

    def stepping(self: ClassifierTraining, *arguments: object) -> object:
        kept.append(bool(active))
        return step(self, *arguments)

    monkeypatch.setattr(trainer, "freed_memory_kept", noting)
    monkeypatch.setattr(ClassifierTraining, "training_step", stepping)
    run_training(short(), tmp_path / "out.safetensors", QUIET)
    assert set(kept) == {True}
    assert not active


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    out.write_text("mine")
    with pytest.raises(OptionError, match=r"exists already; choose another --out"):
        run_training(short(), out, QUIET)
    assert out.read_text() == "mine"


def test_what_came_to_be_there_meanwhile_stays_and_the_training_ends_when_it_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, fit = tmp_path / "se.safetensors", trainer._fit

    def overtaken(*arguments: object) -> object:
        metrics = fit(*arguments)
        out.write_text("mine")
        return metrics

    monkeypatch.setattr(trainer, "_fit", overtaken)
    with pytest.raises(OptionError, match=r"exists already; choose another --out, or move it away\."):
        run_training(short(), out, QUIET)
    assert out.read_text() == "mine"
    monkeypatch.undo()
    out.rename(tmp_path / "moved")
    assert (tmp_path / "se.safetensors.training").exists()


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
    source = ClutteredDigits("train", 8)
    still = AugmentedImages(source, Recipe("", data="x", crop_padding=0, flip=False))
    images, labels = still[[0, 7]]
    expected = [torch.from_numpy(np.array(source.image(index).convert("RGB"))) for index in (0, 7)]
    assert torch.equal(images, torch.stack(expected).permute(0, 3, 1, 2))
    assert labels.tolist() == [source.labels[0], source.labels[7]]
    mirrored, _ = AugmentedImages(source, Recipe("", data="x", crop_padding=0, flip=True))[[0] * 400]
    turned = (mirrored == images[0].flip(2)).all(dim=(1, 2, 3))
    assert 150 < int(turned.sum()) < 250
    assert torch.equal(mirrored[~turned], images[:1].expand(400 - int(turned.sum()), -1, -1, -1))
    resized = AugmentedImages(source, Recipe("", data="x", random_resized_crop=24, crop_padding=0))
    assert resized[[0, 1]][0].shape == (2, 3, 24, 24)
    assert not torch.equal(resized[[0]][0], resized[[0]][0])


def test_a_shifted_image_is_a_crop_of_the_bordered_one_every_place_equally_often() -> None:
    images = torch.arange(1, 31, dtype=torch.uint8).view(1, 5, 2, 3).expand(9 * 200, -1, -1, -1)
    bordered = F.pad(images[0].permute(2, 0, 1), (1, 1, 1, 1))
    crops = {bordered[:, y : y + 5, x : x + 2].numpy().tobytes(): 0 for y in range(3) for x in range(3)}
    for crop in shifted_and_mirrored(images, 1, mirror=False):
        crops[crop.contiguous().numpy().tobytes()] += 1
    assert len(crops) == 9
    assert min(crops.values()) > 140
    assert max(crops.values()) < 260


def test_an_image_is_decoded_once_as_long_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ClutteredDigits("train", 3)
    decoded: list[int] = []
    original = ClutteredDigits.image
    monkeypatch.setattr(ClutteredDigits, "image", lambda self, index: (decoded.append(index), original(self, index))[1])
    size = original(source, 0).width * original(source, 0).height * 3
    images = AugmentedImages(source, Recipe("", data="x"), kept_bytes=2 * size)
    for _ in range(3):
        images[[0, 1, 2]]
    assert decoded == [0, 1, 2, 2, 2]
    decoded.clear()
    cropped = AugmentedImages(source, Recipe("", data="x", random_resized_crop=24))
    for _ in range(2):
        cropped[[0]]
    assert decoded == [0, 0]


def test_images_that_are_evaluated_more_than_once_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ClutteredDigits("test", 3)
    decoded: list[int] = []
    original = ClutteredDigits.image
    monkeypatch.setattr(ClutteredDigits, "image", lambda self, index: (decoded.append(index), original(self, index))[1])
    plain = PreprocessedImages(source, source.preprocessing)
    keeping = PreprocessedImages(source, source.preprocessing, kept_bytes=2 * 3 * 32 * 32)
    for images in (plain, keeping):
        decoded.clear()
        for index in (0, 1, 2, 0, 1, 2):
            image, label = images[index]
            assert torch.equal(image, source.preprocessing.geometry(original(source, index)))
            assert label == source.labels[index]
    assert decoded == [0, 1, 2, 2]


def test_images_of_different_sizes_are_one_sentence(tmp_path: Path) -> None:
    for split, sides in (("train", (32, 40)), ("test", (32, 32))):
        for name, side in zip("ab", sides, strict=True):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            Image.new("RGB", (side, 32), "red").save(folder / "1.png")
    training = replace(short(normalize="cifar10"), data=f"folder:{tmp_path}")
    with pytest.raises(DataError, match=r"such as 32 x 32 and 40 x 32 pixels.*give --set random_resized_crop=SIDE\.$"):
        run_training(training, tmp_path / "out.safetensors", QUIET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test", "train"]


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
