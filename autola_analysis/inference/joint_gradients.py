"""Gradients of the heat maps of several joints, each at one cell, from one forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import DataError
from autola_analysis.inference.gradients import trace
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.object_gradients import ObjectGradients, gathered
from autola_analysis.inference.outputs import Output, describe

Cells = Callable[[Tensor], Tensor]
"""Heat maps ``(B, J, h, w)`` -> column and row of the cell whose value is explained, of every joint, ``(B, J, 2)``"""


def joint_gradients(
    model: nn.Module,
    images: Tensor,
    cells: Cells,
    layers: Sequence[str] = (),
    image: bool = False,
    guided: bool = False,
    guide_gates: bool = True,
) -> ObjectGradients:
    """Run one forward of a network with a heat map per joint, and one backward pass for every joint.

    Images do not depend on each other, so that a backward pass gives the gradients of a joint in all of them. Joints
    come image by image. All else is as in `gradients`.

    Args:
        model: Puts out heat maps ``(B, J, h, w)``, in any mode.
        images: ``(B, 3, H, W)`` as the network takes them, on its device.
        cells: Chooses the cells; what it gets is part of no graph.
        layers: Names of layers to take activations and gradients of, see `tap`.
        image: Whether to take the gradient with respect to the images.
        guided: Whether to take it by guided backpropagation's rule.
        guide_gates: Whether guided backpropagation guides ReLUs of gates too.

    Raises:
        DataError: If the network puts out no heat maps.
        AutolaError: As `gradients`.
    """
    names = resolve_layers(model, layers)
    traced = trace(model, images, partial(_rounds, cells, len(images)), names, image, guided, guide_gates)
    joints = len(traced.rounds)
    owners = torch.arange(len(images)).repeat_interleave(joints)
    of_round = partial(gathered, owners=owners, rounds=torch.arange(joints).repeat(len(images)))
    return ObjectGradients(
        owners,
        torch.stack([scores for scores, _, _ in traced.rounds], 1).flatten(),
        {name: traced.activations[name][owners.to(images.device)] for name in names},
        {name: of_round([plain[name] for _, plain, _ in traced.rounds]) for name in names},
        of_round([plain[""] for _, plain, _ in traced.rounds]) if image else None,
        of_round([found for _, _, found in traced.rounds if found is not None]) if guided else None,
        traced.relus,
        traced.ordinary,
    )


def _rounds(cells: Cells, count: int, output: Output) -> list[Tensor]:
    """Return the values of the first joint's map in all images, of the second's, ..."""
    if not isinstance(output, Tensor) or output.ndim != 4 or len(output) != count:
        raise DataError(
            f"a network for joints puts out heat maps (B, J, h, w); found {describe(output)}. Detectors of objects are "
            "explained by explain_objects, classifiers by explain."
        )
    columns, rows = cells(output.detach()).to(output.device).unbind(-1)
    flat = output.flatten(2).gather(2, (rows * output.shape[3] + columns)[..., None])[..., 0]
    return list(flat.unbind(1))
