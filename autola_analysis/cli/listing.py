"""``autola-analyze list``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from autola_analysis.core.errors import UnknownNameError
from autola_analysis.core.registry import nearest


def _attentions() -> list[str]:
    from autola_analysis.attention import list_attentions

    return list_attentions()


def _backbones() -> list[str]:
    from autola_analysis.backbones import list_backbones

    return list_backbones()


def _data() -> list[str]:
    from autola_analysis.data.open import SOURCES

    return SOURCES.names()


def _recipes() -> list[str]:
    from autola_analysis.training.recipes import RECIPES

    return [f"{name}: {RECIPES.get(name).description}" for name in RECIPES]


def _methods() -> list[str]:
    from autola_analysis.analyses.saliency.captum_bridge import PREFIX
    from autola_analysis.analyses.saliency.methods import METHODS

    ours = [f"{name}: {METHODS.get(name).description} ({METHODS.get(name).reference})" for name in METHODS]
    return [*ours, f"{PREFIX}NAME: any attribution of captum, e.g. {PREFIX}IntegratedGradients"]


LISTS: dict[str, Callable[[], list[str]]] = {
    "attentions": _attentions,
    "backbones": _backbones,
    "data": _data,
    "methods": _methods,
    "recipes": _recipes,
}


def list_names(
    what: Annotated[str, typer.Argument(metavar="|".join(LISTS), help="What to list.")],
) -> None:
    """Names that other commands accept.

    Example: autola-analyze list attentions
    """
    if what not in LISTS:
        raise UnknownNameError(f"there is no list of {what!r}; lists: {', '.join(nearest(what, LISTS))}.")
    for name in LISTS[what]():
        typer.echo(name)
