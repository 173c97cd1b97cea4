"""``autola-analyze list``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from autola_analysis.analyses.registration import imported
from autola_analysis.analyses.registry import registrations
from autola_analysis.core.errors import UnknownNameError
from autola_analysis.core.registry import nearest


def _attentions() -> list[str]:
    from autola_analysis.attention.registry import ATTENTIONS

    return [*ATTENTIONS.names(), *ATTENTIONS.families()]


def _backbones() -> list[str]:
    from autola_analysis.backbones import list_backbones

    return list_backbones()


def _data() -> list[str]:
    from autola_analysis.data.open import SOURCES
    from autola_analysis.data.open_objects import OBJECT_SOURCES

    return SOURCES.names() + OBJECT_SOURCES.names()


def _detectors() -> list[str]:
    from autola_analysis.detectors.registry import DETECTORS

    return [f"{name}: {DETECTORS.get(name).description}" for name in DETECTORS]


def _recipes() -> list[str]:
    from autola_analysis.training.recipes import RECIPES

    return [f"{name}: {RECIPES.get(name).description}" for name in RECIPES]


def _search_recipes() -> list[str]:
    from autola_analysis.search.recipes import SEARCH_RECIPES

    return [f"{name}: {SEARCH_RECIPES.get(name).description}" for name in SEARCH_RECIPES]


def _operations() -> list[str]:
    from autola_analysis.attention.operations import OPERATIONS

    return OPERATIONS.names()


def _analyses() -> list[str]:
    return [f"{each.name}: {each.help}" for each in registrations().values()]


LISTS: dict[str, Callable[[], list[str]]] = {
    "analyses": _analyses,
    "attentions": _attentions,
    "backbones": _backbones,
    "data": _data,
    "detectors": _detectors,
    "operations": _operations,
    "recipes": _recipes,
    "search-recipes": _search_recipes,
}
"""Lists that belong to no analysis."""


def list_names(
    what: Annotated[
        str,
        typer.Argument(
            metavar="LIST",
            help="analyses, attentions, backbones, data, detectors, methods, operations, recipes, search-recipes.",
        ),
    ],
) -> None:
    """Names that other commands accept.

    Example: autola-analyze list attentions
    """
    of_analyses = {name: place for each in registrations().values() for name, place in each.lists.items()}
    if what not in LISTS and what not in of_analyses:
        lists = sorted([*LISTS, *of_analyses])
        alike = nearest(what, lists, limit=1)
        known = sorted(lists, key=lambda name: name not in alike)
        raise UnknownNameError(f"there is no list of {what!r}; lists: {', '.join(known)}.")
    for name in LISTS[what]() if what in LISTS else imported(of_analyses[what])():
        typer.echo(name)
