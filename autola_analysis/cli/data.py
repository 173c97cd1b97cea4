"""``autola-analyze data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autola_analysis.cli.loading import loading
from autola_analysis.cli.options import NoProgress, Quiet
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.text import counted

EXPORT = "export"


def data(
    action: Annotated[str, typer.Argument(metavar=EXPORT, help="What is done: the only thing there is.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="cluttered-scenes, digit-puppets or cluttered-digits.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", parser=expanded, help="Folder that is made.")],
    split: Annotated[str, typer.Option(metavar="train|test", help="Part of the data.")] = "test",
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only N images, drawn at random.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export at --out.")] = False,
    no_progress: NoProgress = False,
    quiet: Quiet = False,
) -> None:
    """Write data that are made on the spot as files, for other tools: PNG images, and objects in COCO's format.

    The images of cluttered-digits also lie in a folder per class. What is written is read with objects:FILE.json.

    Example: autola-analyze data export cluttered-scenes --out scenes
    """
    if action != EXPORT:
        raise OptionError(f"data is followed by {EXPORT}; found {action!r}.")
    from autola_analysis.core.progress import progress_bar

    with loading():
        from autola_analysis.data.embedded_export import check_place, embedded_objects, export_embedded

    check_place(out, overwrite)
    images = embedded_objects(source, split, limit)
    with progress_bar(len(images), "writing images", quiet=quiet or no_progress) as bar:
        path = export_embedded(images, out, overwrite=overwrite, progress=bar.update)
    if not quiet:
        typer.echo(f"{out}: {counted(len(images), 'image')}; read them with --data objects:{path}")
