"""What was done to the images before the networks saw them, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autola_analysis.core.text import title_of
from autola_analysis.data.preprocessing import Preprocessing


def preprocessing_lines(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was done to the images, a line per way of doing it; networks are named where they differ.

    Args:
        models: As ``run.json`` records them.
    """
    titles: dict[str, list[str]] = {}
    for model in models:
        if model.get("preprocessing"):
            text = Preprocessing.from_dict(model["preprocessing"]).described()
            if model.get("inside"):
                text += f", then by the network itself {model['inside']}"
            titles.setdefault(text, []).append(title_of(str(model["model"]), str(model["run"])))
    if len(titles) <= 1:
        return list(titles)
    return [f"{text} ({', '.join(names)})" for text, names in titles.items()]


def preprocessing_sentence(models: Sequence[Mapping[str, Any]]) -> str:
    """Return the sentence of the methods about what was done to the images; empty where that is not recorded."""
    lines = preprocessing_lines(models)
    if not lines:
        return ""
    return (
        f"Images were preprocessed by: {'; '.join(lines)}. Resizing is of the shorter side and cropping central, in "
        "pixels; mean and standard deviation are of values from 0 to 1."
    )
