"""Networks and attention modules that are named by the user instead of found in the file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from autola_analysis.attention.foreign import guarded
from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory
from autola_analysis.backbones.stem import input_side
from autola_analysis.core.code import SOURCE
from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.core.extras import need_timm
from autola_analysis.core.files import expanded
from autola_analysis.core.own_code import is_of_own_code, reason_of
from autola_analysis.core.registry import nearest


def build_external(arch: str, num_classes: int | None) -> nn.Module:
    """Build a network by reference, with random weights.

    Args:
        arch: ``timm:NAME``, ``torchvision:NAME``, ``package.module:function`` or ``FILE.py:function``.
        num_classes: Passed on where the function takes it and the number is known.

    Raises:
        OptionError: If the reference is not of such a form, cannot be imported or builds no module.
        UnknownNameError: If timm or torchvision has no such model.
        MissingExtraError: If timm is asked for and not installed.
    """
    origin, separator, name = arch.rpartition(":")
    if not separator or not origin or not name:
        raise OptionError(
            f"--arch {arch!r} is not understood; give a known backbone, SPEC.json, timm:NAME, torchvision:NAME, "
            "package.module:function or FILE.py:function."
        )
    builders: dict[str, Callable[[str, int | None], nn.Module]] = {"timm": _timm, "torchvision": _torchvision}
    if origin in builders:
        return builders[origin](name, num_classes)
    function = load_attribute(arch, "--arch")
    model = _call(function, arch, num_classes)
    if not isinstance(model, nn.Module):
        raise OptionError(f"--arch {arch} returned {type(model).__name__}; the function has to return an nn.Module.")
    return model


def side_of_named(arch: str, model: nn.Module) -> int | None:
    """Return the side in pixels of the images that a network named by the user was made for; None: nothing tells.

    What torchvision evaluates its own weights with counts, else the network itself, see `input_side`.

    Args:
        arch: As `build_external` takes it.
        model: The network.
    """
    origin, _, name = arch.rpartition(":")
    if origin == "torchvision":
        from torchvision import models

        transforms = next(iter(models.get_model_weights(name))).transforms
        side = getattr(transforms, "keywords", {}).get("crop_size")
        if side is not None:
            return int(side)
    return input_side(model)


def load_attention(reference: str) -> AttentionFactory:
    """Return the attention class or function of a registered name, ``FILE.py:Class`` or ``package.module:Class``.

    Raises:
        UnknownNameError: If a name is not registered.
        OptionError: If a reference cannot be imported or is not callable.
    """
    if reference in ATTENTIONS or ":" not in reference:
        return ATTENTIONS.get(reference)
    factory = load_attribute(reference, "--attention")
    if isinstance(factory, nn.Module):
        raise OptionError(
            f"--attention {reference} is {type(factory).__name__}; name a class or a function channels -> Module."
        )

    return guarded(factory, f"--attention {reference}")


def load_attribute(reference: str, flag: str) -> Callable[..., object]:
    """Import ``FILE.py:name`` or ``package.module:name``.

    Raises:
        OptionError: If the file, the module or the name in it is missing, or importing it fails.
    """
    origin, separator, name = reference.rpartition(":")
    if not separator:
        raise OptionError(f"{flag} {reference!r} is not understood; give FILE.py:NAME or package.module:NAME.")
    try:
        module = _module_of_file(expanded(origin), flag) if origin.endswith(".py") else importlib.import_module(origin)
    except BaseException as error:
        if not is_of_own_code(error):
            raise
        raise OptionError(
            f"{flag} {reference} cannot be imported ({reason_of(error)}); check the name and what it needs."
        ) from error
    if not hasattr(module, name):
        public = [item for item in vars(module) if not item.startswith("_")]
        raise OptionError(
            f"{flag} {reference}: {origin} has no {name}; the nearest: {', '.join(nearest(name, public))}."
        )
    found = getattr(module, name)
    if not callable(found):
        raise OptionError(f"{flag} {reference} is {type(found).__name__}, not a class or function; name one.")
    return found


def _module_of_file(path: Path, flag: str) -> ModuleType:
    if not path.is_file():
        raise OptionError(f"{flag} names {path}, and there is no such file; check the path.")
    source = path.read_bytes()
    # Copies on several machines get one name, as does the file by the same path later; another content gets another.
    name = f"_autola_user_{hashlib.sha256(os.fsencode(path) + source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OptionError(f"{flag} names {path}, which is not a Python file; give FILE.py:NAME.")
    module = importlib.util.module_from_spec(spec)
    setattr(module, SOURCE, source)  # what runs is what is hashed, whatever becomes of the file
    # Dataclasses and pickling look a class's module up by name while it is being executed.
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _timm(name: str, num_classes: int | None) -> nn.Module:
    need_timm(f"--arch timm:{name}")
    import timm

    if not timm.is_model(name):
        raise UnknownNameError(
            f"timm has no model {name!r}; the nearest: {', '.join(nearest(name, timm.list_models()))}."
        )
    options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    model: nn.Module = timm.create_model(name, pretrained=False, **options)
    return model


def _torchvision(name: str, num_classes: int | None) -> nn.Module:
    from torchvision import models

    known = models.list_models()
    if name not in known:
        raise UnknownNameError(f"torchvision has no model {name!r}; the nearest: {', '.join(nearest(name, known))}.")
    options: dict[str, object] = {"weights": None}
    if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
        options["weights_backbone"] = None  # detectors otherwise download a pretrained backbone
    if num_classes is not None:
        options["num_classes"] = num_classes
    model: nn.Module = models.get_model(name, **options)
    return model


def _call(function: Callable[..., object], arch: str, num_classes: int | None) -> object:
    parameters = inspect.signature(function).parameters
    accepts = "num_classes" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    try:
        return function(num_classes=num_classes) if accepts and num_classes is not None else function()
    except BaseException as error:
        if not is_of_own_code(error):
            raise
        raise OptionError(
            f"--arch {arch} failed when called ({reason_of(error)}); it has to build the network without further "
            "arguments."
        ) from error
