"""The saliency methods by name: what each needs from a forward, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from autola_analysis.analyses.saliency.cam import grad_cam, grad_cam_plus_plus, hires_cam, layer_cam
from autola_analysis.analyses.saliency.captum_bridge import PREFIX, CaptumMethod, captum_method
from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry


@dataclass(frozen=True)
class Signals:
    """What one forward gave to explain a batch with.

    Attributes:
        activation: Of the layer, ``(B, K, h, w)``; None for methods without a layer.
        gradient: Of the score at the layer, of the same shape.
        grid: Where the layer's cells lie in the images.
        image: Plain gradient of the score at the images, ``(B, 3, H, W)``, where a method needs it.
        guided: The same by guided backpropagation.
    """

    activation: Tensor | None = None
    gradient: Tensor | None = None
    grid: CellGrid | None = None
    image: Tensor | None = None
    guided: Tensor | None = None

    def cam(self, cam: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return a class activation map at the size of the images, ``(B, H, W)``, on the CPU.

        It leaves a GPU before it grows a thousandfold.
        """
        assert self.activation is not None
        assert self.gradient is not None
        assert self.grid is not None
        return self.grid.place(cam(self.activation.float(), self.gradient.float()).cpu())


@dataclass(frozen=True)
class Method:
    """A way to explain a score.

    Attributes:
        make: Makes the maps of a batch: ``(B, H, W)``, or ``(B, 3, H, W)`` for methods that explain the input.
        title: What figures call it.
        description: One line for lists and pages.
        reference: Who proposed it.
        citation: Key of the work in ``references.bib``.
        by_layer: Whether it explains at a layer.
        image: Whether it needs the plain gradient at the images.
        guided: Whether it needs the guided one.
    """

    make: Callable[[Signals], Tensor]
    title: str
    description: str
    reference: str
    citation: str
    by_layer: bool = False
    image: bool = False
    guided: bool = False


METHODS: Registry[Method] = Registry("saliency method")
ALIASES = {"odam": "hires-cam"}
"""ODAM (Zhao and Chan, ICLR 2023) is HiResCAM's formula for the score of one detection"""

METHODS.register("grad-cam")(
    Method(
        lambda signals: signals.cam(grad_cam),
        "Grad-CAM",
        "activation maps of a layer, weighted by their mean gradient",
        "Selvaraju et al., ICCV 2017",
        "selvaraju2017",
        by_layer=True,
    )
)
METHODS.register("grad-cam++")(
    Method(
        lambda signals: signals.cam(grad_cam_plus_plus),
        "Grad-CAM++",
        "activation maps of a layer, weighted by a weighted mean of their positive gradients",
        "Chattopadhay et al., WACV 2018",
        "chattopadhay2018",
        by_layer=True,
    )
)
METHODS.register("hires-cam")(
    Method(
        lambda signals: signals.cam(hires_cam),
        "HiResCAM",
        "activation of a layer times its gradient, position by position",
        "Draelos and Carin, 2020",
        "draelos2020",
        by_layer=True,
    )
)
METHODS.register("layer-cam")(
    Method(
        lambda signals: signals.cam(layer_cam),
        "LayerCAM",
        "activation of a layer times its positive gradient, position by position",
        "Jiang et al., TIP 2021",
        "jiang2021",
        by_layer=True,
    )
)


def _gradient(signals: Signals) -> Tensor:
    assert signals.image is not None
    return signals.image


def _guided_backprop(signals: Signals) -> Tensor:
    assert signals.guided is not None
    return signals.guided


def _guided_grad_cam(signals: Signals) -> Tensor:
    return _guided_backprop(signals).cpu() * signals.cam(grad_cam)[:, None]


METHODS.register("gradient")(
    Method(
        _gradient,
        "Gradient",
        "gradient of the score at the image",
        "Simonyan, Vedaldi and Zisserman, ICLR 2014 workshop",
        "simonyan2014",
        image=True,
    )
)
METHODS.register("guided-backprop")(
    Method(
        _guided_backprop,
        "Guided backpropagation",
        "gradient at the image that passes ReLUs only where it is positive",
        "Springenberg et al., ICLR 2015 workshop",
        "springenberg2015",
        guided=True,
    )
)
METHODS.register("guided-grad-cam")(
    Method(
        _guided_grad_cam,
        "Guided Grad-CAM",
        "guided backpropagation times Grad-CAM",
        "Selvaraju et al., ICCV 2017",
        "selvaraju2017",
        by_layer=True,
        guided=True,
    )
)


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


def object_methods(names: str | Sequence[str]) -> dict[str, Method]:
    """Return our methods for single objects or joints by the names that they were asked for, `ALIASES` among them.

    Raises:
        UnknownNameError: If there is no such method.
    """
    names = [names] if isinstance(names, str) else names
    return {name: METHODS.get(ALIASES.get(name, name)) for name in names}


def title_of(method: str) -> str:
    """Return what figures call a method; its name where it is none of ours."""
    if method in ALIASES:
        return method.upper()
    return METHODS.get(method).title if method in METHODS else method


def list_methods() -> list[str]:
    """Return a line per method, for ``list methods``."""
    ours = [f"{name}: {METHODS.get(name).description} ({METHODS.get(name).reference})" for name in METHODS]
    odam = "odam: of detectors, hires-cam of one detection (Zhao and Chan, ICLR 2023)"
    return [*ours, odam, "captum:NAME: any attribution of captum, e.g. captum:IntegratedGradients"]
