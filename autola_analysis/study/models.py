"""From ``NAME=PATH`` to variants: loading the checkpoints of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints import LoadedModel, load_model
from autola_analysis.core.errors import OptionError

LONGEST_NAME = 60
MISSING_IN_TABLES = {"NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>", "-nan", "-NaN", "#N/A", "#NA"}


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
    if "=" not in text or Path(text).exists():
        return Path(text).stem, Path(text)
    name, _, path = text.partition("=")
    return name, Path(path)


def per_variant(values: Sequence[str], names: Sequence[str], option: str) -> dict[str, str]:
    """Sort repeated ``VALUE`` and ``NAME=VALUE`` options by variant; "" holds the value for all.

    A text that begins with no variant's name is a value where it has no ``=`` or is an existing file.

    Raises:
        OptionError: If a NAME is no variant, or one gets two values.
    """
    sorted_values: dict[str, str] = {}
    for text in values:
        name = max((name for name in names if text.startswith(f"{name}=")), key=len, default="")
        if not name and "=" in text and not Path(text).exists():
            given = text.partition("=")[0]
            raise OptionError(f"{option} {text}: no --ckpt is named {given!r}; names: {', '.join(names)}.")
        value = text[len(name) + 1 :] if name else text
        if name in sorted_values:
            raise OptionError(f"{option} is given twice for {name or 'all models'}: {sorted_values[name]}, {value}.")
        sorted_values[name] = value
    return sorted_values


def load_models(checkpoints: Sequence[str], loading: LoadingOptions) -> list[StudyModel]:
    """Load checkpoints given as ``PATH`` or ``NAME=PATH``, in order.

    The same NAME with different files makes them training runs of one variant, numbered from 1.

    Raises:
        OptionError: If there is none, one file is given twice, two files without NAME share a stem, runs of one NAME
            are different networks, or a NAME would not survive tables and figures.
        CheckpointError: If a file cannot be loaded.
    """
    if not checkpoints:
        raise OptionError("no checkpoint was given; use --ckpt PATH or --ckpt NAME=PATH.")
    _refuse_unclear_names(checkpoints)
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
    _refuse_mixed_runs(models)
    return models


def _refuse_unclear_names(checkpoints: Sequence[str]) -> None:
    unnamed: dict[str, str] = {}
    for text in checkpoints:
        name, path = split_named_path(text)
        if not name or name in MISSING_IN_TABLES or len(name) > LONGEST_NAME or not name.isprintable():
            raise OptionError(
                f"{name[:LONGEST_NAME]!r} cannot name a variant; use 1 to {LONGEST_NAME} printable characters that no "
                "table reader takes for a missing value."
            )
        if text == str(path) and unnamed.setdefault(name, text) != text:
            raise OptionError(f"{unnamed[name]} and {text} would both be called {name!r}; give NAME=PATH for each.")


def _refuse_mixed_runs(models: Sequence[StudyModel]) -> None:
    first: dict[str, StudyModel] = {}
    for model in models:
        other = first.setdefault(model.variant.name, model)
        if other.loaded.spec != model.loaded.spec:
            raise OptionError(
                f"{other.loaded.path} and {model.loaded.path} are different networks and cannot be runs of one "
                f"variant {model.variant.name!r}; give each a NAME of its own."
            )


def _value(values: Mapping[str, str], name: str) -> str | None:
    return values.get(name, values.get(""))
