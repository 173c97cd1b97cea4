"""What the outputs of a network are called, in figures, tables and on the page alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError
from autola_analysis.core.text import counted


@dataclass(frozen=True)
class OutputNames:
    """Names of a network's outputs.

    Attributes:
        names: One per output.
        misfit: Why the classes of the data are not those of the network, and what its outputs are called instead;
            empty where they are.
    """

    names: tuple[str, ...]
    misfit: str = ""


def output_names(variant: Variant, data_classes: Sequence[str], outputs: int, fits: bool) -> OutputNames:
    """Return what the outputs of a network are called.

    The names that its file or the user states come first, then those of the data where its labels number the outputs,
    then those that a head of this kind usually has, then numbers.

    Args:
        variant: The network.
        data_classes: Names of the classes of the data; empty where it has none.
        outputs: Number of classes that the network tells apart.
        fits: Whether the labels of the data number them.

    Raises:
        DataError: If the stated names are not as many as the outputs.
    """
    stated = variant.classes
    if stated is not None and len(stated) == 1 and outputs == 2:  # a single logit: the class that it speaks for
        stated = (f"not {stated[0]}", stated[0])
    if stated is not None and len(stated) != outputs:
        raise DataError(
            f"{variant.title} has {counted(outputs, 'output')} and {counted(len(stated), 'class name')}; "
            "name every output with --classes FILE."
        )
    if fits:
        return OutputNames(stated or tuple(data_classes))
    usual = variant.usual_classes if variant.usual_classes and len(variant.usual_classes) == outputs else None
    names = stated or usual or tuple(f"class {number}" for number in range(outputs))
    if not data_classes:
        return OutputNames(names, "" if stated or usual else f"{variant.title}: {_numbered(outputs)}.")
    head = counted(outputs, "output")
    head += " with names or an order of their own" if outputs == len(data_classes) else ""
    if stated is not None and sorted(stated) == sorted(data_classes):
        head += " (--class-order FILE numbers the images' classes as the head does)"
    called = "the outputs have names of their own" if stated or usual else _numbered(outputs)
    return OutputNames(
        names,
        f"{variant.title}: accuracy is not measured, since the labels of the data are not those of the head "
        f"(the head has {head}, the data {len(data_classes):,} classes); {called}.",
    )


def _numbered(outputs: int) -> str:
    return f"nothing names the outputs, which are called class 0 to class {outputs - 1} (--classes FILE gives names)"
