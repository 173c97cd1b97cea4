"""Features: what a layer puts out for every image, with labels and ids, in memory or in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.object_items import IMAGES, JOINTS, OBJECTS
from autola_analysis.core.errors import DataError
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.core.text import title_of
from autola_analysis.inference.tasks.accuracy import Accuracy

NO_LABEL = -1
"""Label of images whose classes are not known."""

AT_JOINTS = "joint"
"""How features are pooled where they are those of joints"""

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Features(SavedResult):
    """Features of the images of a run in one layer of one network.

    Attributes:
        values: ``(N, D)``, float32; an array, or a file mapped into memory.
        labels: ``(N,)``; all are -1 where the classes of the images are not known.
        ids: Name of every image or object, length N.
        classes: Class names; a label is an index into them.
        model: Name of the variant.
        run: Name of the training run within the variant.
        layer: Name of the layer.
        pool: "mean" over space, "flatten", or "joint", at joints.
        backbone: Name of the backbone; None where that is not known.
        attention: Name of the attention module; None where that is not known.
        accuracy: Of the same pass; None for features from elsewhere.
        settings: What else decided the numbers: precision, device, batch size, ...
        warnings: Sentences that belong beside the numbers.
        images: Name of the image of every object, length N; empty for features of whole images.

    Raises:
        DataError: If the shapes do not fit.
    """

    FORMAT = Format("features", arrays=("features",), large=("values",))

    values: FloatArray
    labels: IntArray
    ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    model: str = "model"
    run: str = "1"
    layer: str = "features"
    pool: str = "mean"
    backbone: str | None = None
    attention: str | None = None
    accuracy: Accuracy | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.labels.shape != self.values.shape[:1]:
            raise DataError(f"features are (N, D) with labels (N,); found {self.values.shape} and {self.labels.shape}.")
        if not self.ids:
            object.__setattr__(self, "ids", tuple(map(str, range(len(self.values)))))
        if not self.classes:
            count = int(self.labels.max()) + 1 if len(self.labels) else 0
            object.__setattr__(self, "classes", tuple(map(str, range(count))))
        if len(self.ids) != len(self.values):
            raise DataError(f"there are {len(self.values)} features and {len(self.ids)} ids.")
        if self.labelled and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(f"labels must be 0 to {len(self.classes) - 1}; found {int(self.labels.max())}.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def labelled(self) -> bool:
        """Whether the classes of the images are known."""
        return bool((self.labels != NO_LABEL).any())

    @property
    def items(self) -> str:
        """What has features: images, objects or joints."""
        return items_of_features(self.images, self.pool)

    @property
    def groups(self) -> IntArray | None:
        """Number of the image of every object, ``(N,)``; None for features of whole images."""
        return np.unique(self.images, return_inverse=True)[1] if self.images else None

    @property
    def title(self) -> str:
        """Layer and network, for messages."""
        return f"{self.layer} of {self.network}"

    @property
    def network(self) -> str:
        """Variant and run, for messages."""
        return title_of(self.model, self.run)

    def stored(self) -> Stored:
        """Return the features as arrays."""
        names = {"labels": self.labels, "ids": np.array(self.ids, str), "classes": np.array(self.classes, str)}
        about = {name: getattr(self, name) for name in ("model", "run", "layer", "pool", "backbone", "attention")}
        names |= {"images": np.array(self.images, str)} if self.images else {}
        about["accuracy"] = asdict(self.accuracy) if self.accuracy else None
        about |= {"settings": dict(self.settings), "warnings": list(self.warnings)}
        return Stored(arrays={"features": Arrays(names, about)}, large={"values": np.asarray(self.values, np.float32)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the features of their arrays; the values stay in their file and are mapped into memory."""
        arrays = stored.arrays["features"]
        about = dict(arrays.about)
        accuracy = about.pop("accuracy")
        return cls(
            values=stored.large["values"],
            labels=arrays.values["labels"],
            ids=tuple(arrays.values["ids"].tolist()),
            classes=tuple(arrays.values["classes"].tolist()),
            accuracy=Accuracy(**accuracy) if accuracy else None,
            warnings=tuple(about.pop("warnings")),
            images=tuple(arrays.values["images"].tolist()) if "images" in arrays.values else (),
            **about,
        )

    def _repr_html_(self) -> str:
        row = {
            "model": self.model,
            "run": self.run,
            "layer": self.layer,
            self.items: len(self),
            "features": self.values.shape[1],
            "classes": len(self.classes),
            "top1": self.accuracy.top1 if self.accuracy else None,
        }
        html: str = pd.DataFrame([row]).to_html(index=False, float_format="{:.4f}".format)
        return html


def items_of_features(images: tuple[str, ...], pool: object) -> str:
    """Return what has features: images, objects or joints.

    Args:
        images: Names of the images of objects or joints; none for features of whole images.
        pool: How features were pooled.
    """
    if not images:
        return IMAGES
    return JOINTS if pool == AT_JOINTS else OBJECTS


def check_finite(features: Features) -> None:
    """Refuse features that are not finite.

    Raises:
        DataError: Naming the layer and the number of values that are not.
    """
    bad = sum(
        int(np.count_nonzero(~np.isfinite(features.values[start : start + 4096])))
        for start in range(0, len(features), 4096)
    )
    if bad:
        raise DataError(
            f"{bad:,} of {features.values.size:,} feature values in {features.title} are not finite; "
            "look at the checkpoint and the preprocessing, or run with --precision float32."
        )
