"""CIFAR-10 and CIFAR-100 as published, read through torchvision, never downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import check_integrity

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.files import expanded
from autola_analysis.data.preprocessing import CIFAR10_STATISTICS, CIFAR100_STATISTICS
from autola_analysis.data.source import ImageSource, hash_of

SPLITS = ("test", "train")


class CifarSource(ImageSource):
    """What `Cifar10Source` and `Cifar100Source` share; the images stay uint8 arrays in memory.

    Args:
        root: The folder that holds the published folder ("cifar-10-batches-py"), or that folder itself.
        split: "test" or "train".

    Raises:
        OptionError: If the split is not known.
        DataError: If a published file is missing or is not the published one.
    """

    dataset: ClassVar[type[CIFAR10]]

    def __init__(self, root: str | Path, split: str = "test") -> None:
        if split not in SPLITS:
            raise OptionError(f"{self.name} has the splits {' and '.join(SPLITS)}; found --split {split}.")
        parent = self.parent_of_files(expanded(root))
        if parent is None:
            raise DataError(
                f"{self.name} looked for the folder {self.dataset.base_folder} in {root} and found none; "
                f"unpack {self.dataset.filename} there or give --data {self.name}:ROOT."
            )
        self._check_files(parent / self.dataset.base_folder)
        published = self.dataset(str(parent), train=split == "train", download=False)
        self.split = split
        self.classes = tuple(published.classes)
        self.pixels: NDArray[np.uint8] = np.ascontiguousarray(published.data)
        self.labels = np.asarray(published.targets, dtype=np.int64)
        self.ids = [f"{split}/{index:05d}" for index in range(len(self.labels))]

    @classmethod
    def parent_of_files(cls, root: Path) -> Path | None:
        """Return the folder that holds the published folder, whether `root` is the one or the other; else None."""
        base_folder = cls.dataset.base_folder
        if (root / base_folder).is_dir():
            return root
        return root.parent if root.name == base_folder and root.is_dir() else None

    @classmethod
    def _published(cls) -> list[tuple[str, str]]:
        meta = cls.dataset.meta
        return [*map(tuple, [*cls.dataset.train_list, *cls.dataset.test_list]), (meta["filename"], meta["md5"])]

    def _check_files(self, folder: Path) -> None:
        # torchvision checks too, but says only "not found or corrupted", and that download=True would help
        for filename, md5 in self._published():
            remedy = f"unpack {self.dataset.filename} again or give --data {self.name}:ROOT."
            if not (folder / filename).is_file():
                raise DataError(f"{self.name} looked for {filename} in {folder} and found none; {remedy}")
            if not check_integrity(folder / filename, md5):
                raise DataError(f"{folder / filename} is not the published file (its md5 is not {md5}); {remedy}")

    def image(self, index: int) -> Image.Image:
        """Return one image."""
        return Image.fromarray(self.pixels[index])

    def fingerprint(self) -> str:
        """Return a hash of the published checksums, which were found to hold."""
        return hash_of(self.name, self.split, *(md5 for _, md5 in self._published()))


class Cifar10Source(CifarSource):
    """CIFAR-10: 32x32 images of 10 classes, 50,000 to train and 10,000 to test."""

    name = "cifar10"
    dataset = CIFAR10
    preprocessing = CIFAR10_STATISTICS


class Cifar100Source(CifarSource):
    """CIFAR-100: 32x32 images of 100 classes, 50,000 to train and 10,000 to test."""

    name = "cifar100"
    dataset = CIFAR100
    preprocessing = CIFAR100_STATISTICS
