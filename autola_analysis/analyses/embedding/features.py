"""Features: what a layer puts out for every image, with labels and ids, in memory or in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.core.errors import CacheError, DataError
from autola_analysis.core.files import replacing
from autola_analysis.inference.accuracy import Accuracy

MANIFEST = "features.json"
"""Written last: a directory without it holds no complete features."""

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Features:
    """Features of the images of a run in one layer of one network.

    Attributes:
        values: ``(N, D)``, float32; an array, or a file mapped into memory.
        labels: ``(N,)``.
        ids: Name of every image, length N.
        classes: Class names; a label is an index into them.
        model: Name of the variant.
        run: Name of the training run within the variant.
        layer: Name of the layer.
        pool: "mean" over space, or "flatten".
        backbone: Name of the backbone; None where that is not known.
        attention: Name of the attention module; None where that is not known.
        accuracy: Of the same pass; None for features from elsewhere.
        settings: What else decided the numbers: precision, device, batch size, ...
        warnings: Sentences that belong beside the numbers.

    Raises:
        DataError: If the shapes do not fit.
    """

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
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(f"labels must be 0 to {len(self.classes) - 1}; found {int(self.labels.max())}.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def title(self) -> str:
        """Layer and network, for messages."""
        run = "" if self.run == "1" else f" (run {self.run})"
        return f"{self.layer} of {self.model}{run}"

    def save(self, directory: str | Path) -> None:
        """Write ``values.npy``, ``labels.npy``, ``images.json`` and, last, ``features.json`` into a directory.

        Raises:
            CacheError: If the disk is full or cannot be written.
        """
        directory = Path(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / MANIFEST).unlink(missing_ok=True)
            with replacing(directory / "values.npy") as path, path.open("wb") as file:
                np.save(file, np.ascontiguousarray(self.values, dtype=np.float32))
            _write_rest(directory, self)
        except OSError as error:
            raise CacheError(f"cannot write features into {directory}: {error.strerror}.") from error

    @classmethod
    def load(cls, directory: str | Path) -> Features:
        """Open what `save` wrote; the values stay in their file and are mapped into memory.

        Raises:
            DataError: If the directory holds no complete features.
        """
        directory = Path(directory)
        manifest = _read_manifest(directory)
        if manifest is None:
            raise DataError(f"{directory} holds no complete features: {MANIFEST} is missing or does not fit the files.")
        images = json.loads((directory / "images.json").read_text(encoding="utf-8"))
        accuracy = manifest["accuracy"]
        return cls(
            values=np.load(directory / "values.npy", mmap_mode="r"),
            labels=np.load(directory / "labels.npy"),
            ids=tuple(images["ids"]),
            classes=tuple(images["classes"]),
            model=manifest["model"],
            run=manifest["run"],
            layer=manifest["layer"],
            pool=manifest["pool"],
            backbone=manifest["backbone"],
            attention=manifest.get("attention"),
            accuracy=Accuracy(**accuracy) if accuracy else None,
            settings=manifest["settings"],
            warnings=tuple(manifest["warnings"]),
        )

    def _repr_html_(self) -> str:
        row = {
            "model": self.model,
            "run": self.run,
            "layer": self.layer,
            "images": len(self),
            "features": self.values.shape[1],
            "classes": len(self.classes),
            "top1": self.accuracy.top1 if self.accuracy else None,
        }
        html: str = pd.DataFrame([row]).to_html(index=False, float_format="{:.4f}".format)
        return html


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


def _write_rest(directory: Path, features: Features) -> None:
    """Write everything but the values, which lie in the directory already, and the manifest last."""
    with replacing(directory / "labels.npy") as path, path.open("wb") as file:
        np.save(file, features.labels)
    with replacing(directory / "images.json") as path:
        path.write_text(json.dumps({"ids": features.ids, "classes": features.classes}), encoding="utf-8")
    manifest = {
        "format": 1,
        "model": features.model,
        "run": features.run,
        "layer": features.layer,
        "pool": features.pool,
        "backbone": features.backbone,
        "attention": features.attention,
        "accuracy": asdict(features.accuracy) if features.accuracy else None,
        "settings": dict(features.settings),
        "warnings": list(features.warnings),
        "bytes": {name: (directory / name).stat().st_size for name in ("values.npy", "labels.npy", "images.json")},
    }
    with replacing(directory / MANIFEST) as path:
        path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _read_manifest(directory: Path) -> dict[str, Any] | None:
    """Return the manifest of a directory of features; None where there is none or a file has another length."""
    try:
        manifest: dict[str, Any] = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        lengths = {name: (directory / name).stat().st_size for name in manifest["bytes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if lengths == manifest["bytes"] else None
