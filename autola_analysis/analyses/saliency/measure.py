"""Explain the images of a source with several networks, and measure where the maps lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice
from typing import Any, overload

import numpy as np

from autola_analysis.analyses.agreement import check_same_pass
from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.observation import Reading, shared_streams
from autola_analysis.analyses.pass_cache import PassEntry, pass_entry
from autola_analysis.analyses.saliency.accuracy import accuracy_warnings
from autola_analysis.analyses.saliency.assembly import assembled
from autola_analysis.analyses.saliency.common_targets import CommonTargets
from autola_analysis.analyses.saliency.findings import Findings
from autola_analysis.analyses.saliency.items.together import ANALYSIS, exactly, remarks_on_precision
from autola_analysis.analyses.saliency.joints.result import JointSaliencyResult
from autola_analysis.analyses.saliency.network import Network
from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.question import Question, drawn_by_class, way_of_choosing
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.analyses.saliency.sanity.check import sanity_checks
from autola_analysis.analyses.saliency.sanity.result import too_few
from autola_analysis.analyses.variants import Variant, preprocessing_for
from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import current
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.address import network_address
from autola_analysis.inference.precision import remarks_on_type
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.run import Settings, spread
from autola_analysis.inference.stream import Stream

Progress = Callable[[int], object]
"""takes the number of images that one more network has explained"""


@overload
def measure_saliency(
    models: Model | Sequence[Model],
    data: ImageSource,
    options: SaliencyOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> SaliencyResult: ...
@overload
def measure_saliency(
    models: Model | Sequence[Model],
    data: ObjectSource,
    options: SaliencyOptions | None = ...,
    reading: Reading | None = ...,
    **values: Any,
) -> ObjectSaliencyResult | JointSaliencyResult: ...
def measure_saliency(
    models: Model | Sequence[Model],
    data: ImageSource | ObjectSource,
    options: SaliencyOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> SaliencyResult | ObjectSaliencyResult | JointSaliencyResult:
    """Explain every image with every network, the same target for all, and measure the maps against the objects.

    With detectors and a source of objects, single objects are explained, with networks for joints the joints of its
    people; the same for all networks.

    Images are decoded once for networks that share their geometry. Nothing grows with the number of images but the
    rows of the table; maps are kept of the images to show. The networks are as before afterwards. With a cache, what a
    network gave is kept when its images are done. Of processes that share the run, the first has the findings and
    makes the sanity check, after everything that all processes do together.

    Args:
        models: A loaded checkpoint or any network, or several, in the order they are to be shown.
        data: The images; of detectors a source of objects, for joints one of people with joints.
        options: Methods, layers, target, boxes, images to show and to check.
        reading: Device, batch size, workers, progress bar, cache; the arithmetic is always float32, uncompiled, and
            Pillow decodes.
        values: Fields of `SaliencyOptions`, instead of `options`.

    Raises:
        OptionError: If labels are asked for and are not the head's, or an option is not possible.
        AutolaError: As `explain`.
    """
    from autola_analysis.analyses.saliency.analysis import Saliency

    return measure_alone(Saliency(), models, data, given(SaliencyOptions, options, values), reading)


def explained_source(
    variants: Sequence[Variant], data: ImageSource, options: SaliencyOptions, reading: Reading
) -> SaliencyResult:
    """Explain every image with every network, without the sanity check; all processes of a run share the images."""
    remarks = remarks_on_precision(reading)
    reading = exactly(reading)
    reading = replace(reading, settings=replace(reading.settings, decoder="cpu"))
    question = Question.of(data, options)
    targets = CommonTargets.of(question.data, options.target)
    findings = _explain_all(variants, question, targets, reading)
    decided = {
        "methods": _made(options, findings),
        "grid": options.grid,
        "guide_gates": options.guide_gates,
        "faithfulness": options.faithfulness,
        "images": len(question.data),
        "shown": way_of_choosing(data, options),
        "precision": "float32",
        "compiled": False,
    }
    result = assembled(variants, question.data, findings, targets.classes, decided, options.seed)
    warnings = [*result.warnings, *remarks]
    warnings += [f"{each.title}: {remark}" for each in variants for remark in remarks_on_type(each.model)]
    return replace(result, warnings=(*warnings, *accuracy_warnings(variants, result.images, len(data.classes))))


def checked_by_randomising(
    result: SaliencyResult,
    variants: Sequence[Variant],
    data: ImageSource,
    options: SaliencyOptions,
    reading: Reading,
) -> SaliencyResult:
    """Return a result with the sanity check that the options ask for, on the targets of the result."""
    if not options.sanity:
        return result
    indices = drawn_by_class(data, options.sanity, options.seed)
    explained = result.images.dropna(subset=["target"]).drop_duplicates("image").set_index("image")["target"]
    targets = np.array([int(explained[data.ids[index]]) for index in indices], dtype=np.int64)
    quiet = reading.settings.quiet
    options = options.model_copy(update={"methods": result.settings["methods"]})
    checked = sanity_checks(variants, data, indices, targets, options, reading.device, quiet)
    return replace(result, sanity=checked, warnings=(*result.warnings, *too_few(options.sanity_draws, len(indices))))


def _made(options: SaliencyOptions, findings: Sequence[Findings]) -> list[str]:
    """Return the methods that made maps of any network: those that guide ReLUs need a network that has some."""
    made = [each.about.get("methods", options.methods) for each in findings]
    return [method for method in options.methods if any(method in methods for methods in made)]


def _explain_all(
    variants: Sequence[Variant], question: Question, targets: CommonTargets, reading: Reading
) -> list[Findings]:
    """Return what each network gave, in order; networks that share decoded images run together."""
    data, settings = question.data, reading.settings
    findings: dict[int, Findings] = {}
    with progress_bar(len(data) * len(variants), "explaining", quiet=settings.quiet) as bar:
        for stream, group in shared_streams(variants, data, reading, gradient_batch_size):
            check_same_pass(group, stream, settings, [{ANALYSIS: question.inputs()}] * len(group))
            networks = []
            for variant, preprocessing in group:
                entry = _entry(variant, variants[0], preprocessing, stream, question, reading)
                ready = replace(variant, preprocessing=preprocessing)
                networks.append(Network(ready, variant is variants[0], question, targets, entry))
                findings[id(variant)] = networks[-1].findings
            _explain_group(networks, stream, settings, bar.update)
    return [findings[id(variant)] for variant in variants]


def _entry(
    variant: Variant,
    first: Variant,
    preprocessing: Preprocessing | None,
    stream: Stream,
    question: Question,
    reading: Reading,
) -> PassEntry | None:
    """Return where a cache keeps what a network gave; it depends on the first one, whose prediction may decide."""
    if reading.cache is None:
        return None
    of_first = preprocessing_for(first, question.data)
    described = [network_address(first.model).hash, of_first.to_dict() if of_first else None]
    others = {"first network": "this one" if variant is first else described}
    asked = {ANALYSIS: question.inputs()}
    return pass_entry(reading.cache, variant, preprocessing, stream, reading.settings, asked, others)


def _explain_group(networks: Sequence[Network], stream: Stream, settings: Settings, progress: Progress) -> None:
    """Explain the images with the networks that share them decoded, apart from those that the cache holds."""
    processes = current()
    fresh = []
    for network in networks:
        if network.restore():
            network.share_targets()
            progress(len(network.question.data))
        else:
            fresh.append(network)
    if not fresh:
        return
    _take_batches(fresh, stream, settings, progress)
    stream.check_unchanged()
    for network in fresh:
        network.findings.gather(processes)
        network.share_targets()
        if processes.first:
            network.keep(settings.device)


def _take_batches(networks: Sequence[Network], stream: Stream, settings: Settings, progress: Progress) -> None:
    """Let the networks explain this process's share of the batches."""
    processes, device = current(), resolve_device(settings.device)
    running = [network.on(device) for network in networks]
    question, geometry = networks[0].question, networks[0].variant.preprocessing
    assert geometry is not None
    count, before = processes.counter(), 0
    with freed_memory_kept(), closing(stream.batches(processes.rank, processes.world_size)) as batches:
        first = list(islice(batches, 1))
        probe = processes.broadcast(spread(first[0].images).to(device) if first else None)
        running = [network.prepared(probe, settings.fold) for network in running]
        for batch in chain(first, batches):
            masks = question.masks(batch, geometry)
            for network in running:
                network.take(batch, masks)
                explained = count(len(batch.indices))
                progress(explained - before)
                before = explained
