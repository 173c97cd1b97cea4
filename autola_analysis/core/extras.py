"""Packages that only some commands need."""

from __future__ import annotations

from importlib.util import find_spec

from autola_analysis.core.errors import MissingExtraError


def need_lightning(what: str) -> None:
    """Refuse what trains where pytorch-lightning is not installed.

    Raises:
        MissingExtraError: In one sentence.
    """
    if find_spec("pytorch_lightning") is None:
        raise MissingExtraError(
            f"{what} needs pytorch-lightning, which is not installed; pip install 'autola-analysis[train]' adds it."
        )
