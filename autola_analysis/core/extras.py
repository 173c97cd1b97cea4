"""Packages that only some commands need."""

from __future__ import annotations

from importlib.util import find_spec

from autola_analysis.core.errors import MissingExtraError


def need_lightning(what: str) -> None:
    """Refuse what trains where pytorch-lightning is not installed.

    Raises:
        MissingExtraError: In one sentence.
    """
    _need("pytorch-lightning", "train", what)


def need_timm(what: str) -> None:
    """Refuse what takes parts of timm where timm is not installed.

    Raises:
        MissingExtraError: In one sentence.
    """
    _need("timm", "timm", what)


def _need(package: str, extra: str, what: str) -> None:
    if find_spec(package.replace("-", "_")) is None:
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed; pip install 'autola-analysis[{extra}]' adds it."
        )
