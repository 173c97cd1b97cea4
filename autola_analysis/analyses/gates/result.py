"""The result of a gate analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.gates.observer import GateObserver, GateSums
from autola_analysis.analyses.object_items import IMAGES, JOINTS, OBJECTS
from autola_analysis.core.columns import ITEMS, MODEL, count, number, text
from autola_analysis.core.results import Arrays, Format, NetworkResult, Stored
from autola_analysis.core.tables import Table, rows_of
from autola_analysis.inference.tasks.accuracy import Accuracy
from autola_analysis.statistics.groups import by_group
from autola_analysis.statistics.intervals import bootstrap_interval

GATES = Table(
    "gates",
    (
        *MODEL,
        text("module", "name of the attention module"),
        text("gate", "name of the gate within it"),
        count("unit", "number of the channel"),
        number("mean", "over images and positions"),
        number("std", "standard deviation over images and positions"),
        number("saturated_low", "share of values below 0.05"),
        number("saturated_high", "share of values above 0.95"),
        number("class_variation", "standard deviation over classes of the class-conditional means"),
        number("class_variation_noise", "what class_variation is by chance, from how images of one class differ"),
        number("class_variation_excess", "what class_variation holds beyond its noise"),
        number(
            "object_contrast",
            "mean of a spatial gate in objects' boxes less its mean outside all objects; missing for gates of channels "
            "and for images without objects",
        ),
        number("object_contrast_low", "lower limit of its 95% interval over images"),
        number("object_contrast_high", "upper limit"),
        number("object_contrast_ratio", "object_contrast over std"),
        ITEMS,
    ),
)
CONTRAST = ["object_contrast", "object_contrast_low", "object_contrast_high", "object_contrast_ratio"]
STATISTICS = [
    "mean", "std", "saturated_low", "saturated_high", "class_variation", "class_variation_noise",
    "class_variation_excess",
]  # fmt: skip
FORMAT = Format("gates", (GATES,), ("gate_class_means", "gate_maps", "gate_contrasts"))
IMAGES_OF_OBJECTS = "images of objects"
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class GateResult(NetworkResult):
    """Statistics of the gates of one network.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        gates: A row per unit of every gate, columns of `GATES`: mean and standard deviation over images and
            positions, share of values below 0.05 and above 0.95, and the standard deviation over classes of the
            class-conditional means (every class weighs the same), with the noise in it and what exceeds that, see
            `class_variation_of`.
        class_means: Mean per class of each gate, ``{"module/gate": (C, K)}``; NaN for classes without images.
        spatial_maps: Mean map of each spatial gate, ``{"module/gate": (H, W)}``; where maps of images differ in size,
            all are brought to the largest.
        classes: Class names, length C.
        accuracy: Of the same pass.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside the numbers.
        contrasts: Contrast of each spatial gate at every object, ``{"module/gate": (N,)}``; none without objects.
        images_of_objects: Names of the objects' images, length N.
    """

    FORMAT = FORMAT

    model: str
    run: str
    gates: pd.DataFrame
    class_means: Mapping[str, FloatArray]
    spatial_maps: Mapping[str, FloatArray]
    classes: tuple[str, ...]
    accuracy: Accuracy
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    contrasts: Mapping[str, FloatArray] = field(default_factory=dict)
    images_of_objects: tuple[str, ...] = ()

    @property
    def items(self) -> str:
        """What classes are of: images, their objects, or joints."""
        if not self.images_of_objects:
            return IMAGES
        return JOINTS if JOINTS in self.settings else OBJECTS

    @classmethod
    def together(cls, results: Sequence[Self]) -> Stored:
        """Return the results of some networks as tables and arrays."""
        about = [
            {
                "model": each.model,
                "run": each.run,
                "gates": list(each.class_means),
                "spatial": list(each.spatial_maps),
                "classes": list(each.classes),
                "accuracy": asdict(each.accuracy),
                "settings": dict(each.settings),
                "warnings": list(each.warnings),
            }
            for each in results
        ]
        means = {_key(each, gate): array for each in results for gate, array in each.class_means.items()}
        maps = {_key(each, gate): array for each in results for gate, array in each.spatial_maps.items()}
        arrays = {"gate_class_means": Arrays(means, about), "gate_maps": Arrays(maps, about)}
        if names := results[0].images_of_objects:
            contrasts = {_key(each, gate): array for each in results for gate, array in each.contrasts.items()}
            arrays["gate_contrasts"] = Arrays({IMAGES_OF_OBJECTS: np.array(names, str), **contrasts})
        return Stored({GATES.name: pd.concat([each.gates for each in results], ignore_index=True)}, arrays)

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the results that `together` gave these tables and arrays."""
        means, maps = stored.arrays["gate_class_means"], stored.arrays["gate_maps"].values
        contrasts = stored.arrays["gate_contrasts"].values if "gate_contrasts" in stored.arrays else {}
        results = []
        for each in means.about:
            names = {"model": each["model"], "run": each["run"]}
            key = f"{each['model']}/{each['run']}"
            results.append(
                cls(
                    **names,
                    gates=rows_of(stored.tables[GATES.name], **names),
                    class_means={gate: means.values[f"{key}/{gate}"] for gate in each["gates"]},
                    spatial_maps={gate: maps[f"{key}/{gate}"] for gate in each["spatial"]},
                    classes=tuple(each["classes"]),
                    accuracy=Accuracy(**each["accuracy"]),
                    settings=each["settings"],
                    warnings=tuple(each["warnings"]),
                    contrasts={gate: contrasts[f"{key}/{gate}"] for gate in each["spatial"]} if contrasts else {},
                    images_of_objects=tuple(contrasts[IMAGES_OF_OBJECTS].tolist()) if contrasts else (),
                )
            )
        return results

    def _repr_html_(self) -> str:
        table = self.gates.groupby(["module", "gate"], sort=False)[STATISTICS].mean()
        html: str = table.to_html(float_format="{:.4f}".format)
        return html


