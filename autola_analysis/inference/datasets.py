"""Data sets of others: their labels and classes as far as they are known before reading, and batches of the right form.

``random_split`` and `Subset` keep the labels and classes of the data set that they are parts of, `ConcatDataset` those
of the data sets that it joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset

from autola_analysis.core.errors import DataError
from autola_analysis.core.own_code import is_of_own_code, reason_of
from autola_analysis.core.text import apart

IntArray = NDArray[np.int64]
LABELS = ("targets", "labels", "_labels")
"""Where data sets keep the label of every image, torchvision's among them."""
LARGEST_LABEL = 1_000_000
"""Classes are numbered from 0; what lies above is an id of something else."""


def classes_at_hand(dataset: Any) -> tuple[str, ...] | None:
    """Return the class names of a data set, no two alike; None where it has none.

    ``classes`` may hold the names in order, their number, or a dict of names and numbers.

    Raises:
        DataError: If the data sets that are joined have other classes.
    """
    classes = getattr(dataset, "classes", None)
    if isinstance(classes, Mapping):  # names by number, or numbers by name
        numbers = {value: key for key, value in classes.items()} if _names_are_keys(classes) else classes
        classes = [numbers[number] for number in sorted(numbers)]
    if isinstance(classes, (int, np.integer)):
        classes = range(int(classes))
    if isinstance(classes, Iterable):
        return apart([str(name) for name in classes])
    if isinstance(dataset, Subset):
        return classes_at_hand(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        found = {classes_at_hand(part) for part in dataset.datasets}
        if len(found - {None}) > 1:
            first, second = sorted(found - {None}, key=str)[:2]
            raise DataError(
                f"the data sets that are joined have other classes, {_listed(first)} and {_listed(second)}; "
                "join data sets whose labels mean the same."
            )
        return found.pop() if len(found) == 1 else None
    return None


def labels_at_hand(dataset: Any) -> IntArray | None:
    """Return the label of every image of a data set, ``(N,)``; None where only reading the images would tell.

    Labels are the attributes `LABELS`, after ``target_transform`` where there is one, or the second tensor of a
    `TensorDataset`. Names are numbered by their place in ``classes``.

    Raises:
        DataError: If they are no class numbers.
    """
    values = [getattr(dataset, name, None) for name in LABELS] + list(getattr(dataset, "tensors", ()))[1:2]
    for labels in values:
        if isinstance(labels, Sized) and isinstance(labels, Iterable) and len(labels) == len(dataset):
            transform: Callable[[Any], Any] | None = getattr(dataset, "target_transform", None)
            handed_out = labels if transform is None else [transform(label) for label in labels]
            return class_numbers(handed_out, classes_at_hand(dataset), "the labels of a data set").numpy()
    if isinstance(dataset, Subset):
        whole = labels_at_hand(dataset.dataset)
        return None if whole is None else whole[np.asarray(dataset.indices, dtype=np.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [labels_at_hand(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if len(known) == len(parts) else None
    return None


def class_numbers(labels: Any, classes: Sequence[str] | None, what: str) -> Tensor:
    """Return the labels of some images as class numbers, ``(N,)``, int64.

    Args:
        labels: One number or one name per image.
        classes: Names of the classes in order; None where they have none.
        what: What is checked, for messages.

    Raises:
        DataError: If they are something else, or a name is none of a class.
    """
    try:
        values = np.asarray(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{what} must be integers of shape (N,); found {_described(labels)}.") from error
    if values.ndim == 1 and len(values) and all(isinstance(label, str) for label in values.tolist()):
        return torch.from_numpy(_numbered(values.tolist(), classes, what))
    if values.ndim != 1 or (values.dtype.kind not in "iub" and len(values)):
        several = "; several labels per image are no class: give one, as argmax(1) does" if values.ndim == 2 else ""
        raise DataError(f"{what} must be integers of shape (N,); found {_described(labels)}{several}.")
    if len(values) and values.max() > LARGEST_LABEL:
        raise DataError(f"{what} must number classes from 0; found {values.max()}.")
    return torch.from_numpy(values.astype(np.int64))


def batch_of(item: Any, classes: Sequence[str] | None) -> tuple[Tensor, Tensor]:
    """Return the images ``(B, C, H, W)`` and labels ``(B,)`` of what a loader yields.

    Args:
        item: What the loader yields.
        classes: Names of the classes, for labels that are names.

    Raises:
        DataError: If it is something else.
    """
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        raise DataError(f"a loader must yield (images, labels); found {_described(item)}.")
    images, labels = item
    if not isinstance(images, Tensor) or not images.is_floating_point() or images.ndim != 4:
        raise DataError(
            f"a loader's images must be a preprocessed floating-point tensor (B, C, H, W); found {_described(images)}."
        )
    numbers = class_numbers(labels.cpu() if isinstance(labels, Tensor) else labels, classes, "a loader's labels")
    if len(numbers) != len(images):
        raise DataError(f"a loader must yield a label per image; found {len(images)} images and {len(numbers)} labels.")
    return images, numbers


def refuse_items(dataset: Any, numbers: Iterable[int]) -> None:
    """Refuse items of a data set that no batch can be made of; what else was wrong with them is not said.

    Args:
        dataset: Gives ``(image, label)`` by number.
        numbers: Of the items, in order.

    Raises:
        DataError: If the data set fails to give an item, an image is no tensor, or two have different shapes.
    """
    first: Tensor | None = None
    for number in numbers:
        try:
            item = dataset[number]
        except BaseException as error:
            if not is_of_own_code(error):
                raise
            raise DataError(
                f"the data set gives no image {number} ({reason_of(error)}); mend it, or leave that image out."
            ) from error
        image = item[0] if isinstance(item, (list, tuple)) and item else item
        if not isinstance(image, Tensor):
            raise DataError(
                f"a data set's images must be preprocessed floating-point tensors (C, H, W); found "
                f"{_described(image)}: give it a transform that ends in a tensor, such as torchvision's ToTensor."
            )
        first = image if first is None else first
        if image.shape != first.shape:
            raise DataError(
                f"all images of a data set must have one shape; found {tuple(first.shape)} and {tuple(image.shape)} "
                f"(image {number}): resize and crop them."
            )


def _names_are_keys(classes: Mapping[Any, Any]) -> bool:
    return all(isinstance(key, str) for key in classes)


def _numbered(names: Sequence[str], classes: Sequence[str] | None, what: str) -> IntArray:
    numbers = {name: number for number, name in enumerate(classes or ())}
    unknown = [name for name in names if name not in numbers]
    if unknown:
        where = f"none of the classes {_listed(classes)}" if classes else "a name, and the data set has no `classes`"
        raise DataError(f"{what} must be integers of shape (N,), or names of its classes; {unknown[0]!r} is {where}.")
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _listed(names: Sequence[str] | None) -> str:
    return "(" + ", ".join([*(names or ())[:4], *(["..."] if len(names or ()) > 4 else [])]) + ")"


def _described(value: Any) -> str:
    """Return what a value is in a few words: the type and shape of a tensor, the entries of a collection."""
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{value.dtype} {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(str, value))}"
    if isinstance(value, (list, tuple)) and 0 < len(value) <= 4:
        return f"{len(value)} values ({', '.join(_described(entry) for entry in value)})"
    if isinstance(value, (list, tuple)) and value:
        return f"{len(value)} values, the first {_described(value[0])}"
    return type(value).__name__
