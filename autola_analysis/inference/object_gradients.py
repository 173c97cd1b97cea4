"""Gradients of the scores of several objects in an image, from one forward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import LayerError
from autola_analysis.inference.candidates import Candidates, CandidateScores, Choose, Chosen, ScoredCandidates
from autola_analysis.inference.gradients import trace
from autola_analysis.inference.layers import resolve_layers

INSIDE = "detector."
"""Prefix of the layers of a detector inside `CandidateScores`"""


@dataclass(frozen=True)
class ObjectGradients:
    """What one forward and its backward passes give of D objects or joints, image by image, without a graph.

    Attributes:
        owners: Number of the image of every object, ``(D,)``.
        scores: What was explained, ``(D,)``.
        activations: Output per layer of the image of every object, ``(D, K, h, w)``.
        layers: Gradient of the score per layer, ``(D, K, h, w)``.
        image: Gradient at the image, ``(D, 3, H, W)``; None where it was not asked for.
        guided: The same by guided backpropagation's rule.
        relus: ReLUs that followed that rule.
        ordinary: Names of activations that did not.
        levels: Number of the feature map that the score of every object is read from, ``(D,)``; none of joints.
        chosen: Candidates, labels and regions, of every image; none of joints.
        candidates: Of every image; none of joints, or where what is explained was given.
    """

    owners: Tensor
    scores: Tensor
    activations: Mapping[str, Tensor]
    layers: Mapping[str, Tensor]
    image: Tensor | None = None
    guided: Tensor | None = None
    relus: int = 0
    ordinary: tuple[str, ...] = ()
    levels: Tensor | None = None
    chosen: Sequence[Chosen] = ()
    candidates: Sequence[Candidates] = ()


def object_gradients(
    model: nn.Module,
    images: Tensor,
    choose: Choose,
    layers: Sequence[str] = (),
    image: bool = False,
    guided: bool = False,
    guide_gates: bool = True,
    margin: bool = False,
) -> ObjectGradients:
    """Run one forward of a detector, and one backward pass for the first object of every image, for the second, ...

    Images do not depend on each other, so that the gradient of the sum over images holds the gradient of each: there
    are as many backward passes as the image with the most objects has. All else is as in `gradients`.

    Args:
        model: A detector of this package, in any mode.
        images: ``(B, 3, H, W)`` from 0 to 1, on the model's device.
        choose: What is explained in every image, see `candidates`.
        layers: Names of layers to take activations and gradients of, see `tap`.
        image: Whether to take the gradient with respect to the images.
        guided: Whether to take it by guided backpropagation's rule.
        guide_gates: Whether guided backpropagation guides ReLUs of gates too.
        margin: Whether the score is the logit less that of the background.

    Raises:
        DataError: If the network is no detector of this package.
        AutolaError: As `gradients`.
    """
    names = resolve_layers(model, layers)
    scored = CandidateScores(model, choose, margin)
    inside = [INSIDE + name for name in names]
    try:
        traced = trace(scored, images, _rounds, inside, image, guided, guide_gates)
    except LayerError as error:
        raise LayerError(str(error).replace(INSIDE, "")) from error
    output = traced.output
    assert isinstance(output, ScoredCandidates)
    places = _places(output.owners)
    of_round = partial(gathered, owners=output.owners, rounds=places)
    return ObjectGradients(
        output.owners,
        output.scores.detach(),
        {name: traced.activations[INSIDE + name][output.owners] for name in names},
        {name: of_round([plain[INSIDE + name] for _, plain, _ in traced.rounds]) for name in names},
        of_round([plain[""] for _, plain, _ in traced.rounds]) if image else None,
        of_round([found for _, _, found in traced.rounds if found is not None]) if guided else None,
        traced.relus,
        traced.ordinary,
        output.levels,
        output.chosen,
        output.candidates,
    )


def _places(owners: Tensor) -> Tensor:
    """Return of every object how many objects of its image come before it, ``(D,)``; images stand together."""
    counts = owners.bincount()
    first = counts.cumsum(0) - counts
    return torch.arange(len(owners), device=owners.device) - first[owners]


def _rounds(output: ScoredCandidates) -> list[Tensor]:
    """Return the scores of the first objects of all images, of the second, ..."""
    places = _places(output.owners)
    return [output.scores[places == place] for place in range(int(places.max()) + 1 if len(places) else 0)]


def gathered(gradients: Sequence[Tensor], owners: Tensor, rounds: Tensor) -> Tensor:
    """Return the gradient of every object from its round and its image."""
    if not len(owners):
        return torch.empty(0)
    return torch.stack([gradients[place][owner] for owner, place in zip(owners.tolist(), rounds.tolist(), strict=True)])