def _key(result: GateResult, gate: str) -> str:
    return f"{result.model}/{result.run}/{gate}"


def gate_rows(
    model: str,
    run: str,
    observer: GateObserver,
    contrasts: Mapping[str, FloatArray] | None = None,
    groups: tuple[str, ...] = (),
    seed: int = 0,
    items: str = IMAGES,
) -> pd.DataFrame:
    """Return the rows of `GateResult.gates`.

    Args:
        model: Name of the variant.
        run: Name of the training run.
        observer: After the pass.
        contrasts: Of the spatial gates at every object, by layer.
        groups: Names of the objects' images.
        seed: Of the bootstrap.
        items: What classes are of.
    """
    images = int(observer.images)
    frames = []
    for gate in observer.gates:
        sums = observer.sums[gate.layer]
        mean = sums.total / images
        variance = (sums.square / images - mean.square()).clamp(min=0)
        frames.append(
            pd.DataFrame(
                {
                    "model": model,
                    "run": run,
                    "module": gate.module,
                    "gate": gate.name,
                    "unit": np.arange(len(mean)),
                    "mean": mean.numpy(),
                    "std": variance.sqrt().numpy(),
                    "saturated_low": (sums.low / images).numpy(),
                    "saturated_high": (sums.high / images).numpy(),
                    **class_variation_of(sums, observer),
                    **contrast_of((contrasts or {}).get(gate.layer), groups, variance.sqrt().numpy(), seed),
                    "items": items,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)[GATES.names]


def contrast_of(
    contrasts: FloatArray | None, groups: tuple[str, ...], std: FloatArray, seed: int
) -> dict[str, FloatArray | float]:
    """Return the mean contrast of a gate over objects, with its interval over their images, and its ratio to `std`."""
    if contrasts is None or np.isnan(contrasts).all():
        return dict.fromkeys(CONTRAST, float("nan"))
    known = ~np.isnan(contrasts)
    values = by_group(contrasts[known], np.array(groups)[known])
    low, high = bootstrap_interval(values, seed)
    ratio = np.divide(values.mean(), std, out=np.full_like(std, np.nan), where=std > 0)
    return dict(zip(CONTRAST, (float(values.mean()), low, high, ratio), strict=True))


def class_means_of(sums: GateSums, observer: GateObserver) -> FloatArray:
    """Return the mean gate per class, ``(C, K)``; NaN for classes without images."""
    counts = observer.counts.numpy()
    means = np.full(sums.class_sums.shape, np.nan)
    present = counts > 0
    means[present] = sums.class_sums.numpy()[present] / counts[present, None]
    return means


def class_variation_of(sums: GateSums, observer: GateObserver) -> dict[str, FloatArray]:
    """Return how much the class-conditional means of each unit differ, beside what chance makes of it, ``(K,)`` each.

    The mean of a class with n images of variance s^2 has the variance s^2 / n by chance alone. Over C classes that adds
    (C - 1) / C mean(s^2 / n), the noise squared, to the squared standard deviation of their means; the excess is the
    root of what is left, 0 where nothing is. Both are NaN where a class has a single image, whose variance is not
    known.
    """
    counts = observer.counts.numpy()
    present = counts > 0
    images = counts[present, None]
    means = class_means_of(sums, observer)[present]
    variation = means.std(axis=0)
    if (images < 2).any():
        unknown = np.full_like(variation, np.nan)
        return {"class_variation": variation, "class_variation_noise": unknown, "class_variation_excess": unknown}
    variances = (sums.class_squares.numpy()[present] - images * means**2).clip(min=0) / (images - 1)
    noise = (len(means) - 1) / len(means) * (variances / images).mean(axis=0)
    return {
        "class_variation": variation,
        "class_variation_noise": np.sqrt(noise),
        "class_variation_excess": np.sqrt((variation**2 - noise).clip(min=0)),
    }
