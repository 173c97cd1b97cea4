"""Any images on disk, one folder per class."""

from __future__ import annotations

from pathlib import Path

from autola_analysis.core.errors import DataError
from autola_analysis.core.files import expanded
from autola_analysis.data.files import FileImageSource, class_folders, images_by_folder

SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "test", "testing")


class ImageFolderSource(FileImageSource):
    """Images below one folder per class; the classes are the folders' names, sorted.

    Folders may be nested: an image belongs to the class of the uppermost. Hidden files, ``__MACOSX`` and files without
    an image suffix are left out.

    Args:
        root: The folder that holds the class folders.
        split: A name for this part of the data; by default the name of `root` where that is one ("test"), else "all".

    Raises:
        DataError: If `root` is not such a folder, or a class folder holds no image.
    """

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        self.root = expanded(root)
        self.name = f"folder:{self.root}"
        self.split = split or (self.root.name if self.root.name in SPLIT_NAMES else "all")
        folders = class_folders(self.root)
        if set(folders) <= set(SPLIT_NAMES):
            raise DataError(
                f"{self.root} must hold one folder per class, but holds the splits {', '.join(folders)}; "
                f"choose one with --split or give --data folder:{self.root / folders[0]}."
            )
        self.classes = tuple(folders)
        self.ids, self.labels = images_by_folder(self.root, folders)
