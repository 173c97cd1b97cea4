"""Attention modules that timm's factory makes, as ``timm:NAME``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autola_analysis.attention.foreign import guarded
from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory
from autola_analysis.core.errors import UnknownNameError
from autola_analysis.core.extras import need_timm


@ATTENTIONS.register_family("timm")
def timm_attention(name: str) -> AttentionFactory:
    """Return timm's class behind a name.

    Raises:
        MissingExtraError: If timm is not installed.
        UnknownNameError: If its factory has no such name.
    """
    need_timm(f"the attention timm:{name}")
    from timm.layers.create_attn import get_attn

    make: Callable[[str], Any] = get_attn  # it has no types
    try:
        found = make(name)
    except AssertionError:  # what the factory answers an unknown name with
        found = None
    if found is None:
        raise UnknownNameError(
            f"timm makes no attention {name!r}; give a name that timm.layers.get_attn knows, such as ese, gc or coord."
        )
    advice = "give the options it needs with --attention-option, or take another attention"
    return guarded(found, f"the attention timm:{name}", advice)
