"""From ``NAME=PATH`` to variants: loading the checkpoints of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints import LoadedModel, load_model
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import nearest


@dataclass(frozen=True)
class LoadingOptions:
    """How checkpoints are read; each mapping is variant name -> value, with "" for all variants.

    Attributes:
        arch: Network to build, see `load_model`.
        genotype: JSON file with a HOGA genotype.
        attention: ``FILE.py:Class`` of an own attention module.
        normalize: Name of the statistics of training.
        trust: Whether files may execute code.
    """

    arch: Mapping[str, str] = field(default_factory=dict)
    genotype: Mapping[str, str] = field(default_factory=dict)
    attention: Mapping[str, str] = field(default_factory=dict)
    normalize: Mapping[str, str] = field(default_factory=dict)
    trust: bool = False


@dataclass(frozen=True)
class StudyModel:
    """A checkpoint in a study.

    Attributes:
        variant: What the analyses take.
        loaded: What the file said.
    """

    variant: Variant
    loaded: LoadedModel


def split_named_path(text: str) -> tuple[str, Path]:
    """Split ``NAME=PATH``; an existing file is a path, otherwise the first ``=`` splits. NAME defaults to the stem."""
    whole = Path(text)
    if whole.exists() or "=" not in text:
        return whole.stem, whole
    name, _, path = text.partition("=")
    return name, Path(path)


def per_variant(values: Sequence[str], names: Sequence[str], option: str) -> dict[str, str]:
    """Sort repeated ``VALUE`` and ``NAME=VALUE`` options by variant; "" holds the value for all.

    Raises:
        OptionError: If a NAME is no variant, or one gets two values.
    """
    sorted_values: dict[str, str] = {}
    for text in values:
        name, separator, value = text.partition("=")
        if not separator:
            name, value = "", text
        elif name not in names:
            raise OptionError(
                f"{option} {text}: no --ckpt is named {name!r}; names: {', '.join(nearest(name, names))}."
            )
        if name in sorted_values:
            raise OptionError(f"{option} is given twice for {name or 'all models'}: {sorted_values[name]}, {value}.")
        sorted_values[name] = value
    return sorted_values


def load_models(checkpoints: Sequence[str], loading: LoadingOptions) -> list[StudyModel]:
    """Load checkpoints given as ``PATH`` or ``NAME=PATH``, in order.

    The same NAME with different files makes them training runs of one variant, numbered from 1.

    Raises:
        OptionError: If there is none, or one file is given twice.
        CheckpointError: If a file cannot be loaded.
    """
    if not checkpoints:
        raise OptionError("no checkpoint was given; use --ckpt PATH or --ckpt NAME=PATH.")
    models: list[StudyModel] = []
    runs: Counter[str] = Counter()
    seen: dict[str, str] = {}
    for name, path in map(split_named_path, checkpoints):
        loaded = load_model(
            path,
            arch=_value(loading.arch, name),
            genotype=_value(loading.genotype, name),
            attention=_value(loading.attention, name),
            normalize=_value(loading.normalize, name),
            device="cpu",
            trust=loading.trust,
        )
        if loaded.sha256 in seen:
            raise OptionError(f"{path} and {seen[loaded.sha256]} are the same checkpoint; give each file once.")
        seen[loaded.sha256] = str(path)
        runs[name] += 1
        models.append(StudyModel(as_variant(loaded, name, str(runs[name])), loaded))
    return models


def _value(values: Mapping[str, str], name: str) -> str | None:
    return values.get(name, values.get(""))
