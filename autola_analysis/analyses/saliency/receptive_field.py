"""Where the receptive field of each cell of a layer is centred, found by probing a network.

Which grid is right, that of the literature (stretched over the image) or this one, depends on the network. Where
planted convolutions 3 x 3 of stride 2 react to a spot by its distance from the centre of the receptive field, stretched
maps lie (s - 1)/2 pixels too far right and down at a total stride s, and these do not. Where a kernel is as wide as its
stride, both are the same. A trained network may have learned to look beside the centre: in four of the demo's networks
(two plain, two HOGA, 100 images), whose receptive fields are wider than the image, maps of layer3 lie 0.5 of 32 pixels
too far right and down when stretched, and 0.7 too far left and up on this grid, with a precision of 0.52 either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase

from autola_analysis.analyses.saliency.cells import CellAxis, CellGrid
from autola_analysis.core.errors import LayerError
from autola_analysis.inference.copies import copied
from autola_analysis.inference.tap import tap

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
SMALL = 1e-20
"""Size of the probing images: so near zero that gates, which multiply, add nothing to a gradient."""
PROBED = 4  # cells per side
SLACK = 0.1
"""Largest distance of a probed cell from a regular grid, in strides."""


def probe(
    model: nn.Module, images: Tensor, layers: Sequence[str], reshape: Callable[[Tensor], Tensor] | None = None
) -> dict[str, CellGrid]:
    """Find where the cells of some layers lie in the images: where their receptive fields are centred.

    On a copy, each kernel and each window of a pooling layer becomes its middle (one tap, or the two or four around
    the middle), the same for all channels and positive; biases become 0, normalisations pass on what they get. The
    centre of every receptive field is as before, and the gradient of a cell's activation with respect to the image is
    non-negative and close about it. What all cells depend on alike, as through an attention's global mean, is removed
    by taking off the gradient of a far cell. Max pooling that is called as a function passes a gradient to one pixel
    of its window: two images, one that rises towards the lower right and one that falls, make it the last and the
    first one. The gradient's centroid is taken for a few cells; stride and first cell follow by least squares.

    It is the centre of what a cell can see, not of what it has learned to look at: all networks of one architecture
    have the same. The caller's network is not touched.

    Args:
        model: Takes images ``(B, C, H, W)``.
        images: Whose size the probing images have.
        layers: Names of layers, see `tap`.
        reshape: Brings a layer's output into the shape ``(B, K, h, w)``.

    Raises:
        LayerError: If a layer's output is no feature map, or its cells do not lie on a grid in the image.
    """
    cuda = [images.device] if images.device.type == "cuda" else []
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=cuda):
        network = copied(model, torch.device("cpu")).float().requires_grad_(False)
        _simplify(network)
        inputs = _ramps(images.shape[1:]).requires_grad_()
        with tap(network, layers) as activations:
            network(inputs)
            kept = dict(activations)
        return {name: _grid(name, reshape(kept[name]) if reshape else kept[name], inputs) for name in layers}


def _simplify(network: nn.Module) -> None:
    """Keep of a network's parameters where they look, in place."""

    def middle_of_windows(module: Any, inputs: Any, output: Tensor) -> Tensor:
        return _middle_of_windows(inputs[0], module, output.shape)

    def pass_on(module: nn.Module, inputs: Any, output: Any) -> Any:
        return inputs[0]

    for module in network.modules():
        if isinstance(module, NORMS):
            module.register_forward_hook(pass_on)
        if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
            module.register_forward_hook(middle_of_windows)
        for name, parameter in module.named_parameters(recurse=False):
            parameter.copy_(torch.full_like(parameter, 0.0 if "bias" in name else 1.0))
            if parameter.ndim >= 2 and parameter.numel():
                parameter.copy_(_middle(parameter))


