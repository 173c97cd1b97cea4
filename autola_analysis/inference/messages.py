"""What processes that share a run send each other: JSON and tensors, which are values and never code.

A message is a safetensors file in memory: the value as JSON in a tensor of bytes, and each tensor or array of it as a
tensor of its own. Nothing that anybody on the network can send is executed; what is no message is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

VALUE = "value"
SIGNATURE = "sha256"


class MessageError(ValueError):
    """Bytes that no process of this run can have sent."""


def encoded(value: Any) -> bytes:
    """Return a value as bytes.

    Args:
        value: None, bool, int, float, text, tensors, arrays, numbers of numpy, and lists, tuples and dicts of these.

    Raises:
        TypeError: If it holds anything else.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(value, tensors)).encode()
    return save({VALUE: torch.frombuffer(bytearray(text), dtype=torch.uint8), **tensors})


def decoded(message: bytes) -> Any:
    """Return the value that `encoded` made bytes of.

    Raises:
        MessageError: If the bytes are no message.
    """
    try:
        tensors = load(message)
        return _unpacked(json.loads(tensors.pop(VALUE).numpy().tobytes()), tensors)
    except (SafetensorError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise MessageError(f"no message of this run ({error})") from error


def signed(key: str, message: bytes, secret: bytes) -> str:
    """Return a message behind its signature, in hexadecimal digits; it holds under one key of a store only."""
    return hmac.digest(secret, key.encode() + b"\0" + message, SIGNATURE).hex() + message.hex()


def verified(key: str, text: bytes, secret: bytes) -> bytes:
    """Return the message that `signed` signed.

    Raises:
        MessageError: If it was signed with another secret, or not at all.
    """
    try:
        message = bytes.fromhex(text.decode())[hashlib.new(SIGNATURE).digest_size :]
    except ValueError as error:
        raise MessageError(f"no message of this run ({error})") from error
    if not hmac.compare_digest(signed(key, message, secret).encode(), text):
        raise MessageError("it is not signed with the secret of this run")
    return message


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return JSON in which lists are ``[kind, ...]``; tensors are put aside under their numbers."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict):
        return ["dict", *([_packed(key, tensors), _packed(each, tensors)] for key, each in value.items())]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *(_packed(each, tensors) for each in value)]
    if isinstance(value, Tensor):
        kind, tensor = "tensor", value.detach()
    elif isinstance(value, np.ndarray | np.generic):
        kind, tensor = "array" if isinstance(value, np.ndarray) else "number", torch.from_numpy(np.array(value))
    else:
        raise TypeError(f"{type(value).__name__} is nothing that processes send each other")
    name = str(len(tensors))
    tensors[name] = tensor.cpu().clone(memory_format=torch.contiguous_format)
    return [kind, name]


def _unpacked(packed: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(packed, list):
        return packed
    kind, *parts = packed
    if kind == "dict":
        return {_unpacked(key, tensors): _unpacked(value, tensors) for key, value in parts}
    if kind == "list":
        return [_unpacked(part, tensors) for part in parts]
    if kind == "tuple":
        return tuple(_unpacked(part, tensors) for part in parts)
    tensor = tensors[parts[0]]
    if kind == "tensor":
        return tensor
    array = tensor.numpy()
    return array if kind == "array" else array[()]
