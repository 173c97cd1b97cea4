"""From what a classifier puts out to the scores and probabilities of classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.core.output_kind import OutputKind
from autola_analysis.inference.gradients import forward_with_graph
from autola_analysis.inference.outputs import Output, describe

ENDINGS = ("Softmax", "Sigmoid", "Hardsigmoid")
"""Operations that make probabilities, as autograd calls them"""
SHAPING = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Clone", "ToCopy", "Alias", "Select", "Clamp")
"""Operations that may follow them and change no probability"""
SUM_OF_PROBABILITIES = 1e-4
"""How far from 1 rounding brings the sum of the probabilities of an image"""


def output_matrix(output: Output) -> Tensor | None:
    """Return an output as ``(B, K)``, a single number per image as ``(B, 1)``; None where it is neither, or complex."""
    if not isinstance(output, Tensor) or output.ndim > 2 or output.is_complex():
        return None
    return output if output.ndim == 2 else output.reshape(-1, 1)


def is_single(output: Output) -> bool:
    """Return whether an output is a single number per image."""
    matrix = output_matrix(output)
    return matrix is not None and matrix.shape[1] == 1


def class_scores(output: Output, kind: OutputKind) -> Tensor:
    """Return the score of every class, ``(B, C)``: what classes are compared by, and what is explained of an image.

    A score is the network's own number. A single number per image speaks for class 1: class 0 has minus the logit, or
    one minus the probability.

    Raises:
        LayerError: If the output is not one tensor ``(B, K)`` or ``(B,)``.
        OptionError: If a single number is said to have a softmax.
    """
    matrix = output_matrix(output)
    if matrix is None:
        raise LayerError(
            f"explaining a class needs a network that puts out logits (B, classes); this one puts out "
            f"{describe(output)}: give as target a function that reads a score (B,) from the output."
        )
    if matrix.shape[1] != 1:
        return matrix
    if kind == "softmax":
        raise OptionError("a network with a single output has no softmax; give --output sigmoid or probabilities.")
    return torch.cat([1 - matrix if kind == "probabilities" else -matrix, matrix], dim=1)


def log_probabilities(scores: Tensor, kind: OutputKind) -> Tensor:
    """Return the logarithm of the probability of every class, float32 ``(B, C)``, from what `class_scores` returned."""
    scores = scores.float()
    if kind == "softmax":
        return scores.log_softmax(1)
    if kind == "sigmoid":
        return logsigmoid(scores)
    return scores.clamp(min=torch.finfo(torch.float32).tiny).log()


def found_output_kind(model: nn.Module, images: Tensor, output: Output) -> OutputKind:
    """Return what a network puts out; it runs once more, with a graph, where the numbers leave that open.

    Args:
        model: Takes images ``(B, C, H, W)``; it is as before afterwards.
        images: ``(B, C, H, W)``, standardised.
        output: What it puts out for them.
    """
    matrix = output_matrix(output)
    if matrix is None or (matrix.shape[1] > 1 and not _within(matrix)):
        return "softmax"
    return kind_of_output(forward_with_graph(model, images))


def kind_of_output(output: Output, ending: str | None = None) -> OutputKind:
    """Return what an output is, as its values and the graph that it is part of show it.

    The operation that ends the network decides, whatever module or function made it. Where autograd does not show it,
    several outputs are probabilities if they are never negative and add up to 1 for every image, and a single one is
    the logit of a sigmoid.

    Args:
        output: What a network puts out.
        ending: What `ending_of` returned, for an output that has left its graph.
    """
    matrix = output_matrix(output)
    if matrix is None or (matrix.shape[1] > 1 and not _within(matrix)):
        return "softmax"
    ending = (ending_of(output) if ending is None else ending) if _within(matrix) else ""
    if matrix.shape[1] == 1:
        return "probabilities" if ending in ENDINGS else "sigmoid"
    sums_to_one = bool(((matrix.sum(1) - 1).abs() <= SUM_OF_PROBABILITIES).all())
    return "probabilities" if sums_to_one or ending in ENDINGS[1:] else "softmax"


def about_output(kind: OutputKind, outputs: int) -> str:
    """Return what a reader must know of outputs that are not logits of a softmax; empty for those that are.

    Args:
        kind: What they are.
        outputs: How many numbers per image there are.
    """
    if kind == "probabilities":
        return (
            "it puts out probabilities (a softmax or sigmoid ends it), which are read as they are; maps explain the "
            "probability of a class, not its logit."
        )
    if kind == "sigmoid" and outputs == 1:
        return "it puts out one logit per image, read by a sigmoid as that of class 1; class 0 has minus the logit."
    if kind == "sigmoid":
        return f"its {outputs:,} outputs are read by a sigmoid each, as was asked (--output sigmoid)."
    return ""


def _within(matrix: Tensor) -> bool:
    return bool((matrix >= 0).all() and (matrix <= 1 + SUM_OF_PROBABILITIES).all())


def ending_of(output: Output) -> str:
    """Return the operation that made an output, as autograd calls it; empty where that is not known."""
    step = output.grad_fn if isinstance(output, Tensor) else None
    while step is not None:
        name = step.name().rpartition("::")[2].split("Backward")[0]
        if name not in SHAPING:
            return name
        step = step.next_functions[0][0] if step.next_functions else None
    return ""
