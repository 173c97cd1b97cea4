"""Does a map depend on what the network has learned? Cascading randomisation of its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.sanity.cascade import Ranks, by_name, compared
from autola_analysis.analyses.saliency.sanity.correlations import unit_ranks
from autola_analysis.analyses.saliency.sanity.result import ENOUGH_DRAWS, SanityResult
from autola_analysis.analyses.saliency.sanity.weights import cascade
from autola_analysis.analyses.saliency.targets import Classes, Target
from autola_analysis.analyses.variants import Variant, as_variant, placed, preprocessing_for
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.source import ImageSource

Model = LoadedModel | nn.Module | Variant


def sanity_check(
    model: Model,
    images: Tensor,
    methods: str | Sequence[str] = ("grad-cam", "guided-backprop"),
    layers: str | Sequence[str] | None = None,
    target: Target = "predicted",
    labels: Classes | None = None,
    *,
    draws: int = ENOUGH_DRAWS,
    other_runs: Sequence[Model] = (),
    seed: int = 0,
    guide_gates: bool = True,
    batch_size: int | None = None,
    progress: Callable[[int], object] = lambda stages: None,
) -> SanityResult:
    """Randomise a network part by part from the head down, and compare each method's maps with the original ones.

    On a copy, each part is drawn anew as before training, the parts above it staying random; the target of an image
    is the one explained at first. Maps are compared by Spearman's rank correlation over pixels, input gradients by
    their maximum absolute value over channels. Two baselines say what a correlation is worth: that of the maps of
    different images by the trained network, which a method reaches whatever the image, and that of the maps of the same
    images by other training runs. A method whose correlation stays high shows the image's edges more than the network:
    guided backpropagation is known to.

    Args:
        model: As `explain` takes it; it is as before afterwards.
        images: As `explain` takes them.
        methods: Names of methods.
        layers: Layers of the methods that explain at a layer; None takes the last stage.
        target: As `explain` takes it.
        labels: Class of every image, for the target "label".
        draws: How often all weights are drawn; intervals are over draws and images from three on.
        other_runs: The same network from other training runs.
        seed: Of the random weights.
        guide_gates: As `explain` takes it.
        batch_size: Images per forward; None chooses by their size.
        progress: Takes the number of stages that are done, after each.

    Raises:
        OptionError: If there is no draw.
        AutolaError: As `explain`.

    References:
        Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.
    """

    def explained(network: Variant, aim: Target) -> Explanation:
        return explain(network, images, methods, layers, aim, labels, guide_gates=guide_gates, batch_size=batch_size)

    variant = as_variant(model)
    original = explained(variant, target)
    same = target if callable(target) else original.targets
    parts = cascade(variant.model)
    correlations = compared(
        variant,
        _ranks(original),
        parts,
        lambda network: _ranks(explained(network, same)),
        [_ranks(explained(as_variant(other), same)) for other in other_runs],
        draws,
        seed,
        progress,
    )
    decided = {variant.title: {"parts": parts, **original.settings}}
    settings = {"seed": seed, "draws": draws, "networks": decided}
    return SanityResult.of(correlations, [str(index) for index in range(len(images))], settings)


def sanity_checks(
    variants: Sequence[Variant],
    data: ImageSource,
    indices: Sequence[int],
    targets: Classes,
    options: SaliencyOptions,
    device: torch.device,
    quiet: bool,
) -> SanityResult:
    """Check the first run of every variant on the same images of a source, beside its other runs.

    Args:
        variants: The networks.
        data: The images.
        indices: Numbers of the images to take.
        targets: Class that is explained, per taken image.
        options: Methods, layers, draws and seed.
        device: Where the networks run.
        quiet: Whether to show no progress bar.

    Raises:
        AutolaError: As `explain`.
    """
    ready = [replace(variant, preprocessing=preprocessing_for(variant, data)) for variant in variants]
    runs = by_name(ready)
    stages = sum(len(cascade(first.model)) for first, *_ in runs) * options.sanity_draws
    checked = []
    with progress_bar(stages, "randomising", unit="stages", quiet=quiet) as bar:
        for first, *others in runs:
            assert first.preprocessing is not None
            geometry = first.preprocessing
            checked.append(
                sanity_check(
                    placed(first, device),
                    torch.stack([geometry.geometry(data.image(index)) for index in indices]),
                    options.methods,
                    options.layers,
                    targets,
                    draws=options.sanity_draws,
                    other_runs=[placed(other, device) for other in others if sees_alike(other, first)],
                    seed=options.seed,
                    guide_gates=options.guide_gates,
                    progress=bar.update,
                )
            )
    return together(checked, [data.ids[index] for index in indices])


def together(results: Sequence[SanityResult], images: Sequence[str]) -> SanityResult:
    """Return the checks of several networks on the same images as one result."""
    correlations = {what: values for result in results for what, values in result.correlations.items()}
    networks = {title: each for result in results for title, each in result.settings["networks"].items()}
    return SanityResult.of(correlations, images, {**results[0].settings, "networks": networks})


def _ranks(explanation: Explanation) -> Ranks:
    return {key: unit_ranks(maps) for key, maps in explanation.maps.items()}


def sees_alike(other: Variant, first: Variant) -> bool:
    """Return whether two networks see the same pixels of an image, so that their maps can be compared."""
    assert other.preprocessing is not None
    assert first.preprocessing is not None
    return other.preprocessing.shared_key == first.preprocessing.shared_key
