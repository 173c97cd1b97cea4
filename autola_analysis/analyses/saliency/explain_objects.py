"""Explain single objects of a detector: a map for every detection, or for every annotated object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.ops import box_iou

from autola_analysis.analyses.saliency.alone import by_itself
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.analyses.saliency.explanation import MapKey, status_of
from autola_analysis.analyses.saliency.methods import Method, Signals, object_methods
from autola_analysis.analyses.saliency.object_targets import NO_CANDIDATE, OVERLAP, assignment, chooser, overlaps_of
from autola_analysis.analyses.saliency.options import MOST_DETECTIONS, THRESHOLD, ObjectTarget
from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.objects import Objects
from autola_analysis.inference.candidates import Candidates, Choose, Chosen
from autola_analysis.inference.input_area import InputArea
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.object_gradients import ObjectGradients, object_gradients
from autola_analysis.inference.precision import fitting

CORNERS = ["x1", "y1", "x2", "y2"]
COLUMNS = [
    "image", "label", "class", "candidate", "candidate_iou", "assigned", "score", "probability", *CORNERS, "detected",
    "rank", "found", "level",
]  # fmt: skip
DEFAULT_METHODS = ("grad-cam", "odam", "guided-backprop")


@dataclass(frozen=True, repr=False)
class ObjectExplanation:
    """Saliency maps of D objects, image by image.

    Attributes:
        maps: Raw float32 maps on the CPU per (method, layer): ``(D, H, W)`` at the size of the images, or
            ``(D, 3, H, W)`` for methods that explain the input.
        objects: A row per object: ``image`` (number in the batch), ``label`` (class, from 0 on), ``class`` (its name
            where that is known), ``candidate`` (-1 for a given box), ``candidate_iou`` (of its box and the object;
            missing for detections), ``assigned`` (how it came to stand for the object: overlapping, fallback, detection
            or given), ``score`` (what is explained), ``probability``, the box ``x1, y1, x2, y2`` of the candidate in
            pixels of the image, ``detected`` (whether the candidate survives suppression as this class), ``rank`` (its
            place among the detections of the image, 1 is the strongest; missing where it is none), ``found`` (whether a
            detection of this class overlaps the object by an IoU of at least 0.5; a detection finds itself), ``level``
            (number of the feature map that it is read from, 0 is the finest).
        status: Per (method, layer) and object: "ok", "zero", "constant" or "non-finite".
        support: Per layer and object the share of the layer's cells whose gradient is not zero.
        strongest: Probability of the strongest detection of every image, ``(B,)``; 0 where there is none.
        grids: Where the cells of each explained layer lie in the images.
        settings: What else decided the maps.
    """

    maps: Mapping[MapKey, Tensor]
    objects: pd.DataFrame
    status: Mapping[MapKey, tuple[str, ...]]
    support: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    strongest: tuple[float, ...] = ()
    grids: Mapping[str, CellGrid] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def part(self, places: Sequence[int] | NDArray[np.int64]) -> ObjectExplanation:
        """Return the explanation of some of the objects."""
        chosen = [int(place) for place in places]
        return replace(
            self,
            maps={key: maps[chosen] for key, maps in self.maps.items()},
            objects=self.objects.iloc[chosen].reset_index(drop=True),
            status={key: tuple(of_key[place] for place in chosen) for key, of_key in self.status.items()},
            support={key: tuple(of_layer[place] for place in chosen) for key, of_layer in self.support.items()},
        )

    def _repr_html_(self) -> str:
        html: str = self.objects.to_html(index=False, float_format="{:.4f}".format)
        return html


@by_itself
def explain_objects(
    model: LoadedDetector | nn.Module | Variant,
    images: Tensor | Image.Image | NDArray[np.uint8],
    methods: str | Sequence[str] = DEFAULT_METHODS,
    layers: str | Sequence[str] | None = None,
    target: ObjectTarget = "detection",
    objects: Sequence[Objects] | None = None,
    *,
    threshold: float = THRESHOLD,
    most: int = MOST_DETECTIONS,
    margin: bool = False,
    guide_gates: bool = True,
) -> ObjectExplanation:
    """Explain why a detector sees single objects.

    What is explained is the score of one candidate (a default box, a proposal) for one class, before softmax and
    suppression, with the candidate's place held fixed. Gradients are taken for the chosen candidates alone, in as many
    backward passes as the image with the most objects has.

    Args:
        model: SSD or Faster R-CNN of this package, in any mode.
        images: ``(B, 3, H, W)`` from 0 to 1, or uint8; or one photograph as Pillow or an array ``(H, W, 3)`` has it.
            The network standardises them and brings them to size.
        methods: Names, see ``METHODS``; "odam" is "hires-cam" under its name in the literature of detectors.
        layers: Layers of the methods that explain at a layer; None takes the last stage of the backbone.
        target: "detection", "object" or "given-box", see `object_targets.chooser`.
        objects: For the last two, the objects of every image, in pixels of the image; labels count from 0.
        threshold: Least probability of a detection that is explained.
        most: Detections of an image that are explained, at most: the strongest.
        margin: Whether the score is the logit less that of the background, which does not change when a constant is
            added to all logits of a candidate.
        guide_gates: As `explain` takes it.

    Raises:
        OptionError: If a target or method is not possible, or objects are missing.
        DataError: If the images are no batch, or the network is no detector of this package.
        LayerError: If a layer puts out no feature map.
        UnknownNameError: If there is no such method or layer.

    References:
        Selvaraju et al., "Grad-CAM", ICCV 2017; Zhao and Chan, "ODAM: Gradient-based Instance-Specific Visual
        Explanations for Object Detection", ICLR 2023.
    """
    variant = as_variant(model)
    network = variant.model
    images = as_floats(images, network)
    if objects is not None and len(objects) != len(images):
        raise OptionError(f"there are {len(images)} images, and objects of {len(objects)}; give those of every image.")
    choose = chooser(network, target, objects, threshold, most)
    found, maps, grids = explained_candidates(network, images, choose, methods, layers, margin, guide_gates)
    settings = {
        "methods": list(object_methods(methods)),
        "layers": list(found.layers),
        "target": target,
        "threshold": threshold,
        "margin": margin,
        "guide_gates": guide_gates,
        "guided_relus": found.relus,
        "ordinary_activations": list(found.ordinary),
    }
    status = {key: tuple(status_of(of_key)) for key, of_key in maps.items()}
    rows = _rows(found, objects, variant.classes or ())
    strongest = tuple(float(each.scores.max()) if len(each.scores) else 0.0 for each in found.candidates)
    return ObjectExplanation(maps, rows, status, support_of(found), strongest, grids, settings)


@by_itself
def explained_candidates(
    network: nn.Module,
    images: Tensor,
    choose: Choose,
    methods: str | Sequence[str],
    layers: str | Sequence[str] | None,
    margin: bool,
    guide_gates: bool,
) -> tuple[ObjectGradients, dict[MapKey, Tensor], dict[str, CellGrid]]:
    """Return gradients and maps of what is chosen, and where the cells of each layer lie.

    Args:
        network: The detector.
        images: As `as_floats` gives them.
        choose: What is explained.
        methods: As `explain_objects` takes them, with all that follows.
        layers: See there.
        margin: See there.
        guide_gates: See there.
    """
    known = object_methods(methods)
    at = [layers] if isinstance(layers, str) else layers
    chosen = resolve_layers(network, at)[-1:] if layers is None else resolve_layers(network, at)
    found = object_gradients(
        network,
        images,
        choose,
        chosen if any(method.by_layer for method in known.values()) else (),
        image=any(method.image for method in known.values()),
        guided=any(method.guided for method in known.values()),
        guide_gates=guide_gates,
        margin=margin,
    )
    size = (images.shape[2], images.shape[3])
    maps, grids = maps_of(found, known, size, InputArea(network).shares(*size)[::-1])
    return found, maps, grids


def as_floats(images: Tensor | Image.Image | NDArray[np.uint8], network: nn.Module) -> Tensor:
    """Return images as a detector takes them: a batch from 0 to 1, on its device.

    Raises:
        DataError: If they are no batch.
    """
    if isinstance(images, Image.Image):
        images = np.asarray(images.convert("RGB"))
    if isinstance(images, np.ndarray) and images.ndim == 3 and images.dtype == np.uint8:
        images = torch.from_numpy(images.copy()).permute(2, 0, 1)[None]
    if not isinstance(images, Tensor) or images.ndim != 4 or not len(images):
        found = f"shape {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise DataError(f"images must be a tensor (B, 3, H, W); found {found} (images[None] makes a batch of one).")
    weight = next(network.parameters())
    return fitting(images.to(weight.device) / 255 if images.dtype == torch.uint8 else images.to(weight.device), network)


def maps_of(
    found: ObjectGradients,
    methods: Mapping[str, Method],
    size: tuple[int, int],
    filled: tuple[float, float] = (1.0, 1.0),
) -> tuple[dict[MapKey, Tensor], dict[str, CellGrid]]:
    """Return the maps of objects or joints by method and layer, and where the cells of each layer lie.

    Args:
        found: Gradients and activations.
        methods: By name.
        size: Height and width of the images.
        filled: Shares of the network's input, down and across, that the images fill; padding takes the rest.
    """
    grids = {
        layer: CellGrid.stretched((each.shape[-2], each.shape[-1]), size, filled)
        for layer, each in found.activations.items()
    }
    maps: dict[MapKey, Tensor] = {}
    for name, method in methods.items():
        for layer in found.layers if method.by_layer else [None]:
            if not len(found.owners):
                shape = (0, *size) if method.by_layer and not method.guided else (0, 3, *size)
                maps[name, layer] = torch.empty(shape)
                continue
            signals = Signals(image=found.image, guided=found.guided)
            if layer is not None:
                signals = replace(
                    signals, activation=found.activations[layer], gradient=found.layers[layer], grid=grids[layer]
                )
            with torch.inference_mode(False), torch.no_grad():
                maps[name, layer] = method.make(signals).to("cpu", torch.float32)
    return maps, grids


def support_of(found: ObjectGradients) -> dict[str, tuple[float, ...]]:
    """Return, per layer and object or joint, the share of the layer's cells whose gradient is not zero."""
    return {
        layer: tuple((gradient != 0).any(1).flatten(1).float().mean(1).tolist()) if len(found.owners) else ()
        for layer, gradient in found.layers.items()
    }


