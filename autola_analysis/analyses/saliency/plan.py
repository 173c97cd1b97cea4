"""What to take from each forward of the network that is explained, and what to make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from autola_analysis.analyses.saliency.aim import ClassScore, targets_and_scores
from autola_analysis.analyses.saliency.captum_bridge import CaptumMethod
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.analyses.saliency.explanation import MapKey
from autola_analysis.analyses.saliency.methods import Method, Signals, resolve_methods
from autola_analysis.analyses.saliency.options import Grid
from autola_analysis.analyses.saliency.receptive_field import probe
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.inference.gradients import Gradients, NoReLUError, gradients
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.outputs import Score
from autola_analysis.inference.tasks import Classification

Reshape = Callable[[Tensor], Tensor]
"""A layer's output, of any shape, -> ``(B, K, h, w)``; applied to activation and gradient alike"""


@dataclass(frozen=True)
class Part:
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
class Plan:
    """What to take from each forward, and what to make of it.

    Attributes:
        methods: By name, in the order of the maps.
        layers: Where methods that need one explain.
        guide_gates: See `gradients`.
        reshape: See `explain`.
        grids: Where the cells of layers lie in the images; those that are missing divide the images among them.
    """

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
    ) -> Plan:
        """Return the plan of what is asked for; a network's last stage where no layer is named.

        Raises:
            UnknownNameError: If there is no such method or layer.
            OptionError: If methods or layers are empty, or options are given for a method that takes none.
        """
        methods = resolve_methods(names, options)
        chosen: list[str] = []
        if any(method.by_layer for method in methods.values()):
            chosen = resolve_layers(variant.model, [layers] if isinstance(layers, str) else layers)
            chosen = chosen[-1:] if layers is None else chosen
            if not chosen:
                raise OptionError("these methods explain at layers, and the list of layers is empty.")
        return cls(methods, chosen, guide_gates, reshape)

    def with_grids(self, grid: Grid | Mapping[str, CellGrid], model: nn.Module, images: Tensor) -> Plan:
        """Return the plan with where the cells of layers lie, as far as that is not by stretching.

        Raises:
            OptionError: If there is no such grid.
            LayerError: See `probe`.
        """
        if isinstance(grid, Mapping):
            return replace(self, grids=grid)
        if grid not in get_args(Grid):
            raise OptionError(f"grid is one of {', '.join(get_args(Grid))}; found {grid!r}.")
        probed = self.layers if grid == "receptive-field" else ()
        return replace(self, grids=probe(model, images, probed, self.reshape) if probed else {})

    @property
    def keys(self) -> list[MapKey]:
        """The maps to make, in order."""
        return [
            (name, layer)
            for name, method in self.methods.items()
            for layer in (self.layers if method.by_layer else [None])
        ]

    @property
    def has_captum(self) -> bool:
        """Whether a method is captum's, which needs a copy of the network."""
        return any(isinstance(method, CaptumMethod) for method in self.methods.values())

    @property
    def begins_at_layers(self) -> bool:
        """Whether no gradient is taken below the layers."""
        return all(
            isinstance(method, Method) and method.by_layer and not method.image and not method.guided
            for method in self.methods.values()
        )

    def without_guided(self, error: NoReLUError) -> tuple[Plan, str]:
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
    ) -> Part:
        """Explain the class of each image, what a score reads from the output, or, for None, the predictions."""
        ours = [method for method in self.methods.values() if isinstance(method, Method)]
        score = aim if callable(aim) else ClassScore(task, aim)
        found = gradients(
            model,
            images,
            score,
            self.layers if any(method.by_layer for method in ours) else (),
            image=any(method.image for method in ours),
            guided=any(method.guided for method in ours),
            guide_gates=self.guide_gates,
        )
        size = (images.shape[2], images.shape[3])
        maps, grids = self._own_maps(found, size)
        task = score.settled(found.output) if isinstance(score, ClassScore) else task
        targets, logits = targets_and_scores(found.output, aim, len(images), task)
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
        return Part(maps, targets, found.scores, logits, task, about, found.relus, found.ordinary, grids)

    def _own_maps(self, found: Gradients, size: tuple[int, int]) -> tuple[dict[MapKey, Tensor], dict[str, CellGrid]]:
        """Return the maps of this package's methods, and where the cells of each layer lie."""
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
        return maps, grids

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
