from pathlib import Path

import pytest

from autola_analysis.analyses.alone import as_variants
from autola_analysis.analyses.variants import Variant, preprocessing_for
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import NORMALIZATIONS, ClutteredDigits, ImageFolderSource, Preprocessing
from tests.data.conftest import write_image
from tests.inference.networks import Tiny


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolderSource:
    for name in ("cat", "dog"):
        write_image(tmp_path / "pets" / name / "0.png", size=(40, 30))
    return ImageFolderSource(tmp_path / "pets")


def test_a_folder_asks_for_the_statistics_of_training(folder: ImageFolderSource) -> None:
    with pytest.raises(DataError, match=r"neither net nor folder.* says how images are preprocessed; give --normalize"):
        preprocessing_for(Variant(Tiny(), "net"), folder)


@pytest.mark.parametrize(("side", "resize"), [(32, 32), (224, 256), (299, 342)])
def test_statistics_alone_get_the_customary_geometry_of_the_network(
    folder: ImageFolderSource, side: int, resize: int
) -> None:
    imagenet = NORMALIZATIONS.get("imagenet")
    found = preprocessing_for(Variant(Tiny(), preprocessing=imagenet, input_side=side), folder)
    assert found == Preprocessing(resize, side, imagenet.mean, imagenet.std)


@pytest.mark.parametrize(("input_side", "resize", "crop"), [(16, 20, 16), (None, 20, 16), (224, 256, 224)])
def test_the_geometry_of_the_data_is_taken_where_it_fits_the_network(
    folder: ImageFolderSource, input_side: int | None, resize: int, crop: int
) -> None:
    folder.preprocessing = Preprocessing(resize=20, crop=16)
    imagenet = NORMALIZATIONS.get("imagenet")
    found = preprocessing_for(Variant(Tiny(), preprocessing=imagenet, input_side=input_side), folder)
    assert found == Preprocessing(resize, crop, imagenet.mean, imagenet.std)


def test_a_recorded_geometry_wins_and_without_any_record_the_data_decides() -> None:
    digits = ClutteredDigits("test", 2)
    recorded = Preprocessing(resize=64, crop=64)
    assert preprocessing_for(Variant(Tiny(), preprocessing=recorded, input_side=32), digits) == recorded
    assert preprocessing_for(Variant(Tiny()), digits) == Preprocessing()


@pytest.mark.parametrize("model", ["se.pth", ["se.pth"], {"fc.weight": 0}, None])
def test_what_is_no_network_is_refused_with_a_word_on_checkpoint_files(model: object) -> None:
    found = type(model[0] if isinstance(model, list) else model).__name__
    with pytest.raises(OptionError, match=rf"found {found} \(load_model reads a checkpoint file\)"):
        as_variants(model)  # type: ignore[arg-type]  # what a user may give
