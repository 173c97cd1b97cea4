"""Explain the images of a source with several networks, and measure where the maps lie."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.boxes import Box, boxes_for, mask_of, preprocessed_mask
from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.faithfulness import faithfulness
from autola_analysis.analyses.saliency.localisation import CHANCE_MAPS, METRICS, localise
from autola_analysis.analyses.saliency.result import CHANCE, Panel, Picture, SaliencyResult, saliency_result
from autola_analysis.analyses.variants import Variant, preprocessing_for
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.accuracy import labels_fit_head
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Batch, SourceStream

BATCH_PIXELS = 8 * 224 * 224


@dataclass(frozen=True)
class SaliencyOptions:
    """What decides maps and numbers beside the networks and the images.

    Attributes:
        methods: Names of methods.
        layers: Layers of the methods that explain at a layer; None takes the last stage.
        target: "label", "predicted" (by the first network) or a class; None takes the labels where they are the
            head's, else the predictions. All networks explain the same target of an image.
        guide_gates: Whether guided backpropagation also guides the ReLUs inside attention gates.
        faithfulness: Whether to measure insertion and deletion.
        boxes: Where objects are, by image; used where the source has no masks.
        shown: Numbers of the images whose maps are kept for a figure.
        seed: Of ties and of the bootstrap.
    """

    methods: Sequence[str] = ("grad-cam", "guided-backprop")
    layers: Sequence[str] | None = None
    target: str | int | None = None
    guide_gates: bool = True
    faithfulness: bool = False
    boxes: Mapping[str, Sequence[Box]] = field(default_factory=dict)
    shown: Sequence[int] = ()
    seed: int = 0


def measure_saliency(
    variants: Sequence[Variant],
    data: ImageSource,
    options: SaliencyOptions | None = None,
    reading: Reading | None = None,
) -> SaliencyResult:
    """Explain every image with every network, the same target for all, and measure the maps against the objects.

    Images are decoded once for networks that share their geometry. Nothing grows with the number of images but the
    rows of the table; maps are kept of the images to show. The networks are as before afterwards.

    Args:
        variants: Networks, in the order they are to be shown.
        data: The images.
        options: Methods, layers, target, boxes, images to show.
        reading: Device, batch size, workers, progress bar; the arithmetic is always float32.

    Raises:
        OptionError: If labels are asked for and are not the head's.
        AutolaError: As `explain`.
    """
    options, reading = options or SaliencyOptions(), reading or Reading()
    settings = reading.settings or Settings()
    if settings.precision != "float32":
        raise OptionError(f"gradients are taken in float32; --precision {settings.precision} is not for saliency.")
    if settings.compile:
        raise OptionError("saliency takes gradients, which no compiled network here gives; leave out --compile.")
    if not variants:
        raise OptionError("there is no network to explain.")
    run = _Run(variants, data, options, settings, np.full(len(data), -1, dtype=np.int64))
    groups: dict[object, list[tuple[int, Preprocessing]]] = {}
    for position, variant in enumerate(variants):
        preprocessing = preprocessing_for(variant, data)
        assert preprocessing is not None
        groups.setdefault(preprocessing.shared_key, []).append((position, preprocessing))
    with progress_bar(len(data) * len(variants), "explaining", quiet=settings.quiet) as bar:
        for group in groups.values():
            for size in run.group(group, reading.batch_size, reading.workers):
                bar.update(size)
    run.sort()
    return saliency_result(run.rows, list(run.pictures.values()), run.warnings(), run.facts(), options.seed)


@dataclass
class _Run:
    """A measurement under way."""

    variants: Sequence[Variant]
    data: ImageSource
    options: SaliencyOptions
    settings: Settings
    targets: NDArray[np.int64]
    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[int, Picture] = field(default_factory=dict)
    targets_are: str = ""
    comparable: dict[int, bool] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def group(self, group: Sequence[tuple[int, Preprocessing]], batch_size: int | None, workers: int) -> Iterator[int]:
        """Run the networks that share decoded images; yields the images explained."""
        device = resolve_device(self.settings.device)
        networks = [(position, self._ready(position, preprocessing, device)) for position, preprocessing in group]
        geometry = group[0][1]
        side = geometry.crop or max(self.data.image(0).size)
        size = batch_size or max(1, min(256, BATCH_PIXELS // side**2))
        for batch in SourceStream(self.data, geometry, size, workers).batches():
            masks = self._masks(batch, geometry)
            for position, variant in networks:
                self._take(position, variant, batch, masks)
                yield len(batch.indices)
            if group[0][0] == 0:
                self._chance(batch, masks)

    def _ready(self, position: int, preprocessing: Preprocessing, device: torch.device) -> Variant:
        variant = self.variants[position]
        weight = next(variant.model.parameters(), None)
        model: nn.Module = variant.model
        if weight is not None and weight.device.type != device.type:
            model = copy.deepcopy(model).to(device)
        return replace(variant, model=model, preprocessing=preprocessing)

    def _masks(self, batch: Batch, geometry: Preprocessing) -> list[NDArray[np.bool_] | None]:
        found = []
        for index in batch.indices.tolist():
            mask = self.data.mask(index)
            if mask is None and (boxes := boxes_for(self.options.boxes, self.data.ids[index])):
                width, height = self.data.image(index).size
                mask = mask_of(boxes, height, width)
            found.append(None if mask is None else preprocessed_mask(mask, geometry))
        return found

    def _take(self, position: int, variant: Variant, batch: Batch, masks: Sequence[NDArray[np.bool_] | None]) -> None:
        indices = batch.indices.numpy()
        if position not in self.comparable:
            self.comparable[position] = self._labels_fit(variant, batch.images[:1])
        if (self.targets[indices] < 0).any():
            self.targets[indices] = self._targets(position, variant, batch)
        found = explain(
            variant,
            batch.images,
            self.options.methods,
            self.options.layers,
            self.targets[indices],
            guide_gates=self.options.guide_gates,
            batch_size=len(indices),
        )
        self.about.setdefault(variant.title, found.settings)
        metrics = self._metrics(variant, batch, masks, found)
        for key, maps in found.maps.items():
            for place, index in enumerate(indices):
                label = self._label(int(index)) if self.comparable[position] else None
                self.rows.append(
                    {
                        "model": variant.name,
                        "run": variant.run,
                        "image": self.data.ids[index],
                        "label": label,
                        "predicted": int(found.predicted[place]),
                        "target": int(found.targets[place]),
                        "score": float(found.scores[place]),
                        "method": key[0],
                        "layer": key[1] or "",
                        "status": found.status[key][place],
                    }
                    | {name: values[place] for name, values in metrics[key].items()}
                )
                if index in self.options.shown:
                    self._show(int(index), place, variant, batch, masks[place], found, maps[place], key)

    def _labels_fit(self, variant: Variant, images: Tensor) -> bool:
        if not len(self.data.classes):
            return False
        assert variant.preprocessing is not None
        if not variant.has_head:
            raise DataError(f"{variant.title} has no head, so that there is no class score to explain.")
        weight = next(variant.model.parameters(), None)
        images = variant.preprocessing.normalize(images)
        images = images if weight is None else images.to(weight.device, weight.dtype)
        outputs = gradients(variant.model, images, lambda logits: logits.argmax(1)).logits.shape[1]
        return labels_fit_head(len(self.data.classes), self.data.classes, variant.classes, outputs)

    def _targets(self, position: int, variant: Variant, batch: Batch) -> NDArray[np.int64]:
        target = self.options.target
        if target is None:
            target = "label" if self.comparable[position] else "predicted"
        self.targets_are = str(target)
        if target == "label" and not self.comparable[position]:
            raise OptionError(
                f"target 'label' needs labels that number the outputs of {variant.title}; those of {self.data.name} "
                "do not: give --target predicted or a class."
            )
        if target == "label":
            return batch.labels.numpy()
        # A single cheap method: only the prediction is wanted.
        return explain(variant, batch.images, "gradient", target=target).targets.numpy()

    def _metrics(
        self, variant: Variant, batch: Batch, masks: Sequence[NDArray[np.bool_] | None], found: Explanation
    ) -> dict[Any, dict[str, NDArray[np.float64]]]:
        metrics: dict[Any, dict[str, NDArray[np.float64]]] = {key: {} for key in found.maps}
        stacked = _stacked(masks, batch.images.shape[-2:])
        for key, maps in found.maps.items():
            metrics[key] |= localise(maps, stacked)
            if self.options.faithfulness:
                assert variant.preprocessing is not None
                weight = next(variant.model.parameters())
                images = variant.preprocessing.normalize(batch.images).to(weight.device, weight.dtype)
                measured = faithfulness(variant.model, images, maps, found.targets, seed=self.options.seed)
                metrics[key] |= {"insertion": measured.insertion, "deletion": measured.deletion}
        return metrics

    def _chance(self, batch: Batch, masks: Sequence[NDArray[np.bool_] | None]) -> None:
        """Measure the maps that know nothing, on the same images."""
        height, width = batch.images.shape[-2:]
        stacked = _stacked(masks, (height, width))
        for name, make in CHANCE_MAPS.items():
            measured = localise(make(height, width).expand(len(stacked), -1, -1), stacked)
            for place, index in enumerate(batch.indices.tolist()):
                row = {"model": CHANCE, "run": "", "image": self.data.ids[index], "label": self._label(index)}
                row |= {"method": name, "layer": "", "status": "ok"}
                self.rows.append(row | {metric: measured[metric][place] for metric in METRICS})

    def _label(self, index: int) -> int | None:
        label = int(self.data.labels[index])
        return label if label >= 0 else None

    def _show(
        self,
        index: int,
        place: int,
        variant: Variant,
        batch: Batch,
        mask: NDArray[np.bool_] | None,
        found: Explanation,
        maps: Tensor,
        key: tuple[str, str | None],
    ) -> None:
        classes = variant.classes or self.data.classes
        pixels = batch.images[place].permute(1, 2, 0).numpy()
        if index not in self.pictures:
            label = self._label(index)
            self.pictures[index] = Picture(
                image=self.data.ids[index],
                pixels=pixels,
                mask=mask,
                label="" if label is None else self.data.classes[label],
                target=_class_name(classes, int(found.targets[place])),
                panels=[],
            )
        predicted = int(found.predicted[place])
        self.pictures[index].panels.append(
            Panel(
                variant=variant.name,
                run=variant.run,
                method=key[0],
                layer=key[1],
                map=maps.numpy(),
                predicted=_class_name(classes, predicted),
                probability=float(found.logits[place].softmax(0)[predicted]),
                score=float(found.scores[place]),
                status=found.status[key][place],
                pixels=pixels,
                mask=mask,
            )
        )

    def sort(self) -> None:
        """Bring rows and panels into the order of the networks, which their geometry may have mixed; chance last."""
        order = {(variant.name, variant.run): position for position, variant in enumerate(self.variants)}
        self.rows.sort(key=lambda row: order.get((row["model"], row["run"]), len(order)))
        for picture in self.pictures.values():
            picture.panels.sort(key=lambda panel: order[panel.variant, panel.run])

    def warnings(self) -> list[str]:
        """Return what belongs beside the numbers."""
        warnings: list[str] = []
        for variant in self.variants:
            rows = [row for row in self.rows if (row["model"], row["run"]) == (variant.name, variant.run)]
            for method in self.options.methods:
                statuses = [row["status"] for row in rows if row["method"] == method]
                for bad in ("non-finite", "zero", "constant"):
                    if count := statuses.count(bad):
                        warnings.append(f"{variant.title}: {count} of {len(statuses)} maps of {method} are {bad}.")
            ordinary = self.about[variant.title]["ordinary_activations"]
            others = [name for name in ordinary if name not in ("sigmoid", "tanh")]
            if others:
                warnings.append(f"{variant.title}: not guided, their gradient is the plain one: {', '.join(others)}.")
        if not any(np.isfinite(row["energy"]) for row in self.rows):
            warnings.append("no image has a mask or a box, so that nothing says where the objects are (give --boxes).")
        return warnings

    def facts(self) -> dict[str, Any]:
        """Return what decided the maps."""
        return {
            "target": self.targets_are,
            "methods": list(self.options.methods),
            "layers": next(iter(self.about.values()))["layers"],
            "guide_gates": self.options.guide_gates,
            "faithfulness": self.options.faithfulness,
            "images": len(self.data),
            "networks": self.about,
        }


def _stacked(masks: Sequence[NDArray[np.bool_] | None], size: Sequence[int]) -> NDArray[np.bool_]:
    """Return masks ``(B, H, W)``; empty, which no metric counts, where there is none."""
    nothing = np.zeros(tuple(size), dtype=bool)
    return np.stack([nothing if mask is None else mask for mask in masks])


def _class_name(classes: Sequence[str] | None, index: int) -> str:
    return classes[index] if classes is not None and index < len(classes) else f"class {index}"
