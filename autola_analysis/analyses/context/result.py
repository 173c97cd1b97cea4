"""The result of the analysis of context: a row per image, network and kind, what they sum up to, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.core.columns import INTERVAL, MODEL, Column, count, number, text
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.core.tables import Table

KIND = text("kind", "what was done to the surroundings of the object")
IMAGES = Table(
    "context_images",
    (
        *MODEL,
        Column("image", "image", "name of the image whose object is shown"),
        text("label", "its class"),
        KIND,
        Column("donor", "image", "name of the image that gave its surroundings; empty for none"),
        number("contrast", "of the object's mean to the mean of what is behind it, in grey levels"),
        Column("correct", "flag", "whether the label has the highest logit"),
        number("score", "softmax of the label"),
    ),
)
SUMMARY = Table(
    "context",
    (
        text("model", "name of the variant"),
        KIND,
        text("metric", "accuracy, score; accuracy_drop, score_drop: the control minus the kind, paired per image"),
        text("control", "kind that a drop is measured from; empty for accuracy and score"),
        count("images", "number of images that have the kind, and for a drop its control"),
        count("runs", "number of training runs"),
        number("value", "mean over images and runs"),
        *INTERVAL,
    ),
    latex=True,
)
PICTURES = "context_pictures"
FORMAT = Format("context", (IMAGES, SUMMARY), (PICTURES,))


@dataclass(frozen=True)
class AlteredPicture:
    """One image and what was made of it.

    Attributes:
        image: Its id.
        label: Name of its class.
        pixels: By kind, ``(H, W, 3)``, uint8, as the first network sees them.
    """

    image: str
    label: str
    pixels: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True, repr=False)
class ContextResult(SavedResult):
    """How well some networks do on objects with other surroundings.

    Attributes:
        images: A row per network, kind and image, columns of `IMAGES`.
        summary: A row per variant, kind and metric, columns of `SUMMARY`.
        pictures: Images to show.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside them.
    """

    FORMAT = FORMAT

    images: pd.DataFrame
    summary: pd.DataFrame
    pictures: Sequence[AlteredPicture] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def models(self) -> list[str]:
        """Names of the variants, in the order they are shown."""
        return [str(name) for name in dict.fromkeys(self.images["model"])]

    @property
    def kinds(self) -> list[str]:
        """Kinds of images, in the order they are shown."""
        return [str(kind) for kind in dict.fromkeys(self.images["kind"])]

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        arrays = {f"{row}/{kind}": each for row, one in enumerate(self.pictures) for kind, each in one.pixels.items()}
        about = {
            "pictures": [{"image": one.image, "label": one.label, "kinds": list(one.pixels)} for one in self.pictures],
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }
        return Stored({IMAGES.name: self.images, SUMMARY.name: self.summary}, {PICTURES: Arrays(arrays, about)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        arrays = stored.arrays[PICTURES]
        pictures = [
            AlteredPicture(one["image"], one["label"], {kind: arrays.values[f"{row}/{kind}"] for kind in one["kinds"]})
            for row, one in enumerate(arrays.about["pictures"])
        ]
        return cls(
            images=stored.tables[IMAGES.name],
            summary=stored.tables[SUMMARY.name],
            pictures=pictures,
            settings=arrays.about["settings"],
            warnings=tuple(arrays.about["warnings"]),
        )

    def _repr_html_(self) -> str:
        html: str = self.summary.to_html(index=False, float_format="{:.4f}".format)
        return html
