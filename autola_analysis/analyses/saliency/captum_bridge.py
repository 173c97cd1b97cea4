"""Every other attribution, through captum: ``captum:IntegratedGradients``, ``captum:LayerGradCam``, ..."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autola_analysis.core.errors import LayerError, MissingExtraError, OptionError, UnknownNameError
from autola_analysis.core.registry import nearest
from autola_analysis.inference.channels import channels_last
from autola_analysis.inference.copies import copied
from autola_analysis.inference.outputs import Score
from autola_analysis.inference.places import place_of

PREFIX = "captum:"

Defaults = Callable[[Tensor], dict[str, Any]]

DEFAULTS: dict[str, Defaults] = {
    "GradientShap": lambda images: {"baselines": torch.zeros_like(images)},
    "DeepLiftShap": lambda images: {"baselines": torch.zeros_like(images[:1]).expand(2, -1, -1, -1)},
    "LayerGradientShap": lambda images: {"baselines": torch.zeros_like(images)},
    "LayerGradCam": lambda images: {"relu_attributions": True},
    "Occlusion": lambda images: {
        "sliding_window_shapes": (images.shape[1], *(max(1, side // 8) for side in images.shape[2:])),
        "strides": (images.shape[1], *(max(1, side // 16) for side in images.shape[2:])),
    },
    "FeatureAblation": lambda images: {"feature_mask": patches(images)},
    "ShapleyValueSampling": lambda images: {"feature_mask": patches(images)},
    "KernelShap": lambda images: {"feature_mask": patches(images)},
    "Lime": lambda images: {"feature_mask": patches(images)},
}
"""What captum asks for and has no default of its own for: zero is the mean image, a window is an eighth of a side."""


def patches(images: Tensor, per_side: int = 8) -> Tensor:
    """Return a mask ``(1, C, H, W)`` that numbers square patches, all channels of one together."""
    height, width = images.shape[2:]
    rows = torch.arange(height) * per_side // height
    columns = torch.arange(width) * per_side // width
    mask = rows[:, None] * per_side + columns
    return mask.expand(1, images.shape[1], height, width).to(images.device)


@dataclass(frozen=True)
class CaptumMethod:
    """An attribution of captum.

    It runs on a copy of the network, so that whatever it leaves behind is not left on the caller's.

    Attributes:
        name: Class in ``captum.attr``.
        options: Arguments of its ``attribute``.
        by_layer: Whether it explains at a layer. What has the layer's shape is then summed over channels.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    by_layer: bool = False

    def maps(
        self, model: nn.Module, images: Tensor, targets: Tensor | None, layer: str | None, score: Score | None = None
    ) -> Tensor:
        """Return the maps of a batch: ``(B, h, w)`` of a layer's cells, else ``(B, 3, H, W)``.

        Args:
            model: A copy in evaluation mode whose parameters take no gradient.
            images: ``(B, 3, H, W)``.
            targets: Class to explain of each image, ``(B,)``; None where a score of its own is given.
            layer: Name of the layer, where the attribution has one.
            score: Reads what is explained from the output, or scores of all classes where targets are given, for
                batches of any size.

        Raises:
            OptionError: If captum refuses the options, or the layer is one run or entry of a layer.
            LayerError: If the attribution at the layer has not the shape of a feature map.
        """
        attribution: Any = dict(_attributions())[self.name]
        defaults = DEFAULTS[self.name](images) if self.name in DEFAULTS else {}
        options = defaults | dict(self.options)
        place = [] if layer is None else [self._layer(model, layer)]
        network = model if score is None else _Scored(model, score)
        inputs = images.detach().clone().requires_grad_()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on hooks that it sets and removes
                found = attribution(network, *place).attribute(inputs, target=targets, **options)
        except Exception as error:
            if not _raised_by_captum(error):
                raise
            raise OptionError(f"captum's {self.name} cannot explain this network: {_first_line(error)}") from error
        if not isinstance(found, Tensor):
            raise LayerError(f"captum's {self.name} gave {type(found).__name__} at layer {layer!r}, not one tensor.")
        found = found.detach()
        if layer is None or not self.name.startswith("Layer"):
            return found.expand_as(images)
        if found.ndim != 4:
            raise LayerError(f"captum's {self.name} gave shape {tuple(found.shape)} at layer {layer!r}, not a map.")
        return found.sum(-1 if channels_last(model, layer, found, images.shape[2:]) else 1)

    def _layer(self, model: nn.Module, layer: str) -> nn.Module:
        place = place_of(model, layer)
        if not place.is_whole_layer:
            raise OptionError(f"captum's {self.name} explains at a whole layer; {layer!r} names a part of one.")
        return model.get_submodule(place.module)


class _Scored(nn.Module):
    """A network that puts out the score to explain, ``(B,)``, or those of all classes."""

    def __init__(self, model: nn.Module, score: Score) -> None:
        super().__init__()
        self.model = model
        self._score = score

    def forward(self, images: Tensor) -> Tensor:
        return self._score(self.model(images))


def captum_method(name: str, options: Mapping[str, Any] | None = None) -> CaptumMethod:
    """Return the attribution of a name as ``captum:NAME`` has it.

    Raises:
        MissingExtraError: If captum is not installed.
        UnknownNameError: If it has no such attribution for images or layers.
    """
    known = dict(_attributions())
    short = name.removeprefix(PREFIX)
    if short not in known:
        raise UnknownNameError(f"captum has no attribution {short!r}; the nearest: {', '.join(nearest(short, known))}.")
    return CaptumMethod(short, options or {}, "layer" in inspect.signature(known[short]).parameters)


@contextmanager
def copied_for_captum(model: nn.Module) -> Iterator[nn.Module]:
    """Yield a frozen copy in evaluation mode, with every random state of the process as before afterwards.

    The copy leaves its input as it is, since captum runs it on one tensor several times.
    """
    with torch.inference_mode(False), torch.enable_grad():
        ours = copied(model).requires_grad_(False)
        ours.register_forward_pre_hook(_own_inputs)
        cuda = list({parameter.device for parameter in ours.parameters() if parameter.device.type == "cuda"})
        state = np.random.get_state()  # noqa: NPY002  (captum draws from it)
        try:
            with torch.random.fork_rng(devices=cuda):
                yield ours
        finally:
            np.random.set_state(state)  # noqa: NPY002


def _own_inputs(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.clone() if isinstance(value, Tensor) else value for value in inputs)


def _attributions() -> list[tuple[str, Callable[..., Any]]]:
    try:
        from captum import attr
    except ImportError as error:
        raise MissingExtraError("captum: methods need captum, which is not installed; pip install captum.") from error
    found: list[tuple[str, Callable[..., Any]]] = []
    for name in attr.__all__:
        item = getattr(attr, name)
        if not inspect.isclass(item) or not hasattr(item, "attribute") or inspect.isabstract(item):
            continue
        # Neuron methods also need a unit, similarity-based ones data, wrappers a method, language ones no images.
        if name.startswith(("Neuron", "LLM", "RemoteLLM", "Internal")):
            continue
        needed = [key for key, value in inspect.signature(item).parameters.items() if value.default is value.empty]
        takes_network = needed in (["forward_func"], ["model"], ["forward_func", "layer"], ["model", "layer"])
        if takes_network and "target" in inspect.signature(item.attribute).parameters:
            found.append((name, item))
    return found


def _raised_by_captum(error: BaseException) -> bool:
    """Return whether captum refused, rather than the network failing or torch finding no way."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_in: str = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return raised_in.startswith("captum") or (isinstance(error, TypeError) and raised_in == __name__)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
