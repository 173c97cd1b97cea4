"""Explain the images of a source with several networks, and measure where the maps lie."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.pass_cache import PassEntry, network_hash, pass_inputs
from autola_analysis.analyses.saliency.assembly import assembled, class_name
from autola_analysis.analyses.saliency.boxes import Box, boxes_for, mask_of, preprocessed_mask
from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.faithfulness import faithfulness
from autola_analysis.analyses.saliency.findings import Explained, Findings, Row
from autola_analysis.analyses.saliency.localisation import CHANCE_MAPS, METRICS, localise
from autola_analysis.analyses.saliency.result import CHANCE, Panel, SaliencyResult
from autola_analysis.analyses.variants import Variant, preprocessing_for
from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.processes import current
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource, hash_of
from autola_analysis.inference.accuracy import labels_fit_head
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Batch, Stream, open_stream

ANALYSIS = "saliency"


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
    rows of the table; maps are kept of the images to show. The networks are as before afterwards. With a cache, what a
    network gave is kept when its images are done. Of processes that share the run, the first has the findings.

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
            run.group(group, reading, bar.update)
    found = [run.findings[position] for position in range(len(variants))]
    decided = {
        "methods": list(options.methods),
        "guide_gates": options.guide_gates,
        "faithfulness": options.faithfulness,
        "images": len(data),
    }
    return assembled(variants, data, found, run.targets, decided, options.seed)


@dataclass
class _Run:
    """A measurement under way."""

    variants: Sequence[Variant]
    data: ImageSource
    options: SaliencyOptions
    settings: Settings
    targets: NDArray[np.int64]
    findings: dict[int, Findings] = field(default_factory=dict)
    comparable: dict[int, bool] = field(default_factory=dict)

    def group(
        self, group: Sequence[tuple[int, Preprocessing]], reading: Reading, progress: Callable[[int], object]
    ) -> None:
        """Run the networks that share decoded images, those apart that a cache holds."""
        geometry, processes, device = group[0][1], current(), resolve_device(self.settings.device)
        stream = open_stream(
            self.data, geometry, reading.batch_size, reading.workers, device, choose=gradient_batch_size
        )
        entries = {}
        fresh = []
        for position, preprocessing in group:
            self.findings[position] = Findings()
            if reading.cache is not None:
                entries[position] = self._entry(position, preprocessing, stream, reading.cache)
                if entries[position].found():
                    self.findings[position].restore(entries[position].path / ANALYSIS)
                    self._learn_targets(position)
                    progress(len(self.data))
                    continue
            fresh.append((position, preprocessing))
        if not fresh:
            return
        self._explain(fresh, stream, geometry, progress)
        for position, _ in fresh:
            self.findings[position].gather(processes)
            self._learn_targets(position)
            if position in entries and processes.first:
                with entries[position].writing([ANALYSIS]) as folder, entries[position].explained():
                    self.findings[position].save(folder / ANALYSIS)
                    entries[position].complete(folder, {"device": self.settings.device})

    def _explain(
        self,
        group: Sequence[tuple[int, Preprocessing]],
        stream: Stream,
        geometry: Preprocessing,
        progress: Callable[[int], object],
    ) -> None:
        device, processes = resolve_device(self.settings.device), current()
        networks = [(position, self._ready(position, preprocessing, device)) for position, preprocessing in group]
        count, said = processes.counter(), 0
        with freed_memory_kept(), closing(stream.batches(processes.rank, processes.count)) as batches:
            for batch in batches:
                masks = self._masks(batch, geometry)
                for position, variant in networks:
                    self._take(position, variant, batch, masks)
                    done = count(len(batch.indices))
                    progress(done - said)
                    said = done

    def _entry(self, position: int, preprocessing: Preprocessing, stream: Stream, cache: Path) -> PassEntry:
        """Return where a cache keeps what a network gives; it depends on the first one, whose prediction may decide."""
        variant, options, first = self.variants[position], self.options, self.variants[0]
        boxes = {name: [astuple(box) for box in boxes] for name, boxes in options.boxes.items()}
        asked = {
            "methods": list(options.methods),
            "layers": None if options.layers is None else list(options.layers),
            "target": options.target,
            "guide_gates": options.guide_gates,
            "faithfulness": options.faithfulness,
            "boxes": hash_of(json.dumps(boxes, sort_keys=True)),
            "shown": [int(index) for index in options.shown],
            "seed": options.seed,
        }
        inputs = pass_inputs(variant, preprocessing, stream, self.settings)
        how = preprocessing_for(first, self.data)
        inputs["first network"] = (
            "this one" if position == 0 else [network_hash(first.model), how.to_dict() if how else None]
        )
        return PassEntry(cache, variant.title, {**inputs, "analyses": {ANALYSIS: asked}})

    def _learn_targets(self, position: int) -> None:
        """Let all processes know the targets of all images, which the first network has decided."""
        if position == 0:
            self.targets = np.array(current().told(self.findings[0].targets(len(self.data)).tolist()), dtype=np.int64)

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
        findings, explained = self.findings[position], Explained()
        if position not in self.comparable:
            self.comparable[position] = self._labels_fit(variant, batch.images[:1])
        if position == 0:
            self.targets[indices] = self._targets(position, variant, batch)
            explained.targets.extend((int(index), int(self.targets[index])) for index in indices)
            explained.chance.extend(self._chance(batch, masks))
        found = explain(
            variant,
            batch.images,
            self.options.methods,
            self.options.layers,
            self.targets[indices],
            guide_gates=self.options.guide_gates,
            batch_size=len(indices),
        )
        findings.about = findings.about or found.settings
        metrics = self._metrics(variant, batch, masks, found)
        for key, maps in found.maps.items():
            for place, index in enumerate(indices):
                label = self._label(int(index)) if self.comparable[position] else None
                explained.rows.append(
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
                    | {name: float(values[place]) for name, values in metrics[key].items()}
                )
                if index in self.options.shown:
                    panel = self._panel(place, variant, batch, masks[place], found, maps[place], key)
                    explained.panels.append((int(index), panel))
        findings.batches.append((int(indices[0]), explained))

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
        self.findings[position].targets_are = str(target)
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

    def _chance(self, batch: Batch, masks: Sequence[NDArray[np.bool_] | None]) -> Iterator[Row]:
        """Measure the maps that know nothing, on the same images."""
        height, width = batch.images.shape[-2:]
        stacked = _stacked(masks, (height, width))
        for name, make in CHANCE_MAPS.items():
            measured = localise(make(height, width).expand(len(stacked), -1, -1), stacked)
            for place, index in enumerate(batch.indices.tolist()):
                row = {"model": CHANCE, "run": "", "image": self.data.ids[index], "label": self._label(index)}
                row |= {"method": name, "layer": "", "status": "ok"}
                yield row | {metric: float(measured[metric][place]) for metric in METRICS}

    def _label(self, index: int) -> int | None:
        label = int(self.data.labels[index])
        return label if label >= 0 else None

    def _panel(
        self,
        place: int,
        variant: Variant,
        batch: Batch,
        mask: NDArray[np.bool_] | None,
        found: Explanation,
        maps: Tensor,
        key: tuple[str, str | None],
    ) -> Panel:
        predicted = int(found.predicted[place])
        return Panel(
            variant=variant.name,
            run=variant.run,
            method=key[0],
            layer=key[1],
            map=maps.numpy().copy(),
            predicted=class_name(variant.classes or self.data.classes, predicted),
            probability=float(found.logits[place].softmax(0)[predicted]),
            score=float(found.scores[place]),
            status=found.status[key][place],
            pixels=batch.images[place].permute(1, 2, 0).numpy(),
            mask=mask,
        )


def _stacked(masks: Sequence[NDArray[np.bool_] | None], size: Sequence[int]) -> NDArray[np.bool_]:
    """Return masks ``(B, H, W)``; empty, which no metric counts, where there is none."""
    nothing = np.zeros(tuple(size), dtype=bool)
    return np.stack([nothing if mask is None else mask for mask in masks])
