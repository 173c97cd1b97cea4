"""Which images a study runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autola_analysis.checkpoints.class_names import read_class_names
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.agreement import check_same_images
from autola_analysis.data.bad_boxes import NO_CHANGES, BoxChanges
from autola_analysis.data.bad_images import drop_unreadable
from autola_analysis.data.class_order import Reordered
from autola_analysis.data.open import OBJECT_CROPS, default_source_for, open_source
from autola_analysis.data.open_objects import OBJECT_SOURCES, open_objects
from autola_analysis.data.source import ImageSource, Source
from autola_analysis.data.subset import limit as limited
from autola_analysis.study.file import DataTable
from autola_analysis.study.models import StudyModel


@dataclass(frozen=True)
class StudyData:
    """The images of one data table.

    Attributes:
        key: Of its table in the study file.
        source: The images.
        left_out: Paths of images that cannot be decoded.
        box_changes: What was done with bad boxes of their annotations.
    """

    key: str
    source: Source
    left_out: tuple[str, ...] = ()
    box_changes: BoxChanges = NO_CHANGES

    @property
    def title(self) -> str:
        """How captions call the images: without the path of anybody's machine."""
        kind, _, root = self.source.name.partition(":")
        split = self.source.split
        folder = Path(root).parent if Path(root).name == split else Path(root)
        return f"{kind} {folder.name}, {split} split" if root else f"{kind}, {split} split"


def open_data(key: str, table: DataTable, source_name: str, base: Path, seed: int) -> StudyData:
    """Open the images of a data table; none of them is read.

    Args:
        key: Of the table.
        table: Which images.
        source_name: The table's source, or the one that the checkpoints suggest.
        base: Directory that a relative path is relative to.
        seed: Of the images that are drawn.

    Raises:
        OptionError: If a file of classes cannot be used.
        DataError: If the source is not where it should be.
    """
    name = _placed(source_name, base)
    kind = name.partition(":")[0]
    if table.class_order is not None and kind in OBJECT_SOURCES:
        raise OptionError(f"--class-order numbers the labels of images, and {kind} has objects; leave it out.")
    order = None if table.class_order is None else read_class_names(base / expanded(table.class_order), "--class-order")
    root = None if table.images_root is None else base / expanded(table.images_root)
    opened = open_objects if kind in OBJECT_SOURCES else open_source
    source: Source = opened(name, split=table.split, images_root=root, bad_boxes=table.bad_boxes)
    box_changes = source.box_changes
    if order is not None:
        assert isinstance(source, ImageSource)
        source = Reordered(source, order)
    if table.limit is not None:
        source = limited(source, table.limit, seed)
    check_same_images(source)
    return StudyData(key, source, box_changes=box_changes)


def read_through(data: StudyData, table: DataTable, quiet: bool) -> StudyData:
    """Return the images of a data table after reading all of them, where it asks for that.

    Args:
        data: As `open_data` returns them.
        table: Whether bad images are left out, and contents hashed.
        quiet: Whether to leave out the progress bar of checking images.
    """
    source, left_out = data.source, data.left_out
    if table.skip_bad_images:
        source, left_out = readable(source, quiet)
    if table.hash_contents:
        source.fingerprint()  # before the contents, so that a change since then is noticed
        source.contents_hash = source.hash_contents()
        current().check_same(lambda: {f"contents of the images of data.{data.key}": source.contents_hash})
    return replace(data, source=source, left_out=left_out)


def _placed(source: str, base: Path) -> str:
    """Return the name of a source with its path taken from a directory."""
    kind, colon, root = source.partition(":")
    if not (colon and root):
        return kind
    return f"{kind}:{_placed(root, base) if kind == OBJECT_CROPS else base / expanded(root)}"


def root_of(source: str, base: Path) -> Path | None:
    """Return the file or folder that a source is read from; None where its name has none."""
    kind, _, root = source.partition(":")
    if kind == OBJECT_CROPS:
        return root_of(root, base)
    return base / expanded(root) if root else None


def holds_objects(table: DataTable) -> bool:
    """Return whether a data table names a source of objects."""
    return (table.source or "").partition(":")[0] in OBJECT_SOURCES


def readable(source: Source, quiet: bool) -> tuple[Source, tuple[str, ...]]:
    """Return a source without the images that cannot be decoded, and their paths.

    Raises:
        DataError: If no image can be decoded.
    """
    with progress_bar(len(source), "checking images", quiet=quiet) as bar:
        return drop_unreadable(source, bar.update)


def suggested_source(models: Sequence[StudyModel]) -> str:
    """Return the source recorded in the checkpoints, or the one that the number of classes suggests.

    Raises:
        OptionError: If there is none, or the checkpoints differ.
    """
    suggested: dict[str, str] = {}
    for model in models:
        classes = model.variant.spec.num_classes if model.variant.spec else None
        source = model.loaded.source or (default_source_for(classes) if classes else None)
        if source is None:
            raise OptionError(f"nothing in {model.loaded.path} suggests which images to use; give --data SOURCE.")
        suggested[source] = model.title
    if len(suggested) > 1:
        sources = ", ".join(f"{source} ({title})" for source, title in suggested.items())
        raise OptionError(f"the checkpoints suggest different images: {sources}; give --data SOURCE.")
    return next(iter(suggested))
