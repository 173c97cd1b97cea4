"""What outputs are called: by what is stated, by data that fit, by what is usual, by numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import ResNet50_Weights

from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.output_names import output_names
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError
from autola_analysis.data import ImageFolderSource, Preprocessing, imagenet_classes, open_source
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tasks.accuracy import labels_fit_head
from tests.inference.networks import Tiny

READING = Reading(Settings(device="cpu", quiet=True), batch_size=4)
IMAGENET = tuple(imagenet_classes().values())
NUMBERED = tuple(f"class {number}" for number in range(5))


@pytest.fixture
def farm(tmp_path: Path) -> ImageFolderSource:
    """Two pictures of each of three animals."""
    for animal in ("cow", "hen", "pig"):
        (tmp_path / animal).mkdir()
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / animal / f"{number}.png")
    return ImageFolderSource(tmp_path)


def test_the_shipped_names_are_those_of_torchvision() -> None:
    assert list(IMAGENET) == ResNet50_Weights.DEFAULT.meta["categories"]


@pytest.mark.parametrize(
    ("stated", "usual", "data", "fits", "expected"),
    [
        (None, None, ("cow", "hen", "pig"), True, ("cow", "hen", "pig")),
        (None, None, ("cow", "hen"), False, ("class 0", "class 1", "class 2")),
        (None, None, (), False, ("class 0", "class 1", "class 2")),
        (None, ("a", "b", "c"), (), False, ("a", "b", "c")),
        (None, ("a", "b", "c"), ("cow", "hen"), False, ("a", "b", "c")),
        (None, ("a", "b", "c"), ("cow", "hen", "pig"), True, ("cow", "hen", "pig")),
        (None, ("a", "b"), ("cow", "hen"), False, ("class 0", "class 1", "class 2")),
        (("x", "y", "z"), ("a", "b", "c"), ("cow", "hen"), False, ("x", "y", "z")),
        (("tench", "goldfish", "ostrich"), None, ("n01", "n02", "n03"), True, ("tench", "goldfish", "ostrich")),
    ],
)
def test_names_come_from_the_nearest_that_knows_them(
    stated: tuple[str, ...] | None, usual: tuple[str, ...] | None, data: tuple[str, ...], fits: bool, expected: object
) -> None:
    variant = Variant(nn.Identity(), "SE", classes=stated, usual_classes=usual)
    names = output_names(variant, data, 3, fits)
    assert names.names == expected
    numbered = names.names[0] == "class 0"
    assert bool(names.misfit) == ((bool(data) and not fits) or numbered)
    assert ("--classes FILE" in names.misfit) == numbered


def test_one_stated_name_of_two_classes_is_the_positive_one() -> None:
    variant = Variant(nn.Identity(), classes=("cow",))
    assert output_names(variant, (), 2, False).names == ("not cow", "cow")


def test_stated_names_must_be_as_many_as_the_outputs() -> None:
    with pytest.raises(DataError, match="SE has 3 outputs and 2 class names"):
        output_names(Variant(nn.Identity(), "SE", classes=("a", "b")), (), 3, False)


def test_the_same_names_in_another_order_are_answered_with_the_flag_for_it() -> None:
    variant = Variant(nn.Identity(), classes=("hen", "cow"))
    for data, told in ((("cow", "hen"), True), (("cow", "pig"), False)):
        assert ("--class-order FILE" in output_names(variant, data, 2, False).misfit) == told


def test_wordnet_ids_are_the_names_of_imagenet() -> None:
    ids = tuple(imagenet_classes())
    assert labels_fit_head(1000, ids, IMAGENET, 1000)
    assert not labels_fit_head(1000, ids[::-1], IMAGENET, 1000)
    assert not labels_fit_head(2, ids[:2], IMAGENET, 1000)


def test_no_output_of_a_foreign_head_has_the_name_of_a_folder(farm: ImageFolderSource) -> None:
    variant = Variant(Tiny(5), "SE", preprocessing=Preprocessing())
    saliency = measure_saliency(variant, farm, methods=["grad-cam"], layers=["layer2"], reading=READING)
    predicted = saliency.images.drop_duplicates("image").set_index("image")["predicted"]
    for picture in saliency.pictures:
        assert picture.target == f"class {predicted[picture.image]}"
        assert {panel.predicted for panel in picture.panels} == {picture.target}
        assert picture.label in farm.classes
    evaluation = evaluate(variant, farm, reading=READING)
    assert evaluation.outputs == NUMBERED == tuple(evaluation.per_class["class"])
    selectivity = measure_selectivity(variant, farm, reading=READING)
    for result in (saliency, evaluation, selectivity):
        (reason,) = [warning for warning in result.warnings if "called class 0 to class 4" in warning]
        assert "the head has 5 outputs, the data 3 classes" in reason


def test_labels_that_fit_are_not_explained_away(farm: ImageFolderSource) -> None:
    variant = Variant(Tiny(3), preprocessing=Preprocessing())
    saliency = measure_saliency(variant, farm, methods=["grad-cam"], layers=["layer2"], reading=READING)
    assert [picture.target for picture in saliency.pictures] == ["cow", "cow", "hen", "hen", "pig", "pig"]
    assert not any("called class" in warning for warning in saliency.warnings)


def test_pictures_without_labels_get_the_stated_names(farm: ImageFolderSource) -> None:
    from autola_analysis.data.listed import ListedImages

    names = ("oak", "elm", "ash", "fir", "yew")
    variant = Variant(Tiny(5), preprocessing=Preprocessing(), classes=names)
    source = ListedImages([farm.path(0), farm.path(3)])
    result = measure_saliency(variant, source, methods=["grad-cam"], layers=["layer2"], reading=READING)
    assert all(picture.target in names for picture in result.pictures)
    assert not any("--classes" in warning for warning in result.warnings)


def test_imagenet_folders_fit_a_head_with_imagenet_names(tmp_path: Path) -> None:
    for wnid in list(imagenet_classes())[:3]:
        (tmp_path / "val" / wnid).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "val" / wnid / "0.png")
    source = open_source(f"imagenet:{tmp_path}")
    with torch.no_grad():
        model = Tiny(1000)
    result = evaluate(Variant(model, preprocessing=Preprocessing(), classes=IMAGENET), source, reading=READING)
    assert result.measured
    assert result.outputs[:2] == ("tench", "goldfish")
