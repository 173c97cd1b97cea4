"""Gradients of a score with respect to layers and images, from one forward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autola_analysis.core.errors import LayerError
from autola_analysis.inference.copies import evaluating
from autola_analysis.inference.gate_watch import GateWatch, Product
from autola_analysis.inference.guided_relu import GuidedReLU
from autola_analysis.inference.layers import resolve_places
from autola_analysis.inference.outputs import Output, Score, describe, detached
from autola_analysis.inference.places import Place, Runs
from autola_analysis.inference.precision import precision_of

_Edge = tuple[Any, Any]
"""A node of the graph and one that it hands its gradient to"""


class NoReLUError(LayerError):
    """A network without a ReLU that guided backpropagation could guide."""


@dataclass(frozen=True)
class Gradients:
    """What one forward and its backward passes give. No tensor is part of a graph.

    Attributes:
        output: What the network put out.
        scores: What was explained of each image, ``(B,)``.
        activations: Output per layer.
        layers: Gradient of the score per layer, of the activation's shape.
        image: Gradient with respect to the images, ``(B, C, H, W)``; None where it was not asked for.
        guided: The same by guided backpropagation's rule.
        relus: ReLUs that followed that rule.
        ordinary: Names of activations that did not.
    """

    output: Output
    scores: Tensor
    activations: Mapping[str, Tensor]
    layers: Mapping[str, Tensor]
    image: Tensor | None = None
    guided: Tensor | None = None
    relus: int = 0
    ordinary: tuple[str, ...] = ()


def gradients(
    model: nn.Module,
    images: Tensor,
    score: Score,
    layers: Sequence[str] = (),
    image: bool = False,
    guided: bool = False,
    guide_gates: bool = True,
) -> Gradients:
    """Run one forward and the backward passes that are asked for: one for all plain gradients, one for the guided.

    The graph begins at the earliest of the layers, so that what lies before it runs as in inference; it begins at the
    images only where `image` or `guided` is asked for. Parameters get no gradients. The network runs as it is, in
    evaluation mode, unfolded, in float32 arithmetic and, from where the graph begins, in its own memory format. Its
    flags, hooks and gradients, the images and the random state are as before afterwards, also after an exception; the
    caller may be under ``no_grad`` or ``inference_mode``, and the parameters may be frozen.

    Args:
        model: Takes images ``(B, C, H, W)``.
        images: ``(B, C, H, W)``, on the model's device.
        score: Reads from the output what is explained of each image, ``(B,)``; see `Task.score`.
        layers: Names of layers to take activations and gradients of, see `tap`.
        image: Whether to take the gradient with respect to the images.
        guided: Whether to take it by guided backpropagation's rule.
        guide_gates: Whether guided backpropagation guides ReLUs that the score hangs on through gates alone, see
            `GateWatch`; else they keep their own gradient.

    Raises:
        UnknownNameError: If the model has no such layer.
        LayerError: If the score is not ``(B,)``, a layer puts out no single tensor or the score does not depend on it,
            or the network cannot be differentiated.
        NoReLUError: If there is no ReLU to guide.
    """
    traced = trace(model, images, partial(_total, score, len(images)), layers, image, guided, guide_gates)
    ((scores, plain, of_guided),) = traced.rounds
    return Gradients(
        output=traced.output,
        scores=scores,
        activations=traced.activations,
        layers={layer: plain[layer] for layer in layers},
        image=plain.get(""),
        guided=of_guided,
        relus=traced.relus,
        ordinary=traced.ordinary,
    )


@dataclass(frozen=True)
class Traced:
    """One forward and its backward passes, a round for every set of scores. No tensor is part of a graph.

    Attributes:
        output: What the network put out.
        activations: Output per layer.
        rounds: Of every set of scores: the scores ``(n,)``, the gradient of their sum per layer and, under "", at the
            images, and the guided gradient at the images; empty and None where they were not asked for.
        relus: ReLUs that followed the rule of guided backpropagation.
        ordinary: Names of activations that did not.
    """

    output: Output
    activations: Mapping[str, Tensor]
    rounds: Sequence[tuple[Tensor, Mapping[str, Tensor], Tensor | None]]
    relus: int
    ordinary: tuple[str, ...]


def trace(
    model: nn.Module,
    images: Tensor,
    sets: Callable[[Output], Sequence[Tensor]],
    layers: Sequence[str] = (),
    image: bool = False,
    guided: bool = False,
    guide_gates: bool = True,
) -> Traced:
    """Run one forward and, for every set of scores that is read from the output, the backward passes of its sum.

    Args:
        model: As `gradients` takes it.
        images: As `gradients` takes them.
        sets: Reads from the output the sets of scores, each ``(n,)``.
        layers: As `gradients` takes them.
        image: As `gradients` takes it.
        guided: As `gradients` takes it.
        guide_gates: As `gradients` takes it.

    Raises:
        AutolaError: As `gradients`.
    """
    if guided:
        _refuse_scripted(model)
    with ExitStack() as stack:
        cuda = [images.device] if images.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(precision_of("float32", images.device))
        stack.enter_context(evaluating(model))
        tensors = _tensors_of(model)
        stand_ins = stack.enter_context(_constant(tensors))
        through_all = image or guided
        own_format = _memory_format(tensors)
        leaf = _own_images(images, own_format, fast_trunk=not through_all).requires_grad_(through_all)
        kept = stack.enter_context(_graph_taps(model, layers, own_format))
        relu, gates = GuidedReLU(), list[_Edge]()
        with ExitStack() as forward:
            if guided:
                forward.enter_context(relu)
            if guided and not guide_gates:
                forward.enter_context(GateWatch(lambda product: gates.append(_edge_of(product))))
            # A copy: the network may begin with an operation in place.
            output = _forward(model, stand_ins, leaf.clone())
        if guided and not relu.met:
            raise NoReLUError(_no_relu(relu))
        scores = sets(output)
        totals = [each.sum() for each in scores]
        if gates:
            main = _reached([total.grad_fn for total in totals], gates)
            relu.leave_ordinary(_reached([factor for _, factor in gates]) - main)
        wanted = {layer: kept[layer] for layer in layers} | ({"": leaf} if image else {})
        last = len(totals) - 1
        plain = [_backward(total, wanted, guided or place < last) for place, total in enumerate(totals)]
        of_guided: list[Tensor | None] = [None] * len(totals)
        if guided:
            relu.guided = True
            of_guided = [_backward(total, {"": leaf}, place < last)[""] for place, total in enumerate(totals)]
        sets_of_rounds = zip(scores, plain, of_guided, strict=True)
        return Traced(
            output=detached(output),
            activations={layer: kept[layer].detach() for layer in layers},
            rounds=[(each.detach(), own, own_guided) for each, own, own_guided in sets_of_rounds],
            relus=relu.met,
            ordinary=tuple(sorted(relu.ordinary)),
        )


def forward_with_graph(model: nn.Module, images: Tensor) -> Output:
    """Return what a network puts out for images that take a gradient, so that autograd shows how it was made.

    The network and the random state are as before afterwards. Where the network cannot run with gradients, its output
    is part of no graph.

    Args:
        model: Takes images ``(B, C, H, W)``.
        images: ``(B, C, H, W)``, on the model's device.
    """
    with ExitStack() as stack:
        cuda = [images.device] if images.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(precision_of("float32", images.device))
        stack.enter_context(evaluating(model))
        tensors = _tensors_of(model)
        stand_ins = stack.enter_context(_constant(tensors))
        own = _own_images(images, _memory_format(tensors), fast_trunk=False)
        try:
            with torch.enable_grad():
                return _forward(model, stand_ins, own.requires_grad_().clone())
        except RuntimeError:  # it leaves torch, with detours that refuse what takes a gradient
            with torch.no_grad():
                return _forward(model, stand_ins, own.detach().clone())


def _own_images(images: Tensor, own_format: torch.memory_format, fast_trunk: bool) -> Tensor:
    """Return the images outside any graph, in the memory format of the model's convolutions.

    On a CPU, what runs before the graph begins runs channels-last, which took 0.87 of the time of a ResNet-50; the
    layer at which the graph begins hands on its output in the usual format.
    """
    if images.is_inference():
        images = images.clone()
    memory_format = torch.channels_last if fast_trunk and images.device.type == "cpu" else own_format
    return images.detach().contiguous(memory_format=memory_format)


def _tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a network by name, each once."""
    found: dict[int, tuple[str, Tensor]] = {}
    for prefix, module in model.named_modules():
        for name, tensor in chain(module._parameters.items(), module._buffers.items()):
            if tensor is not None and id(tensor) not in found:
                found[id(tensor)] = (f"{prefix}.{name}" if prefix else name, tensor)
    return dict(found.values())


