"""Tables on the terminal, of 80 columns at most."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import takewhile

import typer

WIDTH = 80
GAP = "  "
NARROWEST = 8
"""A column of text is broken into lines of no fewer characters."""


def echo_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns, text left, numbers right; see `table_lines`."""
    for line in table_lines(header, rows):
        typer.echo(line)


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines that fit 80 columns.

    Long text is broken into lines. Numbers that do not fit stand in a second block of rows, and so on, each behind the
    same labels, which are the columns before the first number.

    Args:
        header: Names of the columns.
        rows: Cells.
    """
    columns = [_Column(name, [row[place] for row in rows]) for place, name in enumerate(header)]
    _narrow_words(columns)
    labels = columns[:1] + list(takewhile(lambda column: not column.is_number, columns[1:]))
    if _width(columns) > WIDTH:
        _narrow(labels, WIDTH if len(labels) == len(columns) else WIDTH // 2)
    lines: list[str] = []
    for block in _blocks(labels, columns[len(labels) :]):
        lines += [*([""] if lines else []), *_lines(block, len(rows))]
    return lines


class _Column:
    """A column of a table, with its header as the first of its cells."""

    def __init__(self, name: str, cells: Sequence[str]) -> None:
        self.is_number = any(map(_is_number, cells))
        self.cells = [[name], *([cell] for cell in cells)]

    @property
    def width(self) -> int:
        """Characters of the longest line."""
        return max(len(line) for cell in self.cells for line in cell)

    @property
    def longest_word(self) -> int:
        """Characters of the longest word."""
        return max(len(word) for cell in self.cells for line in cell for word in [*line.split(), ""])

    def narrow(self, width: int) -> None:
        """Break the cells into lines."""
        self.cells = [textwrap.wrap(" ".join(cell), width, break_on_hyphens=False) or [""] for cell in self.cells]

    def line(self, row: int, number: int) -> str:
        """Return a line of a cell, aligned; blanks where the cell has fewer lines."""
        cell = self.cells[row]
        text = cell[number] if number < len(cell) else ""
        return text.rjust(self.width) if _is_number(cell[0]) else text.ljust(self.width)


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def _narrow(columns: Sequence[_Column], width: int) -> None:
    """Break the text of the widest columns into lines until all fit a width."""
    while columns and _width(columns) > width:
        widest = max(columns, key=lambda column: column.width)
        target = max(widest.width - (_width(columns) - width), widest.width // 2, NARROWEST)
        if target >= widest.width:
            break
        widest.narrow(target)


def _narrow_words(columns: Sequence[_Column]) -> None:
    """Break text between words, where that is enough for all columns to fit beside each other."""
    texts = [column for column in columns if not column.is_number]
    room = WIDTH - _width(columns) + _width(texts)
    if sum(column.longest_word for column in texts) + len(GAP) * (len(texts) - 1) <= room:
        while texts and _width(texts) > room:
            widest = max(texts, key=lambda column: column.width - column.longest_word)
            widest.narrow(max(widest.longest_word, widest.width - _width(texts) + room))


def _blocks(labels: list[_Column], others: Sequence[_Column]) -> Iterator[list[_Column]]:
    """Yield the labels with as many of the other columns as fit, until all have been shown."""
    block = list(labels)
    for column in others:
        if len(block) > len(labels) and _width([*block, column]) > WIDTH:
            yield block
            block = list(labels)
        _narrow([column], WIDTH - len(GAP) - _width(labels) if labels else WIDTH)
        block.append(column)
    yield block


def _lines(block: Sequence[_Column], rows: int) -> Iterator[str]:
    for row in range(rows + 1):
        for number in range(max(len(column.cells[row]) for column in block)):
            yield GAP.join(column.line(row, number) for column in block).rstrip()


def _is_number(cell: str) -> bool:
    return any(character.isdigit() for character in cell) and not any(character.isalpha() for character in cell)
