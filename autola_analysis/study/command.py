"""The study that a command line asks for: checkpoints by name, one source of images, one or several analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autola_analysis.analyses.options import sentence_of
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded
from autola_analysis.study.file import AnalysisRequest, DataTable, ModelTable, StudyFile

READING_OPTIONS = (
    "arch",
    "genotype",
    "attention",
    "weights",
    "normalize",
    "resize",
    "crop",
    "classes",
    "output",
    "wirings",
    "runs",
)
"""Options of a model table that a command line gives once for all variants or per variant."""


def command_study(
    title: str,
    checkpoints: Sequence[str],
    analyses: Sequence[AnalysisRequest],
    data: DataTable | None = None,
    how: Mapping[str, Sequence[str]] | None = None,
    *,
    trust: bool = False,
    seed: int = 0,
    width: str | float = "neurips",
    candidate: str | None = None,
    group: str | None = None,
) -> StudyFile:
    """Return the study of a command.

    Args:
        title: Heading of the page.
        checkpoints: ``PATH`` or ``NAME=PATH``; the same NAME again adds a training run.
        analyses: What to do.
        data: Which images.
        how: For each of `READING_OPTIONS` the ``VALUE`` and ``NAME=VALUE`` texts that were given.
        trust: Whether files may execute code.
        seed: Of everything that is drawn.
        width: Of the figures.
        candidate: Name of the variant that the claims are about; None takes the one with HOGA.
        group: Of all models; None takes the backbone that each file shows.

    Raises:
        OptionError: If there is no checkpoint, two files without NAME share a stem, or an option names no checkpoint.
    """
    return StudyFile(
        title=title,
        seed=seed,
        width=width,
        candidate=candidate,
        data={"images": data or DataTable()},
        models=model_tables(checkpoints, how or {}, trust, group),
        analyses=list(analyses),
    )


def model_tables(
    checkpoints: Sequence[str], how: Mapping[str, Sequence[str]], trust: bool = False, group: str | None = None
) -> dict[str, ModelTable]:
    """Return the model tables of the checkpoints of a command; see `command_study`."""
    files = named_files(checkpoints)
    values: dict[str, dict[str, Any]] = {
        option: per_variant(how.get(option, ()), list(files), f"--{option}") for option in READING_OPTIONS
    }
    try:
        return {
            name: ModelTable(
                paths=[str(path) for path in paths],
                group=group,
                trust=trust,
                **{
                    option: value
                    for option, of_name in values.items()
                    if (value := of_name.get(name, of_name.get(""))) is not None
                },
            )
            for name, paths in files.items()
        }
    except ValidationError as error:
        raise OptionError(sentence_of(error, ModelTable, "--")) from error


def named_files(checkpoints: Sequence[str]) -> dict[str, list[Path]]:
    """Return the files of every variant, in the order of the command line.

    Raises:
        OptionError: If there is none, or two files without NAME share a stem.
    """
    if not checkpoints:
        raise OptionError("no checkpoint was given; use --ckpt PATH or --ckpt NAME=PATH.")
    files: dict[str, list[Path]] = {}
    unnamed: dict[str, str] = {}
    for text in checkpoints:
        name, path = split_named_path(text)
        if text == str(path) and unnamed.setdefault(name, text) != text:
            raise OptionError(f"{unnamed[name]} and {text} would both be called {name!r}; give NAME=PATH for each.")
        if not name:
            raise OptionError(f"{text!r} has no NAME before its '='; give NAME=PATH, or PATH alone.")
        files.setdefault(name, []).append(path)
    return files


def split_named_path(text: str) -> tuple[str, Path]:
    """Split ``NAME=PATH``; an existing file is a path, otherwise the first ``=`` splits. NAME defaults to the stem."""
    if "=" not in text or expanded(text).exists():
        return Path(text).stem, Path(text)
    name, _, path = text.partition("=")
    if "/" in name and not expanded(path).exists():  # the folders of a file that is missing, rather than a name
        return Path(text).stem, Path(text)
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
        if not name and "=" in text and not expanded(text).exists():
            given = text.partition("=")[0]
            raise OptionError(f"{option} {text}: no --ckpt is named {given!r}; names: {', '.join(names)}.")
        value = text[len(name) + 1 :] if name else text
        if name in sorted_values:
            raise OptionError(f"{option} is given twice for {name or 'all models'}: {sorted_values[name]}, {value}.")
        sorted_values[name] = value
    return sorted_values