def _middle(weight: Tensor) -> Tensor:
    """Return a weight ``(out, in, ...)`` whose kernels are their middle, with sum 1 over inputs and kernel."""
    kernel = torch.ones((), dtype=weight.dtype)
    for length in weight.shape[2:]:
        line = torch.zeros(length, dtype=weight.dtype)
        line[(length - 1) // 2 : length // 2 + 1] = 1
        kernel = kernel[..., None] * line / line.sum()
    return (kernel / weight.shape[1]).expand_as(weight)


def _middle_of_windows(x: Tensor, pool: nn.MaxPool2d | nn.AvgPool2d, shape: Sequence[int]) -> Tensor:
    """Return the middle of each window of a pooling layer that puts out this shape, ``(B, C, h, w)``."""
    kernel, stride, padding, dilation = (
        (value, value) if isinstance(value, int) else tuple(value)
        for value in (pool.kernel_size, pool.stride, pool.padding, getattr(pool, "dilation", 1))
    )
    # The last windows may reach out of the image.
    reach = [
        (shape[2 + side] - 1) * stride[side] + dilation[side] * (kernel[side] - 1) + 1 - padding[side]
        for side in (0, 1)
    ]
    beyond = [max(reach[side] - x.shape[2 + side], 0) for side in (0, 1)]
    x = F.pad(x, (padding[1], beyond[1], padding[0], beyond[0]))
    weight = _middle(torch.empty(x.shape[1], 1, *kernel))
    return F.conv2d(x, weight, None, stride, 0, dilation, x.shape[1])[:, :, : shape[2], : shape[3]]


def _ramps(shape: Sequence[int]) -> Tensor:
    """Return two images ``(2, C, H, W)``, one that rises to the lower right and one that falls, small and positive."""
    rows, columns = (torch.linspace(0, 1, length) for length in shape[1:])
    rising = rows[:, None] + columns
    images = torch.stack([1 + rising, 3 - rising])[:, None].expand(-1, shape[0], -1, -1)
    return SMALL * images.contiguous()


def _grid(layer: str, activation: Tensor, inputs: Tensor) -> CellGrid:
    """Return where the cells of an activation ``(2, K, h, w)`` lie in the images that it depends on."""
    if activation.ndim != 4:
        raise LayerError(
            f"layer {layer!r} puts out shape {tuple(activation.shape)}; only the cells of a feature map (B, K, h, w) "
            "have receptive fields: name another layer, or leave the grid stretched."
        )
    cells = (activation.shape[2], activation.shape[3])
    if min(cells) < 2:
        raise LayerError(
            f"layer {layer!r} puts out {cells[0]} x {cells[1]} cells, and where one cell alone lies shows nothing: "
            "name a layer with more, or leave the grid stretched."
        )
    summed = activation.sum((0, 1))
    numbers = [np.unique(np.linspace((count - 1) / 4, 3 * (count - 1) / 4, PROBED).round()) for count in cells]
    picked = [(int(numbers[0][0]), int(column)) for column in numbers[1]]
    picked += [(int(row), int(numbers[1][0])) for row in numbers[0][1:]]
    centres = np.array([_centre(layer, summed, cell, cells, inputs) for cell in picked])
    axes = []
    for side in (0, 1):
        places = np.array([cell[side] for cell in picked], dtype=float)
        axes.append(_fitted(layer, places, centres[:, side], cells[side], inputs.shape[2 + side]))
    return CellGrid(axes[0], axes[1])


def _centre(
    layer: str, activation: Tensor, cell: tuple[int, int], cells: tuple[int, int], inputs: Tensor
) -> NDArray[np.float64]:
    """Return the centroid (row, column) of what one cell depends on more than the cell farthest from it."""
    far = tuple(0 if number >= count / 2 else count - 1 for number, count in zip(cell, cells, strict=True))
    difference = activation[cell] - activation[far]
    found: Tensor | None = None
    if difference.requires_grad:
        (found,) = torch.autograd.grad(difference, inputs, retain_graph=True, allow_unused=True)
    weights = np.zeros(1) if found is None else found.double().sum((0, 1)).clamp(min=0).numpy()
    if not np.isfinite(weights).all() or not weights.sum() > 0:
        raise LayerError(
            f"no cell of layer {layer!r} depends on one place of the image more than the others do, so that it has no "
            "place: name a layer before, or leave the grid stretched."
        )
    rows, columns = (np.arange(length) + 0.5 for length in weights.shape)
    return np.array([weights.sum(1) @ rows, weights.sum(0) @ columns]) / weights.sum()


def _fitted(
    layer: str, numbers: NDArray[np.float64], centres: NDArray[np.float64], cells: int, pixels: int
) -> CellAxis:
    """Return the regular grid that passes the centres of the cells with these numbers, by least squares."""
    stride, first = np.polyfit(numbers, centres, 1)
    apart = np.abs(centres - (first + stride * numbers)).max()
    if stride <= 0 or apart > SLACK * stride:
        raise LayerError(
            f"the cells of layer {layer!r} lie on no regular grid in the image (up to {apart:.2g} pixels off a stride "
            f"of {stride:.2g}): name another layer, or leave the grid stretched."
        )
    return CellAxis(cells, pixels, float(stride), float(first))
