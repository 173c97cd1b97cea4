"""Explain what a network sees: any number of methods and layers from one forward per batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from autola_analysis.analyses.saliency.captum_bridge import PREFIX, CaptumMethod, captum_method, copied_for_captum
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.analyses.saliency.explanation import NO_CLASS, Explanation, MapKey, status_of
from autola_analysis.analyses.saliency.methods import METHODS, Method, Signals
from autola_analysis.analyses.saliency.options import Grid
from autola_analysis.analyses.saliency.receptive_field import probe
from autola_analysis.analyses.saliency.targets import Classes, Target, fixed_targets
from autola_analysis.analyses.variants import Variant, as_variant, classification_of
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.core.errors import DataError, LayerError, OptionError
from autola_analysis.inference.channels import ChannelAxis
from autola_analysis.inference.channels import channel_axis as assumed_axis
from autola_analysis.inference.class_scores import is_single
from autola_analysis.inference.gradients import NoReLUError, gradients
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.outputs import Output, Score
from autola_analysis.inference.precision import fitting, number_type
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.tasks import Classification
from autola_analysis.inference.tasks.classification import predicted_classes

Reshape = Callable[[Tensor], Tensor]
"""A layer's output, of any shape, -> ``(B, K, h, w)``; applied to activation and gradient alike"""


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
    explains the image itself. The network runs unfolded, in evaluation mode, in its own memory format and where it
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
    images = standardised(variant, images, needs_head=not callable(target))
    plan = _Plan.of(variant, methods, layers, guide_gates, reshape, method_options or {})
    with assumed_axis("first" if reshape else channel_axis):
        plan = replace(plan, grids=_known_grids(grid, variant.model, images, plan))
    chosen = None if callable(target) else fixed_targets(target, labels, len(images))
    size = batch_size or gradient_batch_size(max(images.shape[2:]), images.device)
    parts: list[_Part] = []
    task = classification_of(variant)
    noticed: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(assumed_axis("first" if reshape else channel_axis))
        copy = stack.enter_context(copied_for_captum(variant.model)) if plan.has_captum else None
        for start in range(0, len(images), size):
            classes = None if chosen is None else chosen[start : start + size]
            aim = target if callable(target) else classes
            batch = images[start : start + size]
            try:
                parts.append(plan.run(variant.model, copy, batch, aim, task))
            except NoReLUError as error:
                plan, left_out = plan.without_guided(error)
                noticed.append(left_out)
                parts.append(plan.run(variant.model, copy, batch, aim, task))
            task = parts[-1].task
    maps = {key: torch.cat([part.maps[key] for part in parts]) for key in plan.keys}
    status = {key: status_of(of_key) for key, of_key in maps.items()}
    grids = parts[0].grids
    settings = {
        "methods": list(plan.methods),
        "layers": list(plan.layers),
        "target": _written(target),
        "grid": grid if isinstance(grid, str) else "given",
        "cells": {layer: of_layer.described() for layer, of_layer in grids.items()},
        "guide_gates": guide_gates,
        "guided_relus": parts[0].relus,
        "ordinary_activations": list(parts[0].ordinary),
        "outputs": parts[0].logits.shape[1],
        "output": task.read_as,
        "about_output": parts[0].about,
        "left_out": noticed,
        "batch_size": size,
        "number_type": str(number_type(variant.model)).removeprefix("torch."),
    }
    return Explanation(
        maps=maps,
        targets=torch.cat([part.targets for part in parts]).cpu(),
        scores=torch.cat([part.scores for part in parts]).float().cpu(),
        logits=torch.cat([part.logits for part in parts]).float().cpu(),
        status=status,
        grids=grids,
        settings=settings,
        warnings=(
            *(f"{variant.title}: {sentence}" for sentence in noticed),
            *_warnings(variant, status, parts[0].about),
        ),
    )


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
    size = batch_size or gradient_batch_size(max(images.shape[2:]), images.device)
    task = classification_of(variant)
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    predicted = []
    for batch in batches:
        output = gradients(variant.model, batch, task.score()).output
        if is_single(output):  # of several the largest is predicted, whatever they are
            task = task.settled(variant.model, batch, output)
        predicted.append(predicted_classes(task.scores(output)))
    return torch.cat(predicted).cpu()


