"""ImageNet as clusters hold it: a folder per WordNet id below ``val/``, and no devkit."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from autola_analysis.core.errors import DataError
from autola_analysis.core.files import expanded
from autola_analysis.data.files import FileImageSource, class_folders, images_by_folder
from autola_analysis.data.preprocessing import IMAGENET_STATISTICS

IMAGENET_PREPROCESSING = replace(IMAGENET_STATISTICS, resize=256, crop=224)
"""What torchvision's first ImageNet weights, and most after them, are evaluated with."""

DEFAULT_SPLIT = "val"
WORDNET_ID = re.compile(r"n\d{8}")


@cache
def imagenet_classes() -> dict[str, str]:
    """Return the 1000 class names by WordNet id, in the order of the labels (which is that of the sorted ids)."""
    table = resources.files("autola_analysis.data").joinpath("imagenet_classes.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in table.splitlines())


class ImageNetSource(FileImageSource):
    """ImageNet-1k, or those of its classes that are there: labels are always ImageNet's 0 to 999.

    Args:
        root: The folder that holds ``val/`` (or ``train/``), or that folder itself.
        split: Name of the folder in `root`; by default "val".

    Raises:
        DataError: If there is no folder of WordNet ids, one is not of ImageNet-1k, or one holds no image.
    """

    name = "imagenet"
    preprocessing = IMAGENET_PREPROCESSING

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        root = expanded(root)
        folder = self.split_folder(root, split)
        if folder is None:
            wanted = split or DEFAULT_SPLIT
            raise DataError(
                f"imagenet looked for folders named by WordNet id (n01440764) in {root / wanted} and found none; "
                f"give --data imagenet:ROOT with ROOT/{wanted}/n01440764."
            )
        self.root = folder
        self.split = split or (folder.name if folder.name == "train" else DEFAULT_SPLIT)
        known = list(imagenet_classes())
        folders = class_folders(folder)
        unknown = [wnid for wnid in folders if wnid not in imagenet_classes()]
        if unknown:
            raise DataError(
                f"{folder / unknown[0]} is not named by one of the 1000 WordNet ids of ImageNet-1k "
                f"({len(unknown)} such folders found); remove it, or read any folders with --data folder:{folder}."
            )
        self.classes = tuple(imagenet_classes().values())
        self.ids, positions = images_by_folder(folder, folders)
        self.labels = np.array([known.index(wnid) for wnid in folders], dtype=np.int64)[positions]

    @classmethod
    def split_folder(cls, root: Path, split: str | None = None) -> Path | None:
        """Return ``root/split``, or `root` itself where that is the folder of WordNet ids; None where neither is."""
        if _holds_wordnet_ids(root / (split or DEFAULT_SPLIT)):
            return root / (split or DEFAULT_SPLIT)
        # a folder that another split was not asked of: reading val as train would go unnoticed
        return root if split in (None, root.name) and _holds_wordnet_ids(root) else None


def _holds_wordnet_ids(folder: Path) -> bool:
    return folder.is_dir() and any(WORDNET_ID.fullmatch(entry.name) and entry.is_dir() for entry in folder.iterdir())
