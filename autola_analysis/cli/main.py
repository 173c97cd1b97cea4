"""The entry point: the commands, and how errors reach the user."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer

from autola_analysis.analyses.registry import registrations
from autola_analysis.cli import analysis, compare, data, demo, inspect, layers, listing, redraw, search, study, train
from autola_analysis.cli.environment import check_working_directory, draw_into_files, mend_streams, say_errors_only
from autola_analysis.cli.loading import loading
from autola_analysis.core.distributed import ProcessError, current
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.interrupts import end_on_signals, ignore_signals
from autola_analysis.core.memory import lacks_memory
from autola_analysis.core.own_code import reason_of
from autola_analysis.core.text import printable

INTERRUPTED = 130
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun, and other launchers of several processes, set."""
SHARED = ("demo", "compare", "study")
"""Commands that several processes can run together, beside those of analyses; the others run in each of them."""

# Typer carries click inside or asks for it outside, depending on its version.
UsageError: Any = typer.BadParameter.__bases__[0]

COMMANDS: Mapping[str, Callable[..., None]] = {
    "demo": demo.demo,
    "redraw": redraw.redraw,
    "compare": compare.compare,
    "study": study.study,
    "inspect": inspect.inspect,
    "layers": layers.layers,
    "list": listing.list_names,
    "data": data.data,
    "train": train.train,
    "search": search.search,
}
"""Commands that are no analysis, by name."""


def make_app(command: str | None = None) -> typer.Typer:
    """Return the command line.

    Args:
        command: Name of the command that will be called: of analyses and ``compare``, whose flags are made from the
            options of analyses, only this one is made whole.
    """
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
    app.callback()(_before_commands)
    for name, call in command_table(command).items():
        app.command(name)(call)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"autola-analyze {version('autola-analysis')}")
        raise typer.Exit


def _before_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def command_table(command: str | None = None) -> dict[str, Callable[..., None]]:
    """Return all commands by name, in the order of ``--help``; see `make_app`."""
    of_analyses = {
        each.command_name: analysis.analysis_command(each)
        if each.command_name == command
        else analysis.listed(each.help)
        for each in registrations().values()
    }
    others = {
        name: compare.compare_command()
        if name == command == "compare"
        else (analysis.listed(call.__doc__ or "") if name == "compare" else call)
        for name, call in COMMANDS.items()
    }
    return {"demo": others.pop("demo"), **of_analyses, **others}


def main() -> NoReturn:
    """Run a command: status 0, 2 for input that is not as it should be, 130 after an interrupt."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    mend_streams()
    draw_into_files()
    say_errors_only()
    end_on_signals()
    try:
        check_working_directory()
        with _processes(arguments):
            status = _run(arguments, debug)
    except AutolaError as error:  # the processes never met, or there is something wrong with an installed analysis
        if debug:
            raise
        _say(str(error))
        status = 2
    except KeyboardInterrupt:  # another one, while the first was being reported
        status = INTERRUPTED
    ignore_signals()
    sys.exit(status)


@contextmanager
def _processes(arguments: list[str]) -> Iterator[None]:
    """Join the other processes where a launcher has started several; all but the first keep quiet."""
    if not arguments or not _is_shared(arguments[0]) or not _is_launched():
        yield
        return
    with loading():
        from autola_analysis.inference.distributed import joined

    if os.environ["RANK"] != "0":
        warnings.simplefilter("ignore")
    with joined() as processes:
        for rank, theirs in enumerate(processes.all_gather_object(arguments)):
            if theirs != arguments:
                raise ProcessError(
                    f"process {rank} runs another command ({shlex.join(theirs)}) than process {processes.rank} "
                    f"({shlex.join(arguments)}); all processes of a run must be given the same one."
                )
        yield


def _is_launched() -> bool:
    """Return whether a launcher has started several processes; says so where only leftovers of one are there."""
    found = [name for name in LAUNCHED if name in os.environ]
    if "WORLD_SIZE" not in found or os.environ["WORLD_SIZE"] == "1":
        return False
    if len(found) < len(LAUNCHED):
        missing = ", ".join(name for name in LAUNCHED if name not in found)
        typer.echo(
            f"warning: {', '.join(found)} of the environment are ignored, and one process runs: a launcher would set "
            f"{missing}, too.",
            err=True,
        )
    return len(found) == len(LAUNCHED)


def _is_shared(command: str) -> bool:
    return command in SHARED or any(each.command_name == command for each in registrations().values())


def _run(arguments: list[str], debug: bool) -> int:
    try:
        app = make_app(arguments[0] if arguments else None)
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
    except (KeyboardInterrupt, typer.Abort) as error:  # before RuntimeError, which Abort is one of
        if isinstance(error.__cause__ or error.__context__, EOFError):  # typer takes it for an interrupt
            if debug:
                raise
            _say("something that is read has ended too early, a file or the standard input; --debug shows where.")
            return 2
        status = INTERRUPTED
    except (MemoryError, RuntimeError, ImportError) as error:
        if debug or not lacks_memory(error):
            raise
        _say(
            f"memory has run out ({reason_of(error)}); give fewer networks or --workers, a smaller --batch-size, or "
            "raise the limit that holds here (ulimit -v, a container's). Nothing was left half-written."
        )
        return 2
    if status == INTERRUPTED:  # some versions of typer turn the interrupt into this status themselves
        ended = "interrupted" if current().world_size == 1 else "interrupted, or ended because another process was"
        _say(f"{ended}; nothing was left half-written.")
    return status


def _say(message: str) -> None:
    """Print why the run ends; of several processes only one does, and the others hear of it."""
    if current().report_failure(one_line(message)):
        with suppress(OSError):  # the terminal may have been closed
            typer.echo(f"autola-analyze: {one_line(message)}", err=True)


def one_line(message: str) -> str:
    """Return a message without line breaks and control characters: file names inside it may have some."""
    return printable(" ".join(message.split()))
