"""Explain what a network sees: any number of methods and layers from one forward per batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.analyses.saliency.alone import by_itself
from autola_analysis.analyses.saliency.captum_bridge import copied_for_captum
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.inputs import standardised
from autola_analysis.analyses.saliency.joined import joined, written_target
from autola_analysis.analyses.saliency.options import Grid
from autola_analysis.analyses.saliency.plan import Part, Plan, Reshape
from autola_analysis.analyses.saliency.targets import Classes, Target, fixed_targets
from autola_analysis.analyses.variants import Variant, as_variant, classification_of
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.inference.channels import ChannelAxis
from autola_analysis.inference.channels import channel_axis as assumed_axis
from autola_analysis.inference.class_scores import is_single
from autola_analysis.inference.gradients import NoReLUError, gradients
from autola_analysis.inference.outputs import Score
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.tasks.classification import predicted_classes
from autola_analysis.inference.trunk import Trunk


def explain(
    model: LoadedModel | nn.Module | Variant,
    images: Tensor,
    methods: str | Sequence[str] = ("grad-cam", "guided-backprop"),
    layers: str | Sequence[str] | None = None,
    target: Target = "predicted",
    labels: Classes | None = None,
    *,
    grid: Grid | Mapping[str, CellGrid] = "stretched",
    guide_gates: bool = True,
    reshape: Reshape | None = None,
    channel_axis: ChannelAxis | None = None,
    method_options: Mapping[str, Mapping[str, Any]] | None = None,
    batch_size: int | None = None,
) -> Explanation:
    """Make saliency maps of some images.

    All layers and methods of a batch share one forward; the graph begins at the earliest layer where no method
    explains the image itself. The network runs as it is, in evaluation mode, in its own memory format and where it
    is. Everything of the caller's is as before afterwards, also after an exception.

    Args:
        model: A loaded checkpoint or any network of images ``(B, 3, H, W)``, in any mode, frozen or not. Classes are
            explained of networks that put out logits ``(B, K)``.
        images: ``(B, 3, H, W)``, preprocessed; or uint8, for a model whose preprocessing is known.
        methods: Names, see ``METHODS``, or ``captum:NAME`` for an attribution of captum.
        layers: Layers of the methods that explain at a layer, see `tap`; None takes the last stage.
        target: "predicted", "label", one class for all images, a class per image, or a function that reads a score
            ``(B,)`` from the output, for networks that put out a tuple, a dict, several labels or a single logit:
            ``lambda output: output["logits"][:, 3]``.
        labels: Class of every image, for the target "label".
        grid: Where a layer's cells lie in the image: "stretched", as in the literature, divides the image among them;
            "receptive-field" puts each where its receptive field is centred, which a probe of the network finds, see
            `receptive_field.probe`; or what `Explanation.grids` holds of an earlier one.
        guide_gates: Whether guided backpropagation also guides the ReLUs inside attention gates: those that the score
            hangs on through numbers from 0 to 1 alone that multiply a feature map.
        reshape: Brings a layer's output that is no feature map into the shape of one, e.g. the tokens of a
            transformer: ``lambda x: x[:, 1:].transpose(1, 2).unflatten(2, (14, 14))``.
        channel_axis: "last" for layers that put out ``(B, H, W, C)``, "first" for others, where neither the network's
            family nor the shape says so; a `reshape` gets the output as it is.
        method_options: Options of captum's attributions by method name, e.g.
            ``{"captum:IntegratedGradients": {"n_steps": 20}}``.
        batch_size: Images per forward; None chooses by their size.

    Raises:
        OptionError: If a target, label or option is not possible.
        DataError: If the images are not a batch, or the network has no head.
        LayerError: If a layer puts out no feature map, or the network cannot be explained by a method. Of a network
            without ReLUs, methods that guide them are left out with a warning where there are others.
        UnknownNameError: If there is no such method or layer.
        MissingExtraError: If captum is asked for and not installed.

    Example:
        >>> from autola_analysis import create_model
        >>> explanation = explain(create_model("resnet20", num_classes=10), torch.rand(2, 3, 32, 32))
        >>> [(key, tuple(maps.shape)) for key, maps in explanation.maps.items()]
        [(('grad-cam', 'layer3'), (2, 32, 32)), (('guided-backprop', None), (2, 3, 32, 32))]
    """
    variant = as_variant(model)
    plan = Plan.of(variant, methods, layers, guide_gates, reshape, method_options or {})
    return explained(
        variant, plan, images, target, labels, grid=grid, channel_axis=channel_axis, batch_size=batch_size
    )  # fmt: skip


@by_itself
def explained(
    variant: Variant,
    plan: Plan,
    images: Tensor,
    target: Target,
    labels: Classes | None = None,
    *,
    grid: Grid | Mapping[str, CellGrid] = "stretched",
    channel_axis: ChannelAxis | None = None,
    batch_size: int | None = None,
    trunk: Trunk | None = None,
) -> Explanation:
    """Make saliency maps of some images as a plan says.

    Args:
        variant: The network.
        plan: Methods and layers.
        images: As `explain` takes them.
        target: As `explain` takes it.
        labels: As `explain` takes them.
        grid: As `explain` takes it.
        channel_axis: As `explain` takes it.
        batch_size: As `explain` takes it.
        trunk: What runs, see `faster_trunk`, for a plan that begins at layers; None is the network itself.

    Raises:
        AutolaError: As `explain`.
    """
    trunk = trunk or Trunk(variant.model, reason="this is a single call")
    images = standardised(variant, images, needs_head=not callable(target))
    size = batch_size or gradient_batch_size(max(images.shape[2:]), images.device)
    with assumed_axis("first" if plan.reshape else channel_axis):
        plan = plan.with_grids(grid, variant.model, images)
        chosen = None if callable(target) else fixed_targets(target, labels, len(images))
        same_aim = repeat(target if callable(target) else None)
        aims = same_aim if chosen is None else _batches(chosen, size)
        plan, parts, left_out = _parts(plan, variant, trunk.model, _batches(images, size), aims)
    asked = {"target": written_target(target), "grid": grid if isinstance(grid, str) else "given", "batch_size": size}
    return joined(variant, plan, parts, left_out, {**asked, "trunk": trunk.described()})


def _batches(values: Tensor, size: int) -> list[Tensor]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _parts(
    plan: Plan,
    variant: Variant,
    network: nn.Module,
    batches: Iterable[Tensor],
    aims: Iterable[Tensor | Score | None],
) -> tuple[Plan, list[Part], list[str]]:
    """Return the plan that was followed, the batches, and what to say of methods that were left out on the way."""
    parts: list[Part] = []
    left_out: list[str] = []
    task = classification_of(variant)
    with ExitStack() as stack:
        copy = stack.enter_context(copied_for_captum(variant.model)) if plan.has_captum else None
        for batch, aim in zip(batches, aims, strict=False):  # one aim may stand for all batches
            try:
                parts.append(plan.run(network, copy, batch, aim, task))
            except NoReLUError as error:
                plan, sentence = plan.without_guided(error)
                left_out.append(sentence)
                parts.append(plan.run(network, copy, batch, aim, task))
            task = parts[-1].task
    return plan, parts, left_out


@by_itself
def explained_classes(
    model: LoadedModel | nn.Module | Variant,
    images: Tensor,
    target: str | int | Classes = "predicted",
    labels: Classes | None = None,
    *,
    batch_size: int | None = None,
) -> Tensor:
    """Return the class that `explain` would explain of each image, ``(B,)``, int64, on the CPU.

    A class that is given or a label costs no forward; a prediction costs one forward and no backward pass.

    Args:
        model: As `explain` takes it.
        images: As `explain` takes them.
        target: "predicted", "label", one class for all images, or a class per image.
        labels: Class of every image, for the target "label".
        batch_size: Images per forward; None chooses by their size.

    Raises:
        AutolaError: As `explain`.
    """
    chosen = fixed_targets(target, labels, len(images))
    if chosen is not None:
        return chosen
    variant = as_variant(model)
    images = standardised(variant, images)
    task = classification_of(variant)
    predicted = []
    for batch in _batches(images, batch_size or gradient_batch_size(max(images.shape[2:]), images.device)):
        output = gradients(variant.model, batch, task.score()).output
        if is_single(output):  # of several the largest is predicted, whatever they are
            task = task.settled(variant.model, batch, output)
        predicted.append(predicted_classes(task.scores(output)))
    return torch.cat(predicted).cpu()