def resolve_methods(
    names: str | Sequence[str], options: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Method | CaptumMethod]:
    """Return saliency methods by name, ours or captum's.

    Raises:
        UnknownNameError: If there is no such method.
        OptionError: If none is named, one is named twice, or options are given for one that takes none.
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names or len(set(names)) != len(names):
        raise OptionError(f"methods are one or more names, each once; found {', '.join(names) or 'none'}.")
    for name in options or {}:
        if name not in names or not name.startswith(PREFIX):
            raise OptionError(f"options were given for {name!r}, which is no captum: method that was asked for.")
    return {
        name: captum_method(name, (options or {}).get(name)) if name.startswith(PREFIX) else METHODS.get(name)
        for name in names
    }


class _ClassScore:
    """Reads the score of a class of each image; the first output shows what outputs are, where that is not known.

    Attributes:
        task: How outputs are read.
    """

    def __init__(self, task: Classification, classes: Tensor | None) -> None:
        self.task = task
        self._classes = classes

    def __call__(self, output: Output) -> Tensor:
        self.task = self.task.settled_by(output)
        return self.task.score(self._classes)(output)


@dataclass(frozen=True)
class _Part:
    """One batch, explained; the attributes are those of `Explanation` and `Gradients`."""

    maps: Mapping[MapKey, Tensor]
    targets: Tensor
    scores: Tensor
    logits: Tensor
    task: Classification
    about: str
    relus: int
    ordinary: tuple[str, ...]
    grids: Mapping[str, CellGrid]


@dataclass(frozen=True)
class _Plan:
    """What to take from each forward, and what to make of it."""

    methods: Mapping[str, Method | CaptumMethod]
    layers: Sequence[str]
    guide_gates: bool
    reshape: Reshape | None
    grids: Mapping[str, CellGrid] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        variant: Variant,
        names: str | Sequence[str],
        layers: str | Sequence[str] | None,
        guide_gates: bool,
        reshape: Reshape | None,
        options: Mapping[str, Mapping[str, Any]],
    ) -> _Plan:
        methods = resolve_methods(names, options)
        chosen: list[str] = []
        if any(method.by_layer for method in methods.values()):
            chosen = resolve_layers(variant.model, [layers] if isinstance(layers, str) else layers)
            chosen = chosen[-1:] if layers is None else chosen
            if not chosen:
                raise OptionError("these methods explain at layers, and the list of layers is empty.")
        return cls(methods, chosen, guide_gates, reshape)

    @property
    def keys(self) -> list[MapKey]:
        return [
            (name, layer)
            for name, method in self.methods.items()
            for layer in (self.layers if method.by_layer else [None])
        ]

    @property
    def has_captum(self) -> bool:
        return any(isinstance(method, CaptumMethod) for method in self.methods.values())

    def without_guided(self, error: NoReLUError) -> tuple[_Plan, str]:
        """Return the plan without the methods that guide ReLUs, and what to say of them.

        Raises:
            NoReLUError: If no other method was asked for.
        """
        guided = [name for name, method in self.methods.items() if isinstance(method, Method) and method.guided]
        rest = {name: method for name, method in self.methods.items() if name not in guided}
        if not rest:
            raise error
        sentence = f"{error} {', '.join(guided)} is left out; --method gradient gives the plain gradient in its place."
        return replace(self, methods=rest), sentence

    def run(
        self,
        model: nn.Module,
        copy: nn.Module | None,
        images: Tensor,
        aim: Tensor | Score | None,
        task: Classification,
    ) -> _Part:
        """Explain the class of each image, what a score reads from the output, or, for None, the predictions."""
        ours = [method for method in self.methods.values() if isinstance(method, Method)]
        score = aim if callable(aim) else _ClassScore(task, aim)
        found = gradients(
            model,
            images,
            score,
            self.layers if any(method.by_layer for method in ours) else (),
            image=any(method.image for method in ours),
            guided=any(method.guided for method in ours),
            guide_gates=self.guide_gates,
        )
        task = score.task if isinstance(score, _ClassScore) else task
        targets, logits = _classes_and_scores(found.output, aim, len(images), task)
        size = (images.shape[2], images.shape[3])
        maps: dict[MapKey, Tensor] = {}
        with torch.inference_mode(False), torch.no_grad():
            grids: dict[str, CellGrid] = {}
            signals: dict[str | None, Signals] = {None: Signals(image=found.image, guided=found.guided)}
            for layer in found.layers:
                activation, gradient = self._feature_maps(layer, found.activations[layer], found.layers[layer])
                grids[layer] = self._grid(layer, activation, size)
                signals[layer] = Signals(activation, gradient, grids[layer], found.image, found.guided)
            for key in self.keys:
                method = self.methods[key[0]]
                if isinstance(method, Method):
                    maps[key] = method.make(signals[key[1]]).to("cpu", torch.float32)
        for key in self.keys:
            method = self.methods[key[0]]
            if isinstance(method, CaptumMethod):
                assert copy is not None
                single = not callable(aim) and logits.shape != found.output.shape
                read = aim if callable(aim) else task.scores if single else None
                of_class = None if callable(aim) else targets
                made = method.maps(copy, images, of_class, key[1], read)
                if made.ndim == 3 and key[1] is not None:
                    grids[key[1]] = self._grid(key[1], made, size)
                    made = grids[key[1]].place(made)
                maps[key] = made.to("cpu", torch.float32)
        # The maps are made; what they were made of need not be kept.
        about = "" if callable(aim) else task.about(found.output)
        return _Part(maps, targets, found.scores, logits, task, about, found.relus, found.ordinary, grids)

    def _grid(self, layer: str, cells: Tensor, size: tuple[int, int]) -> CellGrid:
        """Return where the cells of a layer lie, whose output or maps are ``(..., h, w)``."""
        known = self.grids.get(layer)
        return known or CellGrid.stretched((cells.shape[-2], cells.shape[-1]), size)

    def _feature_maps(self, layer: str, *tensors: Tensor) -> list[Tensor]:
        shaped = [self.reshape(tensor) for tensor in tensors] if self.reshape else list(tensors)
        for before, after in zip(tensors, shaped, strict=True):
            if not isinstance(after, Tensor) or after.ndim != 4 or len(after) != len(before):
                found = f"puts out shape {tuple(before.shape)}"
                if self.reshape:
                    became = tuple(after.shape) if isinstance(after, Tensor) else type(after).__name__
                    found += f", which reshape made {became}"
                raise LayerError(
                    f"layer {layer!r} {found}; a saliency map needs a feature map (B, K, h, w): name another layer, or "
                    "give reshape, a function that brings the output into that shape."
                )
        return shaped


def _known_grids(
    grid: Grid | Mapping[str, CellGrid], model: nn.Module, images: Tensor, plan: _Plan
) -> Mapping[str, CellGrid]:
    """Return where the cells of layers lie, as far as that is not by stretching."""
    if isinstance(grid, Mapping):
        return grid
    if grid not in get_args(Grid):
        raise OptionError(f"grid is one of {', '.join(get_args(Grid))}; found {grid!r}.")
    probed = plan.layers if grid == "receptive-field" else ()
    return probe(model, images, probed, plan.reshape) if probed else {}


def _classes_and_scores(
    output: Output, aim: Tensor | Score | None, images: int, task: Classification
) -> tuple[Tensor, Tensor]:
    """Return what `Explanation.targets` and `Explanation.logits` hold of a batch."""
    if callable(aim):
        return torch.full((images,), NO_CLASS), torch.empty(images, 0)
    scores = task.scores(output)
    return predicted_classes(scores) if aim is None else aim.to(scores.device), scores


def _written(target: Target) -> str | int:
    """Return a target as settings record it."""
    if callable(target):
        return f"function {getattr(target, '__name__', type(target).__name__)}"
    return target if isinstance(target, (str, int)) else "per image"


def standardised(variant: Variant, images: Tensor, needs_head: bool = True) -> Tensor:
    """Return the images as the network takes them, on its device and in its type.

    Raises:
        DataError: If they are not a batch, or the network has no head where it needs one, or no known preprocessing.
    """
    if not isinstance(images, Tensor) or images.ndim != 4:
        found = f"shape {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise DataError(f"images must be a tensor (B, 3, H, W); found {found} (images[None] makes a batch of one).")
    if not len(images):
        raise DataError("there is no image to explain.")
    if needs_head and not variant.has_head:
        raise DataError(f"{variant.title} has no head, so that there is no class score to explain.")
    weight = next((p for p in variant.model.parameters() if p.is_floating_point()), None)
    with torch.inference_mode(False), torch.no_grad():
        device = images.device if weight is None else weight.device
        images = images.to(device)
        if images.dtype == torch.uint8:
            if variant.preprocessing is None:
                raise DataError("the images are uint8 and the network's preprocessing is not known; standardise them.")
            images = variant.preprocessing.normalize(images)
        if not images.is_floating_point():
            raise DataError(f"images must be floating point or uint8; found {images.dtype}.")
        return fitting(images, variant.model)


def _warnings(variant: Variant, status: Mapping[MapKey, Iterable[str]], about: str) -> list[str]:
    warnings = [f"{variant.title}: {about}"] if about else []
    for (method, layer), statuses in status.items():
        found = list(statuses)
        for bad in ("non-finite", "zero", "constant"):
            if count := found.count(bad):
                place = f"{method} at {layer}" if layer else method
                warnings.append(f"{variant.title}: {count} of {len(found)} maps of {place} are {bad}.")
    return warnings
