"""Explain single joints of a pose network, and which other joints their scores look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.analyses.saliency.alone import by_itself
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.analyses.saliency.explain_objects import maps_of, support_of
from autola_analysis.analyses.saliency.explanation import MapKey, status_of
from autola_analysis.analyses.saliency.inputs import standardised
from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.analyses.saliency.methods import object_methods
from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.errors import OptionError
from autola_analysis.core.objects import COCO_SIGMAS
from autola_analysis.inference.joint_gradients import joint_gradients
from autola_analysis.inference.layers import resolve_layers

JointTarget = Literal["label", "predicted"]
DEFAULT_METHODS = ("grad-cam", "odam", "guided-backprop")
HALF = float(np.sqrt(-2 * np.log(0.5)))
"""Distance, in standard deviations of a joint, at which its OKS is one half"""


@dataclass(frozen=True, repr=False)
class JointExplanation:
    """Saliency maps of the J joints of B images, image by image.

    Attributes:
        maps: Raw float32 maps on the CPU per (method, layer): ``(B, J, H, W)`` at the size of the images, or
            ``(B, J, 3, H, W)`` for methods that explain the input.
        joints: A row per image and joint: ``image``, ``joint`` (numbers), ``score`` (value of the heat map), ``x, y``
            (centre of the cell that is explained, in pixels of the image, whose first pixel is centred at 0),
            ``known`` (whether the joint is labelled; a peak always is), ``peak``, ``peak_x``, ``peak_y`` (maximum of
            the heat map and the centre of its cell).
        status: Per (method, layer), and image and joint in the order of the rows: "ok", "zero", "constant" or
            "non-finite".
        support: Per layer and row the share of the layer's cells whose gradient is not zero.
        grids: Where the cells of each explained layer lie in the images.
        settings: What else decided the maps.
    """

    maps: Mapping[MapKey, Tensor]
    joints: pd.DataFrame
    status: Mapping[MapKey, tuple[str, ...]]
    support: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    grids: Mapping[str, CellGrid] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        html: str = self.joints.to_html(index=False, float_format="{:.4f}".format)
        return html


@by_itself
def explain_joints(
    model: LoadedDetector | nn.Module | Variant,
    images: Tensor,
    methods: str | Sequence[str] = DEFAULT_METHODS,
    layers: str | Sequence[str] | None = None,
    joints: Tensor | NDArray[np.floating[Any]] | None = None,
    target: JointTarget | None = None,
    *,
    guide_gates: bool = True,
) -> JointExplanation:
    """Explain why a pose network sees the joints of a person where they are.

    What is explained is the raw value of a joint's heat map at one cell: that of the labelled joint, or the map's
    maximum. There is one backward pass per joint, for all images together.

    Args:
        model: A network that puts out a heat map per joint, in any mode.
        images: Crops of one person each, ``(B, 3, H, W)``, as the network takes them.
        methods: Names, see ``METHODS``; "odam" is "hires-cam" under its name in the literature of detectors.
        layers: Layers of the methods that explain at a layer; None takes the last stage but one: behind it only a few
            cells, whatever the joint, have a gradient.
        joints: x and y of every joint in pixels of the crop, whose first pixel is centred at 0, ``(B, J, 2)``; NaN
            where a joint is not labelled: its peak is explained then, and ``known`` is False.
        target: "label", the cell of the labelled joint, or "predicted", the maximum of its map; None takes labels where
            there are some.
        guide_gates: As `explain` takes it.

    Raises:
        OptionError: If labels are asked for and not given, or do not fit the network.
        DataError: If the images are no batch, or the network puts out no heat maps.
        AutolaError: As `explain`.
    """
    variant = as_variant(model)
    network = variant.model
    pixels = standardised(variant, images, needs_head=False)
    known = object_methods(methods)
    stages: list[str] = []
    if any(method.by_layer for method in known.values()):
        stages = resolve_layers(network, [layers] if isinstance(layers, str) else layers)
    target = target or ("predicted" if joints is None else "label")
    chosen = _Cells(target, joints, (pixels.shape[2], pixels.shape[3]))
    found = joint_gradients(
        network,
        pixels,
        chosen,
        stages[-2:][:1] if layers is None else stages,
        image=any(method.image for method in known.values()),
        guided=any(method.guided for method in known.values()),
        guide_gates=guide_gates,
    )
    maps, grids = maps_of(found, known, (pixels.shape[2], pixels.shape[3]))
    rows = pd.DataFrame(
        {
            "image": found.owners.numpy(),
            "joint": np.tile(np.arange(len(found.owners) // len(pixels)), len(pixels)),
            "score": found.scores.double().cpu().numpy(),
            "x": chosen.places[..., 0].flatten(),
            "y": chosen.places[..., 1].flatten(),
            "known": chosen.known.flatten(),
            "peak": chosen.peaks.flatten(),
            "peak_x": chosen.peak_places[..., 0].flatten(),
            "peak_y": chosen.peak_places[..., 1].flatten(),
        }
    )
    settings = {
        "methods": list(known),
        "layers": list(found.layers),
        "target": target,
        "guide_gates": guide_gates,
        "guided_relus": found.relus,
        "ordinary_activations": list(found.ordinary),
    }
    status = {key: tuple(status_of(of_key)) for key, of_key in maps.items()}
    by_joint = {key: of_key.reshape(len(pixels), -1, *of_key.shape[1:]) for key, of_key in maps.items()}
    return JointExplanation(by_joint, rows, status, support_of(found), grids, settings)


def joint_radii(
    areas: NDArray[np.float64] | Sequence[float], sigmas: Sequence[float] = COCO_SIGMAS
) -> NDArray[np.float64]:
    """Return within how many pixels of a joint its OKS is at least one half, ``(B, J)``.

    Args:
        areas: Of the persons in pixels of the crop, ``(B,)``.
        sigmas: How precisely a joint can be placed, in shares of the root of the area; COCO's by default.
    """
    # COCO's falloff is exp(-d^2 / (2 s^2 (2 sigma)^2)), with s the root of the area.
    return HALF * np.sqrt(np.asarray(areas, dtype=np.float64))[:, None] * 2 * np.asarray(sigmas)[None]


def joint_matrix(
    explanation: JointExplanation,
    joints: Tensor | NDArray[np.floating[Any]],
    radii: NDArray[np.floating[Any]],
    method: str = "grad-cam",
    layer: str | None = None,
) -> NDArray[np.float64]:
    """Return the share of joint j's map that lies around joint k, ``(J, J)``: which joints a joint's score looks at.

    The mean of `joint_shares` over the images in which both joints are labelled and the map lies on any disc.

    Args:
        explanation: Of the images.
        joints: x and y of every joint in pixels of the image, whose first pixel is centred at 0, ``(B, J, 2)``; NaN
            where it is not labelled.
        radii: Of the discs, ``(B, J)``, see `joint_radii`.
        method: Of the maps.
        layer: Of the maps; None takes the first of the method.

    Raises:
        OptionError: If there are no such maps, or joints and maps do not fit.
    """
    return mean_shares(joint_shares(explanation, joints, radii, method, layer))


def joint_shares(
    explanation: JointExplanation,
    joints: Tensor | NDArray[np.floating[Any]],
    radii: NDArray[np.floating[Any]],
    method: str = "grad-cam",
    layer: str | None = None,
) -> NDArray[np.float64]:
    """Return of every image the share of joint j's map that lies around joint k, ``(B, J, J)``.

    The sums of a map within the discs of all labelled joints are divided by their total; NaN where one of both joints
    is not labelled or the map lies on no disc. Where discs overlap, both have a pixel. Arguments as of `joint_matrix`.

    Raises:
        OptionError: If there are no such maps, or joints and maps do not fit.
    """
    keys = [key for key in explanation.maps if key[0] == method and layer in (None, key[1])]
    if not keys:
        there = ", ".join(f"{name} at {at}" if at else name for name, at in explanation.maps)
        raise OptionError(f"there are no maps of {method}{f' at {layer}' if layer else ''}; there are {there}.")
    maps, places = explanation.maps[keys[0]], np.asarray(joints, dtype=np.float64)
    count, number = maps.shape[:2]
    if places.shape != (count, number, 2) or np.shape(radii) != (count, number):
        raise OptionError(
            f"the maps are of {count} images with {number} joints; found joints {places.shape} and radii "
            f"{np.shape(radii)}."
        )
    shares = np.full((count, number, number), np.nan)
    for index in range(count):
        labelled = ~np.isnan(places[index]).any(1)
        discs = joint_discs(places[index], np.asarray(radii)[index], (maps.shape[-2], maps.shape[-1]))
        sums = np.einsum("jhw,khw->jk", intensities(maps[index]), discs[labelled].astype(np.float64))
        totals = sums.sum(1)
        seen = labelled & (totals > 0)
        shares[np.ix_([index], seen, labelled)] = sums[seen] / totals[seen, None]
    return shares


def joint_discs(
    joints: NDArray[np.float64], radii: NDArray[np.floating[Any]], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return which pixels of an image lie within the radius of each joint, ``(J, H, W)``; none of unlabelled ones.

    Args:
        joints: x and y, NaN where a joint is not labelled, ``(J, 2)``.
        radii: ``(J,)``.
        size: Height and width of the image.
    """
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = joints.T[..., None, None]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= np.asarray(radii)[:, None, None] ** 2)


