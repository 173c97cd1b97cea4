"""Extract features: of one network, or of several and several layers from one reading of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from autola_analysis.analyses.embedding.feature_files import CacheEntry, EntryWriter, MemorySink, Sink
from autola_analysis.analyses.embedding.features import Features, FloatArray, IntArray
from autola_analysis.analyses.embedding.observer import FeatureObserver, check_pool
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant, as_variant, grouped_by_geometry
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import DataError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource, hash_of
from autola_analysis.inference.accuracy import AccuracyObserver, chance_warning
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.run import Job, Observer, PassRecord, Settings, run
from autola_analysis.inference.stream import ImageData, Stream, open_stream


def extract_features(
    model: LoadedModel | nn.Module | Variant,
    data: ImageData,
    layer: str | None = None,
    pool: str = "mean",
    settings: Settings | None = None,
    batch_size: int | None = None,
    workers: int = 0,
    cache: str | Path | None = None,
) -> Features:
    """Collect what a layer puts out for every image, in one pass over the data.

    With a cache, the values are written to a file there and mapped into memory, so that any number of images fits;
    the next call with the same weights, images, layer, preprocessing and arithmetic opens the file instead of running
    the network. Two networks with the same weights that print alike are taken for one.

    Args:
        model: A loaded checkpoint or any network; it is as before afterwards.
        data: An image source, a data set of ``(image tensor, label)``, or a loader of ``(images, labels)``. Only an
            image source can be recognised by a cache.
        layer: Name of the layer; None takes the last stage.
        pool: "mean" over space, or "flatten".
        settings: Device, precision, progress bar.
        batch_size: Images per batch; None chooses by the size of the images.
        workers: Processes that decode images.
        cache: Directory to keep features in; None keeps them in memory.

    Raises:
        LayerError: If the layer cannot be pooled, or is not a single tensor.
        UnknownNameError: If the network has no such layer.
        DataError: If there is no image, or features are not finite.
        CacheError: If the cache cannot be written.
    """
    layers = None if layer is None else [layer]
    reading = Reading(settings, batch_size, workers)
    (features,), _ = extract_all([as_variant(model)], data, layers, pool, reading, cache)
    return features


def extract_all(
    variants: Sequence[Variant],
    data: ImageData,
    layers: Sequence[str] | None = None,
    pool: str = "mean",
    reading: Reading | None = None,
    cache: str | Path | None = None,
) -> tuple[list[Features], list[PassRecord]]:
    """Extract features of several networks; those that share the geometry of their images share one reading.

    Returns:
        Features per variant and layer, the layers of a variant side by side; and a record per pass that was needed.
    """
    check_pool(pool)
    reading = reading or Reading()
    settings = reading.settings or Settings()
    chosen = {id(v): resolve_layers(v.model, layers)[slice(None) if layers else slice(-1, None)] for v in variants}
    found: dict[tuple[int, str], Features] = {}
    records: list[PassRecord] = []
    for group in grouped_by_geometry(variants, data):
        stream = open_stream(data, group[0][1], reading.batch_size, reading.workers)
        extraction = _Extraction(data, stream, pool, settings, Path(cache) if cache is not None else None)
        wanted = [extraction.wanted(variant, how, chosen[id(variant)]) for variant, how in group]
        records += extraction.run([each for each in wanted if each.missing])
        for each in wanted:
            found |= {(id(each.variant), layer): each.with_warnings(layer, cache) for layer in each.found}
    return [found[id(variant), layer] for variant in variants for layer in chosen[id(variant)]], records


@dataclass(frozen=True)
class _Wanted:
    """The layers of one network: what the cache holds of them, and what a pass must add."""

    variant: Variant
    preprocessing: Preprocessing | None
    layers: Sequence[str]
    entries: dict[str, CacheEntry]
    found: dict[str, Features]

    @property
    def missing(self) -> list[str]:
        return [layer for layer in self.layers if layer not in self.found]

    def with_warnings(self, layer: str, cache: str | Path | None) -> Features:
        """Return the features of a layer with what must be said of them; the cache may know another name."""
        features, title = self.found[layer], self.variant.title
        assert features.accuracy is not None
        guessing = chance_warning(title, features.accuracy, len(features.classes))
        warnings = [guessing] if guessing else []
        if cache is not None and layer not in self.entries:
            warnings.append(f"{title}: features are not cached, since only an image source can be recognised again.")
        return replace(features, warnings=tuple(warnings))


@dataclass(frozen=True)
class _Extraction:
    """One reading of the data."""

    data: ImageData
    stream: Stream
    pool: str
    settings: Settings
    cache: Path | None

    def wanted(self, variant: Variant, preprocessing: Preprocessing | None, layers: Sequence[str]) -> _Wanted:
        """Look up what the cache holds."""
        entries: dict[str, CacheEntry] = {}
        if self.cache is not None and self.stream.fingerprint is not None:
            inputs = self._inputs(variant, preprocessing)
            entries = {layer: CacheEntry(self.cache, {**inputs, "layer": layer}) for layer in layers}
        opened = {layer: entry.open(variant.name, variant.run) for layer, entry in entries.items()}
        found = {layer: features for layer, features in opened.items() if features is not None}
        return _Wanted(variant, preprocessing, layers, entries, found)

    def run(self, wanted: Sequence[_Wanted]) -> list[PassRecord]:
        """Run the networks with missing layers and fill in what they lack."""
        if not wanted:
            return []
        with ExitStack() as stack:
            jobs, writers = [], []
            for each in wanted:
                places = {
                    layer: stack.enter_context(each.entries[layer].writing())
                    for layer in each.missing
                    if layer in each.entries
                }
                sinks: dict[str, Sink] = {
                    layer: places[layer].sink if layer in places else MemorySink() for layer in each.missing
                }
                variant = each.variant
                accuracy = AccuracyObserver(self._num_classes(), self.stream.classes, variant.classes, variant.has_head)
                observers: list[Observer] = [FeatureObserver(sinks, self.pool), accuracy]
                jobs.append(Job(each.variant.model, observers, each.preprocessing, each.variant.title))
                writers.append((sinks, places))
            record = run(jobs, self.stream, self.settings)
            for each, job, (sinks, places) in zip(wanted, jobs, writers, strict=True):
                self._collect(each, job, sinks, places, record)
        for each in wanted:
            for layer, entry in each.entries.items():
                features = entry.open(each.variant.name, each.variant.run)
                if features is not None:
                    each.found[layer] = features
        return [record]

    def _num_classes(self) -> int:
        """Number of classes; 0, which no head has, where only reading the data would tell."""
        if self.stream.classes is not None:
            return len(self.stream.classes)
        return 0 if self.stream.labels is None else int(self.stream.labels.max()) + 1

    def _collect(
        self,
        wanted: _Wanted,
        job: Job,
        sinks: dict[str, Sink],
        places: dict[str, EntryWriter],
        record: PassRecord,
    ) -> None:
        observer, accuracy = job.observers
        assert isinstance(observer, FeatureObserver)
        assert isinstance(accuracy, AccuracyObserver)
        labels = observer.labels()
        classes = self.stream.classes or tuple(map(str, range(int(labels.max()) + 1)))
        for layer, sink in sinks.items():
            values = sink.finish()
            if observer.not_finite[layer]:
                raise DataError(
                    f"{observer.not_finite[layer]:,} of {values.size:,} values in {layer} of {job.name} are not "
                    "finite; look at the checkpoint and the preprocessing, or run with --precision float32."
                )
            features = self._features(wanted, layer, values, labels, classes, accuracy, record)
            if layer in places:
                places[layer].complete(features)
            wanted.found[layer] = features

    def _features(
        self,
        wanted: _Wanted,
        layer: str,
        values: FloatArray,
        labels: IntArray,
        classes: tuple[str, ...],
        accuracy: AccuracyObserver,
        record: PassRecord,
    ) -> Features:
        variant = wanted.variant
        ids = tuple(map(str, self.data.ids)) if isinstance(self.data, ImageSource) else ()
        return Features(
            values=values,
            labels=labels,
            ids=ids,
            classes=classes,
            model=variant.name,
            run=variant.run,
            layer=layer,
            pool=self.pool,
            backbone=variant.spec.backbone if variant.spec else None,
            accuracy=accuracy.result(),
            settings={
                "pool": self.pool,
                "precision": record.precision,
                "device": record.device,
                "batch_size": self.stream.batch_size,
                "batch_norms_folded": record.folded[variant.title],
                "channels_last": record.channels_last[variant.title],
            },
        )

    def _inputs(self, variant: Variant, preprocessing: Preprocessing | None) -> dict[str, Any]:
        """Return everything that the features of a network depend on, the layer apart."""
        return {
            "format": 1,
            "network": network_hash(variant.model),
            "spec": variant.spec.to_dict() if variant.spec else None,
            "classes": hash_of(*variant.classes) if variant.classes is not None else None,
            "data": self.stream.fingerprint,
            "pool": self.pool,
            "preprocessing": preprocessing.to_dict() if preprocessing else None,
            "precision": self.settings.precision,
            "folding": self.settings.fold,
            "batch_size": self.stream.batch_size,
            "device": str(resolve_device(self.settings.device)),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }


def network_hash(model: nn.Module) -> str:
    """Return a hash of a network's structure, as it prints, and of all parameters and buffers."""
    digest = hashlib.sha256(f"{type(model).__module__}.{type(model).__qualname__} {model!r}".encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(np.ascontiguousarray(flat.numpy()).data)
    return digest.hexdigest()
