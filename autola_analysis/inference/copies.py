"""A network ready to run without a trace: a copy in evaluation mode, or itself where it cannot be copied.

Wrappers that spread a network over devices or compile it are passed by: they call what they wrap, and taps see every
part.
"""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from autola_analysis.core.errors import CopyError
from autola_analysis.inference.turns import TURN

_UNCOPYABLE = (RuntimeError, TypeError, ValueError, AttributeError, copy.Error, pickle.PickleError)
"""What objects raise that cannot be copied: locks, files, generators, tensors that are part of a graph."""

CALLED = ("forward", "_compiled_call_impl")
"""Attributes that say what runs when a module is called."""


@dataclass(frozen=True)
class Runnable:
    """A network in evaluation mode that may be run, tapped and hooked.

    Attributes:
        model: A copy, or the caller's own network while a context lasts.
        uncopied: Why it is the caller's own; "" for a copy, which may be changed.
    """

    model: nn.Module
    uncopied: str = ""


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a network without the wrappers around it, which add nothing to what it puts out."""
    while (inner := _wrapped_by(model)) is not None:
        model = inner
    return model


def copied(model: nn.Module, device: torch.device | None = None) -> nn.Module:
    """Return a copy in evaluation mode, on a device or where the network is; the network stays as it is.

    Raises:
        CopyError: If the network holds something that cannot be copied.
    """
    own = _copied(model, {})
    return own if device is None else own.to(device)


def copied_around_weights(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose parameters lie in the network's memory and ask for no gradient.

    Raises:
        CopyError: If the network holds something that cannot be copied.
    """
    return _copied(model, {id(own): nn.Parameter(own.detach(), requires_grad=False) for own in model.parameters()})


def _copied(model: nn.Module, known: dict[int, Any]) -> nn.Module:
    """Return a copy in evaluation mode, in which what is known already stands for the original with that id."""
    try:
        with TURN:
            own = copy.deepcopy(model, known | _empty(model))
    except _UNCOPYABLE as error:
        lines = str(error).splitlines()
        raise CopyError(lines[0] if lines else type(error).__name__) from error
    own.eval()
    _pass_by(module for module in own.modules() if _is_wrapped(module))
    return own


def _empty(model: nn.Module) -> dict[int, OrderedDict[Any, Any]]:
    """Return a new dictionary for each that is empty: a module has eleven of hooks, a third of the time of a copy."""
    values = (value for module in model.modules() for value in vars(module).values())
    return {id(value): OrderedDict() for value in values if type(value) is OrderedDict and not value}


@contextmanager
def runnable(model: nn.Module, device: torch.device | None = None) -> Iterator[Runnable]:
    """Yield a copy on a device; the network itself where it cannot be copied, which is as before afterwards.

    Raises:
        CopyError: If it cannot be copied and is on another device.
    """
    try:
        own = Runnable(copied(model, device))
    except CopyError as error:
        weight = next(model.parameters(), None)
        if device is not None and weight is not None and weight.device.type != device.type:
            raise CopyError(f"{error.reason}; it is on {weight.device}, and is to run on {device}") from error
        own = Runnable(model, error.reason)
    if not own.uncopied:
        yield own
        return
    with TURN, _keeping_nothing(model), evaluating(model):
        yield own


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a caller's network into evaluation mode, uncompiled, for one thread; it is as before afterwards."""
    with TURN:
        flags = [(module, module.training) for module in model.modules()]
        wrappers = [module for module, _ in flags if _is_wrapped(module)]
        called = [{name: value for name, value in vars(module).items() if name in CALLED} for module in wrappers]
        try:
            if any(training for _, training in flags):
                model.eval()
            _pass_by(wrappers)
            yield
        finally:
            for module, training in flags:
                if module.training is not training:
                    module.training = training
            for module, own in zip(wrappers, called, strict=True):
                for name in CALLED:
                    vars(module).pop(name, None)
                vars(module).update(own)


@contextmanager
def _keeping_nothing(model: nn.Module) -> Iterator[None]:
    """Give every module back the attributes and buffers that it had, whatever a forward leaves in it.

    What a forward makes in inference mode must not stay: no gradient can be taken through it.
    """
    before = [
        (module, dict(vars(module)), dict(module._buffers))
        for module in model.modules()
        if not isinstance(module, torch.jit.ScriptModule)  # keeps its attributes out of reach
    ]
    try:
        yield
    finally:
        for module, attributes, buffers in before:
            _give_back(vars(module), attributes)
            _give_back(module._buffers, buffers)


def _give_back(changed: dict[str, Any], before: Mapping[str, Any]) -> None:
    for name in changed.keys() - before.keys():
        del changed[name]
    changed.update(before)


def _wrapped_by(module: nn.Module) -> nn.Module | None:
    if isinstance(module, (nn.DataParallel, DistributedDataParallel, AveragedModel)):
        inner: nn.Module = module.module
        return inner
    if type(module).__name__ == "OptimizedModule":  # by name: importing dynamo takes longer than explaining an image
        compiled: nn.Module = module.get_submodule("_orig_mod")
        return compiled
    return None


def _is_wrapped(module: nn.Module) -> bool:
    return _wrapped_by(module) is not None or module._compiled_call_impl is not None


def _pass_by(wrappers: Iterable[nn.Module]) -> None:
    """Let wrappers inside a network call what they wrap, so that hooks and function modes see all of it."""
    for module in wrappers:
        if (inner := _wrapped_by(module)) is not None:
            vars(module)["forward"] = inner
        if module._compiled_call_impl is not None:
            vars(module)["_compiled_call_impl"] = None
