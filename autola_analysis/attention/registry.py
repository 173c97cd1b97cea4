"""Attention modules by name, class or factory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry

AttentionFactory = Callable[..., nn.Module]
AttentionSpec = str | AttentionFactory

ATTENTIONS: Registry[AttentionFactory] = Registry("attention")


def register_attention(name: str) -> Callable[[AttentionFactory], AttentionFactory]:
    """Return a decorator that makes a module class available as ``attention=name``.

    The class is called as ``cls(channels, **options)``; its output has its input's shape ``(B, C, H, W)``.
    A class attribute ``bottleneck_position`` ("inner" or "outer") says where it goes in a bottleneck block.

    Raises:
        OptionError: If the name is taken.
    """
    return ATTENTIONS.register(name)


def list_attentions() -> list[str]:
    """Return the names that ``attention=`` accepts."""
    return ATTENTIONS.names()


def attention_factory(spec: AttentionSpec) -> AttentionFactory:
    """Return the callable ``(channels, **options) -> Module`` behind a name, class or factory.

    Raises:
        UnknownNameError: If a name is not registered.
        OptionError: If `spec` is a module instance, which every block would share.
    """
    if isinstance(spec, str):
        return ATTENTIONS.get(spec)
    if isinstance(spec, nn.Module):
        raise OptionError(
            f"attention is an instance of {type(spec).__name__}, which all blocks would share; "
            "give the class or a function channels -> Module."
        )
    return spec


def create_attention(spec: AttentionSpec, channels: int, **options: Any) -> nn.Module:
    """Build one attention module.

    Args:
        spec: A registered name, a module class, or a callable ``(channels, **options) -> Module``.
        channels: C of the feature map ``(B, C, H, W)`` it works on.
        options: Passed on, e.g. ``reduction=8`` or ``genotype=...``.

    Raises:
        UnknownNameError: If a name is not registered.
        OptionError: If `spec` is a module instance.
    """
    return attention_factory(spec)(channels, **options)


@register_attention("none")
def no_attention(channels: int) -> nn.Module:
    """No attention: the identity, without parameters.

    It leaves a backbone's names as they are.
    """
    return nn.Identity()
