from dataclasses import dataclass, field
from typing import Annotated

import typer

from autola_analysis.cli.grouping import grouped_options


@dataclass(frozen=True)
class Flags:
    names: Annotated[list[str], typer.Option("--name")] = field(default_factory=list)
    deep: Annotated[bool, typer.Option("--deep")] = False


def test_fields_of_a_group_become_options_and_arrive_as_the_group() -> None:
    seen = []

    @grouped_options
    def command(flags: Flags, place: Annotated[str, typer.Argument()], size: int = 3) -> None:
        """Do it."""
        seen.append((flags, place, size))

    app = typer.Typer()
    app.command()(command)
    app(["here", "--name", "a", "--name", "b", "--deep", "--size", "4"], standalone_mode=False)
    app(["there"], standalone_mode=False)
    assert seen == [(Flags(["a", "b"], True), "here", 4), (Flags([], False), "there", 3)]
    assert command.__doc__ == "Do it."
