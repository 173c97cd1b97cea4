"""From explained batches to one explanation: its tensors, what decided them, and what must be known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from autola_analysis.analyses.saliency.explanation import Explanation, MapKey, status_of
from autola_analysis.analyses.saliency.plan import Part, Plan
from autola_analysis.analyses.saliency.targets import Target
from autola_analysis.analyses.variants import Variant
from autola_analysis.inference.precision import number_type


def joined(
    variant: Variant, plan: Plan, parts: Sequence[Part], left_out: Sequence[str], asked: Mapping[str, Any]
) -> Explanation:
    """Return the explanation of all batches.

    Args:
        variant: The network.
        plan: What was made of each batch.
        parts: The batches in order, one at least.
        left_out: What to say of methods that could not be run.
        asked: Settings as they were asked for; those that the batches show are added.
    """
    first = parts[0]
    maps = {key: _together([part.maps[key] for part in parts]) for key in plan.keys}
    status = {key: status_of(of_key) for key, of_key in maps.items()}
    settings = {
        "methods": list(plan.methods),
        "layers": list(plan.layers),
        **asked,
        "cells": {layer: of_layer.described() for layer, of_layer in first.grids.items()},
        "guide_gates": plan.guide_gates,
        "guided_relus": first.relus,
        "ordinary_activations": list(first.ordinary),
        "outputs": first.logits.shape[1],
        "output": parts[-1].task.read_as,
        "about_output": first.about,
        "left_out": list(left_out),
        "number_type": str(number_type(variant.model)).removeprefix("torch."),
    }
    return Explanation(
        maps=maps,
        targets=torch.cat([part.targets for part in parts]).cpu(),
        scores=torch.cat([part.scores for part in parts]).float().cpu(),
        logits=torch.cat([part.logits for part in parts]).float().cpu(),
        status=status,
        grids=first.grids,
        settings=settings,
        warnings=(
            *(f"{variant.title}: {sentence}" for sentence in left_out),
            *_warnings(variant, status, first.about),
        ),
    )


def _together(batches: Sequence[Tensor]) -> Tensor:
    """Return the maps of all batches; those of a single one are not copied."""
    return batches[0].contiguous() if len(batches) == 1 else torch.cat(list(batches))


def written_target(target: Target) -> str | int:
    """Return a target as settings record it."""
    if callable(target):
        return f"function {getattr(target, '__name__', type(target).__name__)}"
    return target if isinstance(target, (str, int)) else "per image"


def _warnings(variant: Variant, status: Mapping[MapKey, Iterable[str]], about: str) -> list[str]:
    warnings = [f"{variant.title}: {about}"] if about else []
    for (method, layer), statuses in status.items():
        found = list(statuses)
        for bad in ("non-finite", "zero", "constant"):
            if count := found.count(bad):
                place = f"{method} at {layer}" if layer else method
                warnings.append(f"{variant.title}: {count} of {len(found)} maps of {place} are {bad}.")
    return warnings
