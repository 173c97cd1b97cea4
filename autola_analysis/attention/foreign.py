"""Attention modules that other people's code builds: what fails there is answered in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from torch import nn

from autola_analysis.attention.registry import AttentionFactory
from autola_analysis.core.errors import OptionError
from autola_analysis.core.own_code import is_of_own_code, reason_of

ANY_CHANNELS = "it has to build a module for any number of channels"


def guarded(factory: Callable[..., Any], what: str, advice: str = ANY_CHANNELS) -> AttentionFactory:
    """Return a factory with the signature of another one that raises nothing but `OptionError`.

    Args:
        factory: The class or function.
        what: Its name, for messages.
        advice: What to do where it fails.
    """

    def build(channels: int, **options: object) -> nn.Module:
        try:
            module = factory(channels, **options)
        except BaseException as error:
            if not is_of_own_code(error):
                raise
            raise OptionError(
                f"{what} failed when called with {channels} channels ({reason_of(error)}); {advice}."
            ) from error
        if not isinstance(module, nn.Module):
            raise OptionError(f"{what} returned {type(module).__name__}; it has to build an nn.Module.")
        return module

    build.bottleneck_position = getattr(factory, "bottleneck_position", "outer")  # type: ignore[attr-defined]
    return update_wrapper(build, factory, assigned=(), updated=())
