"""All analyses: the folders beside this file, and those that installed packages offer.

A package offers one through the entry-point group ``autola_analysis.analyses``, whose entries name `Registration`
objects.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from autola_analysis.analyses.analysis import Analysis
from autola_analysis.analyses.registration import Registration
from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.core.registry import nearest

GROUP = "autola_analysis.analyses"
ORDER = ("evaluate", "selectivity", "saliency", "embedding", "gates", "context", "ablation", "similarity")
"""Order of the sections of a page, of commands and of tables; analyses that are not named here follow."""


@cache
def registrations() -> dict[str, Registration]:
    """Return the registrations of all analyses by name, in `ORDER`.

    Raises:
        OptionError: If two analyses have one name, or what a package offers cannot be imported or is no analysis.
    """
    found = [*_beside_this_file(), *(_offered(entry) for entry in entry_points(group=GROUP))]
    by_name: dict[str, Registration] = {}
    for registration in found:
        if by_name.setdefault(registration.name, registration) != registration:
            raise OptionError(f"two analyses are named {registration.name!r}; one of them must be renamed.")
    return dict(sorted(by_name.items(), key=lambda item: _place(item[0])))


def registration_of(name: str) -> Registration:
    """Return the registration of an analysis.

    Raises:
        UnknownNameError: If there is none; the message names the nearest.
    """
    known = registrations()
    if name not in known:
        raise UnknownNameError(f"there is no analysis {name!r}; the nearest: {', '.join(nearest(name, known))}.")
    return known[name]


@cache
def analysis_of(name: str) -> Analysis[Any, Any]:
    """Import an analysis and return it.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    return registration_of(name).load()


def public_names() -> dict[str, str]:
    """Return the names that the package offers for its analyses, and the module that holds each."""
    return {name: module for registration in registrations().values() for name, module in registration.public.items()}


def _beside_this_file() -> list[Registration]:
    folder = Path(__file__).parent
    package = __name__.rpartition(".")[0]
    return [
        import_module(f"{package}.{module.name}").REGISTRATION for module in iter_modules([str(folder)]) if module.ispkg
    ]


def _offered(entry: EntryPoint) -> Registration:
    package = entry.dist.name if entry.dist is not None else entry.module
    try:
        registration = entry.load()
    except (ImportError, AttributeError) as error:
        raise OptionError(
            f"the package {package} offers the analysis {entry.name!r}, which cannot be imported "
            f"({error}); update the package or uninstall it."
        ) from error
    if not isinstance(registration, Registration):
        raise OptionError(
            f"the package {package} offers the analysis {entry.name!r}, but {entry.value} is a "
            f"{type(registration).__name__} where a Registration is needed; update the package or uninstall it."
        )
    return registration


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)
