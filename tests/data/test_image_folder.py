"""Images on disk, one folder per class."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autola_analysis.core.errors import DataError
from autola_analysis.data import ImageFolderSource
from autola_analysis.data.subset import Subset

MakeImage = Callable[..., Path]


def test_classes_are_the_sorted_folder_names(birds: Path) -> None:
    assert ImageFolderSource(birds).classes == ("crow", "owl", "wren")


def test_images_come_sorted_by_class_and_name_with_their_label(birds: Path) -> None:
    source = ImageFolderSource(birds)
    assert list(source.ids) == ["crow/0.png", "crow/1.png", "crow/2.png", "owl/0.png", "wren/0.png", "wren/1.png"]
    assert source.labels.tolist() == [0, 0, 0, 1, 2, 2]
    assert source.labels.dtype == np.int64


def test_image_is_the_file_of_its_id(birds: Path) -> None:
    source = ImageFolderSource(birds)
    assert [source.image(i).getpixel((0, 0)) for i in (2, 4)] == [(80, 80, 7), (0, 80, 7)]


def test_nested_files_belong_to_their_uppermost_folder(birds: Path, make_image: MakeImage) -> None:
    make_image(birds / "owl" / "barn" / "young" / "a.png")
    source = ImageFolderSource(birds)
    assert source.classes == ("crow", "owl", "wren")
    assert source.labels[list(source.ids).index("owl/barn/young/a.png")] == 1


def test_hidden_entries_and_other_files_are_left_out(birds: Path, make_image: MakeImage) -> None:
    before = list(ImageFolderSource(birds).ids)
    make_image(birds / ".cache" / "a.png")
    make_image(birds / "__MACOSX" / "owl" / "._0.png")
    make_image(birds / "owl" / "._0.png")
    make_image(birds / "owl" / ".thumbs" / "a.png")
    (birds / "owl" / "notes.txt").write_text("hoo")
    (birds / "labels.csv").write_text("")
    assert list(ImageFolderSource(birds).ids) == before


@pytest.mark.parametrize("suffix", ["JPEG", "jpg", "PNG", "bmp", "webp", "tif", "ppm"])
def test_image_suffixes_are_known_in_any_case(birds: Path, make_image: MakeImage, suffix: str) -> None:
    make_image(birds / "owl" / f"x.{suffix}")
    assert f"owl/x.{suffix}" in ImageFolderSource(birds).ids


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_linked_class_folders_are_followed_and_circles_are_not(birds: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "owl").symlink_to(birds / "owl")
    assert list(ImageFolderSource(tmp_path / "linked").ids) == ["owl/0.png"]
    (birds / "owl" / "self").symlink_to(birds / "owl")
    (birds / "owl" / "up").symlink_to(birds)
    assert [name for name in ImageFolderSource(birds).ids if name.startswith("owl")] == ["owl/0.png"]


def test_each_folder_is_listed_once_and_no_file_is_opened(birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(Path(folder).name) or scandir(folder))
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("an image was opened"))
    ImageFolderSource(birds).fingerprint()
    assert sorted(listed) == ["birds", "crow", "owl", "wren"]


def test_split_is_named_by_the_folder_or_all(birds: Path) -> None:
    assert ImageFolderSource(birds).split == "all"
    assert ImageFolderSource(birds.rename(birds.parent / "test")).split == "test"


def test_source_is_picklable_for_workers(birds: Path) -> None:
    source = pickle.loads(pickle.dumps(ImageFolderSource(birds)))
    assert source.image(0).size == (8, 8)


class TestFingerprint:
    def test_repeats(self, birds: Path) -> None:
        assert ImageFolderSource(birds).fingerprint() == ImageFolderSource(birds).fingerprint()

    def test_does_not_depend_on_where_the_folder_is(self, birds: Path) -> None:
        before = ImageFolderSource(birds).fingerprint()
        assert ImageFolderSource(birds.rename(birds.parent / "moved")).fingerprint() == before

    def test_changes_with_names_times_and_sizes(self, birds: Path, make_image: MakeImage) -> None:
        seen = {ImageFolderSource(birds).fingerprint()}
        owl = birds / "owl" / "0.png"
        os.utime(owl, ns=(0, 1))
        seen.add(ImageFolderSource(birds).fingerprint())
        owl.write_bytes(owl.read_bytes() + b"x")
        os.utime(owl, ns=(0, 1))
        seen.add(ImageFolderSource(birds).fingerprint())
        (birds / "owl" / "0.png").rename(birds / "owl" / "1.png")
        seen.add(ImageFolderSource(birds).fingerprint())
        make_image(birds / "owl" / "2.png")
        seen.add(ImageFolderSource(birds).fingerprint())
        assert len(seen) == 5

    def test_takes_names_that_are_not_unicode(self, birds: Path) -> None:
        strange = os.fsencode(birds / "owl") + b"/\xff.png"
        try:
            os.link(birds / "owl" / "0.png", strange)
        except OSError:
            pytest.skip("this file system has no such names")
        source = ImageFolderSource(birds)
        assert len(source.fingerprint()) == len(source.hash_contents()) == 64

    def test_names_a_file_that_has_gone(self, birds: Path) -> None:
        source = ImageFolderSource(birds)
        (birds / "owl" / "0.png").unlink()
        with pytest.raises(DataError, match=r"owl/0\.png"):
            source.fingerprint()


class TestOrigin:
    def test_sees_a_change_that_keeps_size_and_time(self, birds: Path) -> None:
        source = ImageFolderSource(birds)
        before, origin = source.fingerprint(), source.origin()
        owl = birds / "owl" / "0.png"
        times, data = owl.stat(), bytearray(owl.read_bytes())
        source.check_unchanged()
        data[-1] ^= 1
        owl.write_bytes(data)
        os.utime(owl, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert ImageFolderSource(birds).fingerprint() == before
        assert ImageFolderSource(birds).origin() != origin
        assert source.address() != ImageFolderSource(birds).address()
        with pytest.raises(DataError, match=f"the images in {birds} changed while they were read"):
            source.check_unchanged()
        with pytest.raises(DataError, match="changed while they were read"):
            Subset(source, [0]).check_unchanged()

    def test_is_another_in_another_folder(self, birds: Path) -> None:
        origin = ImageFolderSource(birds).origin()
        assert ImageFolderSource(birds.rename(birds.parent / "moved")).origin() != origin

    def test_contents_are_part_of_the_address_where_they_are_known(self, birds: Path) -> None:
        source = ImageFolderSource(birds)
        before, of_part = source.address(), Subset(source, [0]).address()
        source.contents_hash = source.hash_contents()
        assert source.address() != before
        assert Subset(source, [0]).address() != of_part

    def test_an_image_that_is_gone_has_changed(self, birds: Path) -> None:
        source = ImageFolderSource(birds)
        source.fingerprint()
        (birds / "owl" / "0.png").unlink()
        with pytest.raises(DataError, match=r"changed while they were read: .*owl/0\.png"):
            source.check_unchanged()


def test_a_link_to_another_class_folder_is_refused_by_both_names(birds: Path) -> None:
    first, second = sorted(path for path in birds.iterdir() if path.is_dir())[:2]
    (second / "again").symlink_to(first, target_is_directory=True)
    with pytest.raises(DataError, match=f"the class folders {first} and {second} hold the same folder"):
        ImageFolderSource(birds)
    (second / "again").unlink()
    (second / "itself").symlink_to(second, target_is_directory=True)
    ImageFolderSource(birds)


class TestContentsHash:
    def test_sees_what_the_fingerprint_cannot(self, birds: Path) -> None:
        source = ImageFolderSource(birds)
        before, contents = source.fingerprint(), source.hash_contents()
        owl = birds / "owl" / "0.png"
        times, data = owl.stat(), bytearray(owl.read_bytes())
        data[-1] ^= 1
        owl.write_bytes(data)
        os.utime(owl, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert source.fingerprint() == before
        assert source.hash_contents() != contents

    def test_does_not_see_times(self, birds: Path) -> None:
        before = ImageFolderSource(birds).hash_contents()
        os.utime(birds / "owl" / "0.png", ns=(0, 1))
        assert ImageFolderSource(birds).hash_contents() == before


class TestWhatIsNotSuchAFolder:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there is nothing there"):
            ImageFolderSource(tmp_path / "nowhere")

    def test_file(self, birds: Path) -> None:
        with pytest.raises(DataError, match="found a file"):
            ImageFolderSource(birds / "owl" / "0.png")

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="holds no folder"):
            ImageFolderSource(tmp_path)

    def test_images_without_class_folders(self, birds: Path) -> None:
        with pytest.raises(DataError, match="needs one folder per class, but holds 3 images"):
            ImageFolderSource(birds / "crow")

    def test_class_without_images_is_named(self, birds: Path) -> None:
        (birds / "dodo").mkdir()
        with pytest.raises(DataError, match=r"class folder .*dodo holds no image"):
            ImageFolderSource(birds)

    def test_folder_of_splits_is_not_taken_for_two_classes(self, birds: Path, make_image: MakeImage) -> None:
        make_image(birds.parent / "data" / "train" / "owl" / "0.png")
        make_image(birds.parent / "data" / "test" / "owl" / "0.png")
        with pytest.raises(DataError, match="holds the splits test, train; choose one with --split"):
            ImageFolderSource(birds.parent / "data")

    def test_folder_that_may_not_be_listed(self, birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scandir = os.scandir

        def refuse_owl(folder: Path) -> object:
            if Path(folder).name == "owl":
                raise PermissionError(13, "Permission denied")
            return scandir(folder)

        monkeypatch.setattr(os, "scandir", refuse_owl)
        with pytest.raises(DataError, match=r"owl cannot be listed \(Permission denied\)"):
            ImageFolderSource(birds)


def test_real_cifar_images_are_read(cifar10_jpeg: Path) -> None:
    source = ImageFolderSource(cifar10_jpeg / "test")
    assert source.split == "test"
    assert source.classes[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(source.labels).tolist() == [1000] * 10
    assert source.image(9999).size == (32, 32)
