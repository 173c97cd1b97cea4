"""The entry point: the commands, and how errors reach the user."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from autola_analysis.cli import (
    compare,
    demo,
    embed,
    gates,
    inspect,
    layers,
    listing,
    redraw,
    saliency,
    selectivity,
    study,
    train,
)
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.interrupts import end_on_signals, ignore_signals
from autola_analysis.core.processes import ProcessError, current

INTERRUPTED = 130
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun, and other launchers of several processes, set."""
SHARED = ("demo", "selectivity", "saliency", "embed", "gates", "compare", "study")
"""Commands that several processes can run together; the others run in each of them."""

# Typer carries click inside or asks for it outside, depending on its version.
UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="autola-analyze",
    help="Analyse the features of convolutional networks with pluggable attention.",
    epilog="A newcomer's first command: autola-analyze demo. With --debug, errors show where they were raised.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("demo")(demo.demo)
app.command("selectivity")(selectivity.selectivity)
app.command("saliency")(saliency.saliency)
app.command("embed")(embed.embed)
app.command("gates")(gates.gates)
app.command("redraw")(redraw.redraw)
app.command("compare")(compare.compare)
app.command("study")(study.study)
app.command("inspect")(inspect.inspect)
app.command("layers")(layers.layers)
app.command("list")(listing.list_names)
app.command("train")(train.train)


def main() -> NoReturn:
    """Run a command: status 0, 2 for input that is not as it should be, 130 after an interrupt."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    end_on_signals()
    try:
        with _processes(arguments):
            status = _run(arguments, debug)
    except ProcessError as error:  # they never met
        _say(str(error))
        status = 2
    except KeyboardInterrupt:  # another one, while the first was being reported
        status = INTERRUPTED
    ignore_signals()
    sys.exit(status)


@contextmanager
def _processes(arguments: list[str]) -> Iterator[None]:
    """Join the other processes where a launcher has started several; all but the first keep quiet."""
    shared = bool(arguments) and arguments[0] in SHARED and all(name in os.environ for name in LAUNCHED)
    if not shared or os.environ["WORLD_SIZE"] == "1":
        yield
        return
    from autola_analysis.inference.processes import joined

    if os.environ["RANK"] != "0":
        warnings.simplefilter("ignore")
    with joined():
        yield


def _run(arguments: list[str], debug: bool) -> int:
    try:
        status = int(app(arguments, standalone_mode=False) or 0)
    except UsageError as error:
        if "Usage:" in error.format_message():  # called without a command: the help
            error.show()
        else:
            _say(error.format_message())
        return int(error.exit_code)
    except AutolaError as error:
        if debug:
            raise
        _say(str(error))
        return 2
    except OSError as error:
        if debug:
            raise
        where = f" ({str(error.filename)[:200]})" if error.filename else ""
        _say(f"{error.strerror or str(error)}{where}; nothing was left half-written.")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    if status == INTERRUPTED:  # some versions of typer turn the interrupt into this status themselves
        ended = "interrupted" if current().count == 1 else "interrupted, or ended because another process was"
        _say(f"{ended}; nothing was left half-written.")
    return status


def _say(message: str) -> None:
    """Print why the run ends; of several processes only one does, and the others hear of it."""
    if current().fails(one_line(message)):
        typer.echo(f"autola-analyze: {one_line(message)}", err=True)


def one_line(message: str) -> str:
    """Return a message without line breaks and control characters: file names inside it may have some."""
    text = " ".join(message.split())
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
