from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autola_analysis.checkpoints import load_model
from autola_analysis.core.errors import DataError, OptionError, UnknownNameError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.folder import ImageFolderSource
from autola_analysis.data.preprocessing import NORMALIZATIONS
from autola_analysis.training.data import measured, open_splits, preprocessing_of
from autola_analysis.training.recipes import RECIPES, Recipe
from autola_analysis.training.settings import Training
from autola_analysis.training.trainer import run_training
from tests.data.conftest import write_image
from tests.training.conftest import QUIET


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of noise in other sizes, three images each for training and one for testing."""
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 1)):
        for name in ("cat", "dog"):
            for number in range(count):
                path = write_image(tmp_path / "pets" / split / name / f"{number}.png")
                pixels = random.integers(0, 200 + 20 * number, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
    return tmp_path / "pets"


def test_one_split_of_a_folder_is_answered_with_the_folder_of_both(pets: Path, refused: Callable[..., str]) -> None:
    for split in ("train", "test"):
        message = refused("cifar10-short", "--data", f"folder:{pets / split}")
        assert (
            f"there is no {pets / split / 'train'}; give the folder that holds both, --data folder:{pets}." in message
        )
        assert "--split" not in message


def test_a_folder_with_another_test_split_is_answered_with_its_name(pets: Path, refused: Callable[..., str]) -> None:
    (pets / "test").rename(pets / "val")
    message = refused("cifar10-short", "--data", f"folder:{pets}")
    assert f"there is no {pets / 'test'}; name the split to test on with --set test_split=val." in message
    assert open_splits(f"folder:{pets}", "val")[1].split == "val"


def test_a_folder_without_splits_is_told_what_is_needed(pets: Path, refused: Callable[..., str]) -> None:
    message = refused("cifar10-short", "--data", f"folder:{pets / 'train' / 'cat'}")
    assert "give --data folder:ROOT with ROOT/train/CLASS and ROOT/test/CLASS" in message


def test_splits_with_other_classes_are_refused(pets: Path) -> None:
    (pets / "test" / "dog").rename(pets / "test" / "dogs")
    with pytest.raises(DataError, match=r"train and test of folder:.* have different classes \(dog is only in one"):
        open_splits(f"folder:{pets}", "test")


def test_a_folder_is_offered_the_recipes_statistics_and_measured_ones(pets: Path) -> None:
    train, _ = open_splits(f"folder:{pets}", "test")
    with pytest.raises(OptionError, match="give --set normalize=cifar10 where these are its images, measure"):
        preprocessing_of(RECIPES.get("cifar10"), train, 0, quiet=True)
    with pytest.raises(OptionError, match="give --set normalize=measure, or one of imagenet, cifar10, cifar100, none"):
        preprocessing_of(RECIPES.get("cluttered-digits"), train, 0, quiet=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_measured_statistics_are_those_of_all_pixels(tmp_path: Path, workers: int) -> None:
    random = np.random.default_rng(1)
    pixels = []
    for number, size in enumerate([(5, 9), (12, 7), (30, 30)]):
        path = write_image(tmp_path / "only" / f"{number}.png")
        image = random.integers(0, 80 * (number + 1), (*size, 3), dtype=np.uint8)
        Image.fromarray(image).save(path)
        pixels.append(image.reshape(-1, 3))
    together = np.concatenate(pixels) / 255
    found = measured(Preprocessing(), ImageFolderSource(tmp_path), workers)
    np.testing.assert_allclose(found.mean, together.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.std, together.std(0), rtol=1e-12)


def test_statistics_are_measured_after_the_geometry() -> None:
    source, geometry = ClutteredDigits("train", 5), Preprocessing(resize=20, crop=16)
    images = np.stack([geometry.geometry(source.image(index)).numpy() for index in range(5)]) / 255
    found = measured(geometry, source)
    np.testing.assert_allclose(found.mean, images.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(found.std, images.std((0, 2, 3)), rtol=1e-12)
    assert (found.resize, found.crop) == (20, 16)


def test_images_of_one_colour_have_no_standard_deviation(tmp_path: Path) -> None:
    write_image(tmp_path / "red" / "0.png")
    with pytest.raises(OptionError, match="has the same value everywhere"):
        measured(Preprocessing(), ImageFolderSource(tmp_path))


def test_measured_numbers_are_in_the_checkpoint_and_change_nothing_else(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, _ = open_splits(f"folder:{pets}", "test")
    expected = measured(Preprocessing(), train)
    values = {"epochs": "1", "width": "4", "batch_size": "3"}

    def weights(normalize: str, name: str) -> dict[str, torch.Tensor]:
        recipe = RECIPES.get("cifar10").overridden({**values, "normalize": normalize})
        run_training(Training("cifar10", recipe, data=f"folder:{pets}"), tmp_path / name, QUIET)
        loaded = load_model(tmp_path / name)
        assert loaded.preprocessing == expected
        return loaded.model.state_dict()

    measuring = weights("measure", "a")
    monkeypatch.setitem(NORMALIZATIONS._items, "pets", expected)  # the same numbers, given by name
    named = weights("pets", "b")
    assert all(torch.equal(measuring[name], named[name]) for name in named)


def test_unknown_statistics_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown normalization 'mesure'"):
        Recipe("", data="x", normalize="mesure")
