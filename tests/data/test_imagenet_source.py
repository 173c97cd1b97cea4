"""ImageNet as clusters hold it: folders of WordNet ids, no devkit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autola_analysis.core.errors import DataError
from autola_analysis.data import ImageNetSource, imagenet_classes

MakeImage = Callable[..., Path]


@pytest.fixture
def imagenet(tmp_path: Path, make_image: MakeImage) -> Path:
    """Three of the thousand classes: tench (0), tabby (281), crane (517)."""
    for wnid in ("n03126707", "n01440764", "n02123045"):
        make_image(tmp_path / "val" / wnid / f"ILSVRC2012_val_{wnid}.JPEG", size=(300, 400))
    make_image(tmp_path / "train" / "n01440764" / "n01440764_1.JPEG")
    return tmp_path


@pytest.mark.parametrize(
    ("label", "wnid", "name"),
    [
        (0, "n01440764", "tench"),
        (52, "n01728572", "thunder snake"),
        (134, "n02012849", "crane bird"),
        (207, "n02099601", "golden retriever"),
        (281, "n02123045", "tabby"),
        (386, "n02504458", "African elephant"),
        (388, "n02510455", "giant panda"),
        (517, "n03126707", "crane"),
        (638, "n03710637", "maillot"),
        (639, "n03710721", "maillot tank suit"),
        (751, "n04037443", "racer"),
        (954, "n07753592", "banana"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_label_id_and_name_belong_together(label: int, wnid: str, name: str) -> None:
    assert list(imagenet_classes().items())[label] == (wnid, name)


def test_labels_follow_the_sorted_ids() -> None:
    wnids = list(imagenet_classes())
    assert len(wnids) == 1000
    assert wnids == sorted(wnids)
    assert len(set(imagenet_classes().values())) == 1000


def test_shipped_names_are_those_of_torchvisions_weights() -> None:
    models = pytest.importorskip("torchvision.models")
    assert list(imagenet_classes().values()) == models.ResNet50_Weights.DEFAULT.meta["categories"]


def test_subset_of_the_classes_keeps_imagenets_labels(imagenet: Path) -> None:
    source = ImageNetSource(imagenet)
    assert source.labels.tolist() == [0, 281, 517]
    assert [source.classes[label] for label in source.labels] == ["tench", "tabby", "crane"]
    assert len(source.classes) == 1000


def test_val_is_read_by_default_and_train_on_request(imagenet: Path) -> None:
    assert (ImageNetSource(imagenet).split, len(ImageNetSource(imagenet))) == ("val", 3)
    assert (ImageNetSource(imagenet, "train").split, len(ImageNetSource(imagenet, "train"))) == ("train", 1)


def test_root_may_be_the_folder_of_ids_itself(imagenet: Path) -> None:
    assert ImageNetSource(imagenet / "val").ids == ImageNetSource(imagenet).ids
    assert ImageNetSource(imagenet / "train").split == "train"


def test_val_is_never_read_as_train(imagenet: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        ImageNetSource(imagenet / "val", "train")


def test_images_arrive_as_the_weights_expect_them(imagenet: Path) -> None:
    source = ImageNetSource(imagenet)
    assert source.preprocessing is not None
    assert source.preprocessing.geometry(source.image(0)).shape == (3, 224, 224)
    assert (source.preprocessing.resize, source.preprocessing.mean[0]) == (256, 0.485)


def test_unknown_folder_is_named(imagenet: Path, make_image: MakeImage) -> None:
    make_image(imagenet / "val" / "n99999999" / "a.JPEG")
    make_image(imagenet / "val" / "zebra" / "a.JPEG")
    with pytest.raises(DataError, match=r"val/n99999999 is not named by one of the 1000.*2 such"):
        ImageNetSource(imagenet)


def test_flat_val_folder_says_what_is_needed(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(DataError, match=r"folders named by WordNet id .* --data imagenet:ROOT with ROOT/val/n01440764"):
        ImageNetSource(tmp_path)
