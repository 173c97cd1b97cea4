"""Do maps of objects depend on what a detector has learned? The cascade with the candidate held fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as F

from autola_analysis.analyses.saliency.explain_objects import as_floats, explained_candidates
from autola_analysis.analyses.saliency.explanation import MapKey
from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.analyses.saliency.object_targets import chooser
from autola_analysis.analyses.saliency.objects.question import Asked, ObjectQuestion
from autola_analysis.analyses.saliency.options import ObjectTarget
from autola_analysis.analyses.saliency.sanity.cascade import Ranks, by_name, compared
from autola_analysis.analyses.saliency.sanity.check import sees_alike, together
from autola_analysis.analyses.saliency.sanity.correlations import unit_ranks
from autola_analysis.analyses.saliency.sanity.result import SanityResult
from autola_analysis.analyses.saliency.sanity.weights import cascade_of_detector
from autola_analysis.analyses.variants import Variant, placed, preprocessing_for
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.subset import seeded_order
from autola_analysis.inference.candidates import Choose, Chosen
from autola_analysis.inference.resources import gradient_batch_size


def object_sanity(
    question: ObjectQuestion, variants: Sequence[Variant], device: torch.device, quiet: bool = True
) -> SanityResult | None:
    """Randomise the first run of every variant from the head down, and compare the maps of some objects.

    The objects are one of each image that is drawn. The candidate that stands for an object by the trained network,
    and the region that it is read from, stay the same under all weights; other training runs have their own.

    Args:
        question: What is asked of every image; its options say how many images and draws.
        variants: The detectors.
        device: Where they run.
        quiet: Whether to show no progress bar.

    Returns:
        None where no image has an object.

    Raises:
        AutolaError: As `explain_objects`.
    """
    options, source = question.options, question.source
    sample = drawn(question)
    indices = sorted(sample.asked)
    if not indices:
        return None
    ready = [replace(variant, preprocessing=preprocessing_for(variant, source)) for variant in variants]
    runs = by_name(ready)
    stages = sum(len(cascade_of_detector(first.model)) for first, *_ in runs) * options.sanity_draws
    names = [source.ids[index] for index in indices]
    checked = []
    with progress_bar(stages, "randomising", unit="stages", quiet=quiet) as bar:
        for first, *others in runs:
            maps = SampleMaps(sample, indices, placed(first, device))
            parts = cascade_of_detector(first.model)
            correlations = compared(
                maps.variant,
                maps.trained,
                parts,
                maps.ranks,
                [
                    SampleMaps(sample, indices, placed(other, device)).trained
                    for other in others
                    if sees_alike(other, first)
                ],
                options.sanity_draws,
                options.seed,
                bar.update,
            )
            decided = {first.title: {"parts": parts, "methods": question.methods}}
            settings = {"seed": options.seed, "draws": options.sanity_draws, "objects": True, "networks": decided}
            checked.append(SanityResult.of(correlations, names, settings))
    return together(checked, names)


class SampleMaps:
    """Maps of one object of each of some images, whose candidates a trained detector has chosen.

    Where images differ in size, maps are brought to the smallest height and width of all, so that those of different
    images can be compared.

    Args:
        sample: What is asked, one object of each image.
        indices: Numbers of the images.
        variant: The detector, with the preprocessing of its images, where it runs.
    """

    def __init__(self, sample: ObjectQuestion, indices: Sequence[int], variant: Variant) -> None:
        self.variant = variant
        self._sample = sample
        geometry = variant.preprocessing
        assert geometry is not None
        pixels = [(index, geometry.geometry(sample.source.image(index))) for index in indices]
        self._size = tuple(min(side) for side in zip(*(image.shape[1:] for _, image in pixels), strict=True))
        self._held: list[Sequence[Chosen]] = []
        self._batches: list[tuple[list[int], Tensor]] = []
        weight = next(variant.model.parameters())
        for shape, together_ in groupby(pixels, key=lambda pair: pair[1].shape):
            alike = list(together_)
            most = gradient_batch_size(max(shape), weight.device)
            for start in range(0, len(alike), most):
                numbers, images = zip(*alike[start : start + most], strict=True)
                self._batches.append((list(numbers), as_floats(torch.stack(images), variant.model)))
        self.trained = self._ranks(variant, [self._chooser(*batch) for batch in self._batches], keep=True)

    def ranks(self, network: Variant) -> Ranks:
        """Return the ranks of the maps of the same candidates by the network with other weights."""
        return self._ranks(network, self._held)

    def _chooser(self, numbers: Sequence[int], images: Tensor) -> Choose:
        target: ObjectTarget = "given-box" if self._sample.target == "given-box" else "object"
        size = (images.shape[2], images.shape[3])
        asked = [self._sample.in_pixels(index, self.variant, size) for index in numbers]
        return chooser(self.variant.model, target, asked, self._sample.options.threshold)

    def _ranks(self, network: Variant, choices: Sequence[Choose], keep: bool = False) -> Ranks:
        options = self._sample.options
        made: dict[MapKey, list[Tensor]] = {}
        for (_, images), choose in zip(self._batches, choices, strict=True):
            found, maps, _ = explained_candidates(
                network.model,
                images,
                choose,
                self._sample.methods,
                options.layers,
                options.score == "margin",
                options.guide_gates,
            )
            if keep:
                self._held.append(found.chosen)
            for key, of_key in maps.items():
                made.setdefault(key, []).append(self._alike(torch.from_numpy(intensities(of_key))))
        return {key: unit_ranks(torch.cat(of_key)) for key, of_key in made.items()}

    def _alike(self, maps: Tensor) -> Tensor:
        """Return maps at the size of all."""
        if maps.shape[1:] == self._size:
            return maps
        return F.interpolate(maps[:, None], self._size, mode="bilinear", align_corners=False, antialias=True)[:, 0]


def drawn(question: ObjectQuestion) -> ObjectQuestion:
    """Return the question for an object of each of some images, both drawn by seed."""
    source, options = question.source, question.options
    there = [index for index, asked in sorted(question.asked.items()) if len(asked.classes)]
    order = seeded_order([source.ids[index] for index in there], options.seed)[: options.sanity]
    chosen = {}
    for index in (there[place] for place in order):
        asked = question.asked[index]
        names = [f"{source.ids[index]}/{number}" for number in range(len(asked.classes))]
        place = seeded_order(names, options.seed)[:1]
        chosen[index] = Asked(asked.boxes[place], asked.classes[place], asked.numbers[place])
    return replace(question, asked=chosen)
