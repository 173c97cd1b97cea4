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
class NamedCheckpoint:
    """A checkpoint file, what it is called, and how it is read, see `load_model`."""

    name: str
    path: Path
    arch: str | None = None
    genotype: str | None = None
    attention: str | None = None
    normalize: str | None = None
    trust: bool = False

    @classmethod
    def of(cls, name: str, path: Path, loading: LoadingOptions) -> NamedCheckpoint:
        """Return a checkpoint with what the options say of its name."""
        return cls(
            name,
            path,
            _value(loading.arch, name),
            _value(loading.genotype, name),
            _value(loading.attention, name),
            _value(loading.normalize, name),
            loading.trust,
        )


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
    """Load checkpoints given as ``PATH`` or ``NAME=PATH``, in order, see `load_named`.

    Raises:
        OptionError: If there is none, two files without NAME share a stem, or as `load_named`.
        CheckpointError: If a file cannot be loaded.
    """
    if not checkpoints:
        raise OptionError("no checkpoint was given; use --ckpt PATH or --ckpt NAME=PATH.")
    refuse_equal_stems(checkpoints)
    return load_named([NamedCheckpoint.of(*split_named_path(text), loading) for text in checkpoints])


def load_named(checkpoints: Sequence[NamedCheckpoint]) -> list[StudyModel]:
    """Load checkpoints in order; the same name with different files makes them runs of one variant, from 1 on.

    Raises:
        OptionError: If one file is given twice, runs of one name are different networks, or a name would not survive
            tables and figures.
        CheckpointError: If a file cannot be loaded.
    """
    for checkpoint in checkpoints:
        _refuse_unclear_name(checkpoint.name)
    models: list[StudyModel] = []
    runs: Counter[str] = Counter()
    seen: dict[str, str] = {}
    for checkpoint in checkpoints:
        loaded = load_model(
            checkpoint.path,
            arch=checkpoint.arch,
            genotype=checkpoint.genotype,
            attention=checkpoint.attention,
            normalize=checkpoint.normalize,
            device="cpu",
            trust=checkpoint.trust,
        )
        if loaded.sha256 in seen:
            raise OptionError(
                f"{checkpoint.path} and {seen[loaded.sha256]} are the same checkpoint; give each file once."
            )
        seen[loaded.sha256] = str(checkpoint.path)
        runs[checkpoint.name] += 1
        models.append(StudyModel(as_variant(loaded, checkpoint.name, str(runs[checkpoint.name])), loaded))
    _refuse_mixed_runs(models)
    return models


def _refuse_unclear_name(name: str) -> None:
    if not name or name in MISSING_IN_TABLES or len(name) > LONGEST_NAME or not name.isprintable():
        raise OptionError(
            f"{name[:LONGEST_NAME]!r} cannot name a variant; use 1 to {LONGEST_NAME} printable characters that no "
            "table reader takes for a missing value."
        )


def refuse_equal_stems(checkpoints: Sequence[str]) -> None:
    """Refuse checkpoints without NAME whose files are called alike.

    Raises:
        OptionError: Naming two of them.
    """
    unnamed: dict[str, str] = {}
    for text in checkpoints:
        name, path = split_named_path(text)
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
