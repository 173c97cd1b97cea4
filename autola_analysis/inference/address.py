"""The address of a network: a hash of everything that its outputs depend on, its code included."""

from __future__ import annotations

import copy
import enum
import functools
import hashlib
import inspect
import pickle
import types
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autola_analysis.core.code import code_of

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range, slice)
OF_TORCH = (torch.dtype, torch.device, torch.Size, torch.memory_format, torch.layout)
NOT_REDUCED = (TypeError, ValueError, AttributeError, RuntimeError, copy.Error, pickle.PickleError)
"""What objects raise that say nothing of what they are: locks, files, generators."""
PASSING = ("training", "_compiled_call_impl")
"""Attributes of a module that a pass sets as it needs them."""


@dataclass(frozen=True)
class NetworkAddress:
    """What names a network.

    Attributes:
        hash: Of weights, attributes, hooks and code, as far as they are known.
        unknown: What its outputs may depend on beside that; "" where nothing is left.
    """

    hash: str
    unknown: str = ""


def network_address(model: nn.Module) -> NetworkAddress:
    """Return the address of a network: of all parameters, buffers and attributes, and of the source of its classes."""
    description = _Description()
    description.add(model)
    return NetworkAddress(description.digest.hexdigest(), description.unknown)


class _Description:
    """Writes objects into a hash, each once.

    Attributes:
        digest: The hash.
        unknown: The first object that could not be written; "" where all could.
    """

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.unknown = ""
        self._seen: dict[int, tuple[int, Any]] = {}
        self._own: dict[str, bool] = {}

    def add(self, value: Any) -> None:
        """Write an object and all that it refers to."""
        if isinstance(value, (*PLAIN, *OF_TORCH)):
            return self._write(f"{type(value).__name__} {value!r}")
        if id(value) in self._seen:
            return self._write(f"again {self._seen[id(value)][0]}")
        self._seen[id(value)] = len(self._seen), value  # held, so that no other object gets its id
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, (np.ndarray, np.generic)):
            self._array(np.asarray(value))
        elif isinstance(value, nn.Module):
            self._module(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._all("method", [value.__func__, value.__self__])
        elif isinstance(value, functools.partial):
            self._all("partial", [value.func, value.args, value.keywords])
        elif isinstance(value, enum.Enum):
            self._all("enum", [type(value), value.name])
        elif isinstance(value, (list, tuple)):
            self._all(_name(type(value)), value)
        elif isinstance(value, Mapping) and type(value).__module__ in ("builtins", "collections"):
            self._all(_name(type(value)), (part for item in value.items() for part in item))
        elif isinstance(value, Set):
            self._all(_name(type(value)), sorted(value, key=repr))
        elif isinstance(value, types.ModuleType):
            self._code(value.__name__)
        elif isinstance(value, (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)):
            self._write(f"{getattr(value, '__module__', '')} {value.__qualname__}")
        else:
            self._object(value)
        return None

    def _write(self, text: str) -> None:
        data = text.encode(errors="surrogatepass")
        self.digest.update(len(data).to_bytes(8, "little") + data)

    def _all(self, kind: str, parts: Iterable[Any]) -> None:
        self._write(f"{kind} (")
        for part in parts:
            self.add(part)
        self._write(")")

    def _tensor(self, tensor: Tensor) -> None:
        self._write(f"tensor {type(tensor).__name__} {tensor.dtype} {tuple(tensor.shape)}")
        try:
            flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            self.digest.update(np.ascontiguousarray(flat.numpy()).data)
        except (RuntimeError, TypeError, NotImplementedError):
            self._give_up("a tensor whose values cannot be read")

    def _array(self, array: np.ndarray[Any, Any]) -> None:
        self._write(f"array {array.dtype.str} {array.shape}")
        if array.dtype.hasobject:
            self._all("objects", array.ravel().tolist())
        else:
            self.digest.update(np.ascontiguousarray(array).tobytes())

    def _module(self, module: nn.Module) -> None:
        self._class(type(module))
        if isinstance(module, torch.jit.ScriptModule) or not _has_file(inspect.unwrap(type(module).forward)):
            self._give_up(f"the code of {type(module).__name__}, which is in no file")
            return
        for name, value in vars(module).items():
            if name in PASSING:
                continue
            self._write(name)
            if "_hooks" in name and isinstance(value, Mapping):  # the keys are counted over the whole process
                self._all("hooks", value.values())
            else:
                self.add(value)

    def _class(self, kind: type) -> None:
        self._write(f"class {_name(kind)}")
        for each in kind.__mro__:
            if self._code(each.__module__) or each.__module__ == "__main__":
                for name, value in vars(each).items():
                    if not name.startswith(("__", "_abc_")) or name == "__call__":
                        self._write(name)
                        self._attribute(value)

    def _attribute(self, value: Any) -> None:
        """Write an attribute of a user's class: it may have been set after the file was read."""
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if isinstance(value, property):
            self._all("property", [value.fget])
        elif isinstance(value, (*PLAIN, types.FunctionType, Tensor, np.ndarray, list, tuple, dict)):
            self.add(value)

    def _function(self, function: types.FunctionType) -> None:
        own = self._code(function.__module__)
        self._write(f"function {function.__module__} {function.__qualname__}")
        if not _has_file(function):
            self._give_up(f"the code of {function.__qualname__}, which is in no file")
        self._bytecode(function.__code__)
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        self._all("closure", [*cells, function.__defaults__, function.__kwdefaults__])
        if own:
            used = sorted(set(function.__code__.co_names) & function.__globals__.keys())
            constants = [(name, function.__globals__[name]) for name in used]
            self._all("globals", [pair for pair in constants if isinstance(pair[1], PLAIN)])

    def _bytecode(self, code: types.CodeType) -> None:
        self._write(f"{code.co_code.hex()} {code.co_names} {code.co_varnames}")
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._bytecode(constant)
            else:
                self._write(repr(sorted(constant, key=repr) if isinstance(constant, frozenset) else constant))

    def _object(self, value: Any) -> None:
        """Write any other object as it would be pickled."""
        try:
            parts = value.__reduce_ex__(2)
        except NOT_REDUCED:
            self._give_up(f"an attribute of the kind {type(value).__name__}, whose contents cannot be read")
            return
        if isinstance(parts, str):
            self._write(f"{_name(type(value))} {parts}")
            return
        self._class(type(value))
        self._all(
            "object", [list(part) if index > 2 and part is not None else part for index, part in enumerate(parts)]
        )

    def _code(self, name: str) -> bool:
        """Write the source of a module; return whether it is the user's own."""
        if name not in self._own:
            found = {} if name.partition(".")[0] in ("builtins", "torch", "autola_analysis") else code_of(name)
            self._write(f"code {sorted(found.items())}")
            self._own[name] = " " not in found.get(name, " ")
        return self._own[name]

    def _give_up(self, what: str) -> None:
        self._write(f"unknown {what}")
        self.unknown = self.unknown or what


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _has_file(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and Path(code.co_filename).is_file()


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
