"""CIFAR as published, through torchvision. The files here are small, with checksums to match."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import Cifar10Source, Cifar100Source, ImageFolderSource
from autola_analysis.data.cifar import CifarSource

PER_FILE = 4


def publish(root: Path, source: type[CifarSource], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write files of the published layout, and make their checksums the published ones."""
    dataset = source.dataset
    folder = root / dataset.base_folder
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)

    def write(filename: str, content: object) -> list[str]:
        data = pickle.dumps(content)
        (folder / filename).write_bytes(data)
        return [filename, hashlib.md5(data).hexdigest()]

    def batch(filename: str, first_label: int) -> list[str]:
        data = generator.integers(0, 256, (PER_FILE, 3072), dtype=np.uint8)
        key = "labels" if source is Cifar10Source else "fine_labels"
        return write(filename, {"data": data, key: [(first_label + i) % 10 for i in range(PER_FILE)]})

    monkeypatch.setattr(
        dataset, "train_list", [batch(name, number) for number, (name, _) in enumerate(dataset.train_list)]
    )
    monkeypatch.setattr(dataset, "test_list", [batch(name, 7) for name, _ in dataset.test_list])
    names = [f"class {i}" for i in range(10 if source is Cifar10Source else 100)]
    filename, md5 = write(dataset.meta["filename"], {dataset.meta["key"]: names})
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "filename": filename, "md5": md5})
    return folder


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return publish(tmp_path, Cifar10Source, monkeypatch)


def test_test_split_is_read_by_default(cifar10: Path) -> None:
    source = Cifar10Source(cifar10.parent)
    assert (source.name, source.split, len(source)) == ("cifar10", "test", PER_FILE)
    assert source.labels.tolist() == [7, 8, 9, 0]
    assert source.classes == tuple(f"class {i}" for i in range(10))
    assert source.ids[1] == "test/00001"


def test_train_split_joins_the_batches(cifar10: Path) -> None:
    source = Cifar10Source(cifar10.parent, "train")
    assert source.labels.tolist() == [b + i for b in range(5) for i in range(PER_FILE)]


def test_pixels_are_the_published_planes(cifar10: Path) -> None:
    planes = pickle.loads((cifar10 / "test_batch").read_bytes())["data"][2].reshape(3, 32, 32)
    source = Cifar10Source(cifar10.parent)
    np.testing.assert_array_equal(np.asarray(source.image(2)), planes.transpose(1, 2, 0))
    assert source.pixels.dtype == np.uint8


def test_root_may_be_the_published_folder_itself(cifar10: Path) -> None:
    assert len(Cifar10Source(cifar10)) == PER_FILE


def test_each_has_its_own_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, Cifar100Source, monkeypatch)
    source = Cifar100Source(tmp_path)
    assert len(source.classes) == 100
    assert source.preprocessing is not None
    assert source.preprocessing.mean == (0.5071, 0.4865, 0.4409)
    assert Cifar10Source.preprocessing is not None
    assert Cifar10Source.preprocessing.mean == (0.4914, 0.4822, 0.4465)


def test_fingerprint_is_that_of_the_published_files(cifar10: Path) -> None:
    test, again = Cifar10Source(cifar10), Cifar10Source(cifar10.parent)
    assert test.fingerprint() == again.fingerprint()
    assert test.fingerprint() != Cifar10Source(cifar10, "train").fingerprint()


def test_contents_hash_is_of_pixels_and_labels(cifar10: Path) -> None:
    source = Cifar10Source(cifar10)
    before = source.hash_contents()
    source.pixels[0, 0, 0, 0] ^= 1
    changed = source.hash_contents()
    source.pixels[0, 0, 0, 0] ^= 1
    assert source.hash_contents() == before != changed
    source.labels[0] = 3
    assert source.hash_contents() != before


def test_missing_data_say_what_where_and_which_flag(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"looked for the folder cifar-10-batches-py in .*--data cifar10:ROOT"):
        Cifar10Source(tmp_path)


def test_missing_file_is_named(cifar10: Path) -> None:
    (cifar10 / "data_batch_3").unlink()
    with pytest.raises(DataError, match=r"looked for data_batch_3 in .* found none"):
        Cifar10Source(cifar10)


@pytest.mark.parametrize("filename", ["test_batch", "batches.meta"])
def test_changed_file_is_named_and_never_unpickled(
    cifar10: Path, filename: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cifar10 / filename).write_bytes((cifar10 / filename).read_bytes() + b"x")
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("an unchecked file was unpickled"))
    with pytest.raises(DataError, match=f"{filename} is not the published file"):
        Cifar10Source(cifar10)


def test_split_that_it_does_not_have(cifar10: Path) -> None:
    with pytest.raises(OptionError, match="splits test and train; found --split val"):
        Cifar10Source(cifar10, "val")


def test_customary_statistics_are_those_of_the_real_images(cifar10_jpeg: Path) -> None:
    source = ImageFolderSource(cifar10_jpeg / "train")
    sample = np.stack([np.asarray(source.image(i)) for i in range(0, len(source), 100)]) / 255
    assert Cifar10Source.preprocessing is not None
    np.testing.assert_allclose(sample.mean((0, 1, 2)), Cifar10Source.preprocessing.mean, atol=0.02)
    np.testing.assert_allclose(sample.std((0, 1, 2)), Cifar10Source.preprocessing.std, atol=0.02)