def _memory_format(tensors: Mapping[str, Tensor]) -> torch.memory_format:
    """Return the memory format of a network's convolutions."""
    last = any(
        tensor.ndim == 4
        and isinstance(tensor, nn.Parameter)
        and not tensor.is_contiguous()
        and tensor.is_contiguous(memory_format=torch.channels_last)
        for tensor in tensors.values()
    )
    return torch.channels_last if last else torch.contiguous_format


@contextmanager
def _graph_taps(
    model: nn.Module, layers: Sequence[str], own_format: torch.memory_format
) -> Iterator[dict[str, Tensor]]:
    """Keep the layers' outputs as places to take gradients at; the first that runs begins the graph."""
    kept: dict[str, Tensor] = {}
    runs = Runs(model)

    def begun(activation: Tensor) -> Tensor:
        memory_format = own_format if activation.ndim == 4 else torch.contiguous_format
        return activation.detach().contiguous(memory_format=memory_format).requires_grad_()

    def hook(place: Place, module: nn.Module, inputs: Any, output: Output) -> Output:
        activation = runs.activation(place, output, kept)
        if activation is None:
            return output
        kept[place.name] = activation if activation.requires_grad else begun(activation)
        # A copy, which is no leaf: operations in place may follow.
        return place.replace(output, runs.restored(place, kept[place.name].clone()))

    def begin(module: nn.Module, inputs: Any) -> None:
        runs.begin(inputs)

    def check(module: nn.Module, inputs: Any, output: Output) -> None:
        runs.check(places, kept)

    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(begin).remove)
        places = resolve_places(model, layers)
        for place in places:
            handle = model.get_submodule(place.module).register_forward_hook(partial(hook, place))
            stack.callback(handle.remove)
        stack.callback(model.register_forward_hook(check).remove)
        yield kept


