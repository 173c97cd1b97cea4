"""The entry point: the commands, and how errors reach the user."""

from __future__ import annotations

import signal
import sys
from typing import Any, NoReturn

import typer

from autola_analysis.cli import demo, embed, gates, inspect, layers, listing, saliency, selectivity, train
from autola_analysis.core.errors import AutolaError

INTERRUPTED = 130

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
app.command("inspect")(inspect.inspect)
app.command("layers")(layers.layers)
app.command("list")(listing.list_names)
app.command("train")(train.train)


def main() -> NoReturn:
    """Run a command: status 0, 2 for input that is not as it should be, 130 after an interrupt."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    signal.signal(signal.SIGTERM, _interrupt)  # what schedulers send ends a run as Ctrl-C does
    sys.exit(_run(arguments, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        status = int(app(arguments, standalone_mode=False) or 0)
    except UsageError as error:
        if "Usage:" in error.format_message():  # called without a command: the help
            error.show()
        else:
            typer.echo(f"autola-analyze: {one_line(error.format_message())}", err=True)
        return int(error.exit_code)
    except AutolaError as error:
        if debug:
            raise
        typer.echo(f"autola-analyze: {one_line(str(error))}", err=True)
        return 2
    except OSError as error:
        if debug:
            raise
        where = f" ({str(error.filename)[:200]})" if error.filename else ""
        typer.echo(
            f"autola-analyze: {error.strerror or one_line(str(error))}{where}; nothing was left half-written.", err=True
        )
        return 2
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    if status == INTERRUPTED:  # some versions of typer turn the interrupt into this status themselves
        typer.echo("autola-analyze: interrupted; nothing was left half-written.", err=True)
    return status


def one_line(message: str) -> str:
    """Return a message without line breaks and control characters: file names inside it may have some."""
    text = " ".join(message.split())
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
