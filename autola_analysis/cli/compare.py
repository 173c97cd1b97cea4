"""``autola-analyze compare``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from autola_analysis.cli.analysis import Candidate, given_options, option_flags
from autola_analysis.cli.grouping import grouped_options
from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import (
    ArchitectureFlags,
    CheckpointFlags,
    ImageFlags,
    MachineFlags,
    Open,
    OutputFlags,
    command_of,
)
from autola_analysis.cli.summary import run_and_show
from autola_analysis.core.errors import OptionError


def compare(
    checkpoints: CheckpointFlags,
    images: ImageFlags,
    architecture: ArchitectureFlags,
    machine: MachineFlags,
    output: OutputFlags,
    candidate: Candidate = None,
    limit: Annotated[
        str | None,
        typer.Option(metavar="N", help="Only N images in all, drawn at random, each class in proportion."),
    ] = None,
    show: Open = False,
    **values: Any,
) -> None:
    """All analyses of some checkpoints side by side, with statistics and the paper's claims.

    Of detectors and networks for joints, those that look at them.

    Example: autola-analyze compare --ckpt SE=r50_se.pth --ckpt HOGA=r50_hoga.pth --data imagenet:/data/imagenet
    """
    from autola_analysis.analyses.registry import registrations
    from autola_analysis.study.command import named_files
    from autola_analysis.study.file import AnalysisRequest

    images_in_all = _number(limit)
    names = list(named_files(checkpoints.ckpt))
    if len(names) < 2:
        raise OptionError(f"a comparison needs at least two variants; found {names[0]!r} alone; give --ckpt again.")
    requests = [
        AnalysisRequest(kind=each.name, options=given_options(each.options_class(), values))
        for each in registrations().values()
        if each.by_default
    ]
    study = command_of(
        f"Comparison of {', '.join(names)}",
        requests,
        checkpoints,
        images,
        architecture,
        output,
        limit=images_in_all,
        candidate=candidate,
        group="all",
    )
    with loading(quiet=machine.silent):  # everything above refuses without it
        from autola_analysis.study.fitting import fitting

    out = output.directory("compare")
    run_and_show(fitting(study), out, machine, overwrite=output.overwrite, anonymous=output.anonymous, show=show)


def compare_command() -> Callable[..., None]:
    """Return the command with the flags that analyses offer to it."""
    from autola_analysis.analyses.registry import registrations

    flags: dict[str, inspect.Parameter] = {}
    for registration in registrations().values():
        for flag in option_flags(registration.options_class(), in_compare=True):
            flags.setdefault(flag.name, flag)
    return grouped_options(compare, list(flags.values()))


def _number(limit: str | None) -> int | None:
    if limit is None or limit == "all":
        return None
    if not limit.isdecimal() or int(limit) < 1:
        raise OptionError(f"--limit takes a number of images, at least 1, or all; found {limit!r}.")
    return int(limit)