def mean_shares(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of shares ``(B, J, J)`` over images, of those that are known; NaN where none is."""
    known = ~np.isnan(shares)
    counts = known.sum(0)
    return np.divide(np.where(known, shares, 0).sum(0), counts, out=np.full(counts.shape, np.nan), where=counts > 0)


class _Cells:
    """Chooses the cells of heat maps, and keeps where they are.

    Args:
        target: See `explain_joints`.
        joints: See `explain_joints`.
        size: Height and width of the images.
    """

    places: NDArray[np.float64]
    known: NDArray[np.bool_]
    peaks: NDArray[np.float64]
    peak_places: NDArray[np.float64]

    def __init__(self, target: str, joints: Tensor | NDArray[np.floating[Any]] | None, size: tuple[int, int]) -> None:
        if target not in get_args(JointTarget):
            raise OptionError(f"the target is one of {', '.join(get_args(JointTarget))}; found {target!r}.")
        if target == "label" and joints is None:
            raise OptionError("the target 'label' needs the joints of every image; give them, or explain predictions.")
        self._joints = torch.as_tensor(joints, dtype=torch.float64) if target == "label" else None
        self._size = size

    def __call__(self, maps: Tensor) -> Tensor:
        """Return column and row of the cell of every joint, ``(B, J, 2)``."""
        height, width = maps.shape[2:]
        highest, peaks = (each.cpu() for each in maps.flatten(2).max(2))
        cells = torch.stack([peaks % width, peaks // width], -1)
        known = torch.ones(cells.shape[:2], dtype=torch.bool)
        # As in heat maps that networks are trained towards, pixel ratio * i is the centre of cell i.
        ratio = torch.tensor([self._size[1] / width, self._size[0] / height], dtype=torch.float64)
        self.peaks, self.peak_places = highest.double().numpy(), (cells * ratio).numpy()
        if self._joints is not None:
            if self._joints.shape != cells.shape:
                expected, found = tuple(cells.shape), tuple(self._joints.shape)
                raise OptionError(f"the network has heat maps for joints of shape {expected}; found joints {found}.")
            sides = torch.tensor([self._size[1], self._size[0]])
            known = ((self._joints >= -0.5) & (self._joints < sides - 0.5)).all(-1)  # False where one is NaN
            nearest = (self._joints / ratio).round().nan_to_num(0).long()
            nearest = nearest.clamp(torch.tensor(0), torch.tensor([width, height]) - 1)
            cells = torch.where(known[..., None], nearest, cells)
        self.places, self.known = (cells * ratio).numpy(), known.numpy()
        return cells