def _edge_of(product: Product) -> _Edge:
    return product.result.grad_fn, product.factor.grad_fn


def _reached(begin: Iterable[Any], closed: Iterable[_Edge] = ()) -> set[Any]:
    """Return the nodes of the graph that are reached from some of them without passing one of some edges."""
    reached, ahead, edges = set[Any](), list(begin), set(closed)
    while ahead:
        node = ahead.pop()
        if node is not None and node not in reached:
            reached.add(node)
            ahead += [following for following, _ in node.next_functions if (node, following) not in edges]
    return reached


def _forward(model: nn.Module, stand_ins: Mapping[str, Tensor], images: Tensor) -> Any:
    """Run the network with some of its tensors replaced."""
    return functional_call(model, dict(stand_ins), (images,)) if stand_ins else model(images)


@contextmanager
def _constant(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Let a network's tensors take no gradient while the context lasts; yield those that must be replaced for it."""
    stand_ins: dict[str, Tensor] = {}
    flagged: list[Tensor] = []
    for name, tensor in tensors.items():
        if tensor.is_inference():
            stand_ins[name] = tensor.clone()  # what was made under inference_mode cannot be saved for a backward pass
        elif tensor.requires_grad and tensor.is_leaf:
            flagged.append(tensor)
        elif tensor.requires_grad:
            stand_ins[name] = tensor.detach()  # the flag of what is part of a graph cannot be changed
    try:
        for tensor in flagged:
            tensor.requires_grad = False
        yield stand_ins
    finally:
        for tensor in flagged:
            tensor.requires_grad = True


def _backward(total: Tensor, wanted: Mapping[str, Tensor], retain_graph: bool = False) -> dict[str, Tensor]:
    if not wanted:
        return {}
    found: tuple[Tensor | None, ...] = (None,) * len(wanted)
    if total.requires_grad:
        try:
            found = torch.autograd.grad(total, list(wanted.values()), retain_graph=retain_graph, allow_unused=True)
        except RuntimeError as error:
            if "inplace operation" not in str(error):
                raise
            raise LayerError(
                "this network overwrites in place a value that its own gradient needs, so that it cannot be "
                "differentiated; write that operation out of place (inplace=False)."
            ) from error
    result: dict[str, Tensor] = {}
    for name, gradient in zip(wanted, found, strict=True):
        if gradient is None:
            place = f"layer {name!r}" if name else "the images"
            raise LayerError(f"the score does not depend on {place}, so that there is no gradient to take there.")
        result[name] = gradient
    return result


def _total(score: Score, images: int, output: Output) -> list[Tensor]:
    scores = score(output)
    if not isinstance(scores, Tensor) or scores.shape != (images,):
        raise LayerError(f"a score to explain is one number per image, shape ({images},); found {describe(scores)}.")
    return [scores]


def _refuse_scripted(model: nn.Module) -> None:
    """Refuse networks whose ReLUs a function mode does not see."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            where = f"module {name!r}" if name else "this network"
            raise LayerError(
                f"guided backpropagation cannot see the ReLUs of scripted code, and {where} is scripted; give the "
                "network as it was before torch.jit."
            )


def _no_relu(relu: GuidedReLU) -> str:
    others = f"; met instead: {', '.join(sorted(relu.ordinary))}" if relu.ordinary else ""
    ran = f"ran its {relu.outside} under no_grad" if relu.outside else f"ran none{others}"
    return f"guided backpropagation changes the gradient of ReLUs, and this network {ran}."