def _rows(found: ObjectGradients, objects: Sequence[Objects] | None, classes: Sequence[str]) -> pd.DataFrame:
    assert found.levels is not None
    rows, scores, levels = [], iter(found.scores.tolist()), iter(found.levels.tolist())
    for image, (candidates, chosen) in enumerate(zip(found.candidates, found.chosen, strict=True)):
        overlaps, there = _overlaps(found, image, objects), _found(candidates, chosen, image, objects)
        survivors = zip(candidates.detected.tolist(), candidates.labels.tolist(), strict=True)
        ranks = {survivor: rank for rank, survivor in enumerate(survivors, start=1)}
        for place, (candidate, label) in enumerate(
            zip(chosen.candidates.tolist(), chosen.labels.tolist(), strict=True)
        ):
            own, rank = candidate != NO_CANDIDATE, ranks.get((candidate, label))
            box = candidates.boxes[candidate, label] if own else chosen.regions[place]  # type: ignore[index]
            rows.append(
                {
                    "image": image,
                    "label": label - 1,
                    "class": classes[label - 1] if label <= len(classes) else str(label - 1),
                    "candidate": candidate,
                    "candidate_iou": float(overlaps[place]),
                    "assigned": assignment(candidate, float(overlaps[place])),
                    "score": next(scores),
                    "probability": float(candidates.probabilities[candidate, label]) if own else float("nan"),
                    **dict(zip(CORNERS, box.tolist(), strict=True)),
                    "detected": rank is not None,
                    "rank": rank,
                    "found": bool(there[place]),
                    "level": next(levels),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS).astype({"rank": "Int64"})


def _overlaps(found: ObjectGradients, image: int, objects: Sequence[Objects] | None) -> NDArray[np.float64]:
    if objects is None:
        return np.full(len(found.chosen[image].labels), np.nan)
    return overlaps_of(found.candidates[image], found.chosen[image], objects[image])


def _found(candidates: Candidates, chosen: Chosen, image: int, objects: Sequence[Objects] | None) -> NDArray[np.bool_]:
    if objects is None:
        return np.ones(len(chosen.labels), dtype=np.bool_)
    boxes = torch.from_numpy(objects[image].boxes).to(candidates.boxes)
    overlaps = box_iou(boxes, candidates.boxes[candidates.detected, candidates.labels])
    same = chosen.labels[:, None] == candidates.labels
    return ((overlaps >= OVERLAP) & same).any(1).cpu().numpy()
