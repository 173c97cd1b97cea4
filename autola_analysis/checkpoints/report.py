"""What is in a checkpoint file, and why we think so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints.detector_loading import CLASSIFICATION, recognise, task_of
from autola_analysis.checkpoints.detector_shapes import OTHER_DETECTOR
from autola_analysis.checkpoints.interpretation import Interpretation, Request, begin, interpret, outline_of
from autola_analysis.checkpoints.loading import ignored_lines
from autola_analysis.checkpoints.matching import check_match, number_formats
from autola_analysis.checkpoints.reading import RawCheckpoint, check_finite, read_checkpoint
from autola_analysis.core.errors import CheckpointError, MissingExtraError
from autola_analysis.core.text import counted, plural, printable
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.detectors import DetectorSpec


@dataclass(frozen=True)
class CheckpointReport:
    """Everything that was found in a file.

    Attributes:
        path: The file.
        sha256: Of the file.
        size: In bytes.
        format: How it is written.
        wrappers: What was taken off: dictionary keys, a module's class, name prefixes; outermost first.
        leftovers: What else lay beside the weights.
        ignored: Names of tensors that belong to something beside the network.
        dialect: Whose tensor names it has; None where it was not recognised.
        spec: The network, or the detector; None where it was not identified.
        tensors: Number of tensors of the network.
        parameters: Number of values in them, without batch norm's statistics and counters.
        formats: Floating-point formats of the tensors.
        problem: Why `load_model`, or `load_detector` where it holds a whole detector, would refuse the file without
            further options; None where it would load.
        evidence: Why we think so.
        warnings: What was assumed.
        classes: Recorded names of the head's outputs.
        preprocessing: Recorded preprocessing.
        source: Recorded name of the training data.
        metadata: Recorded recipe, seed and metrics.
    """

    path: Path
    sha256: str
    size: int
    format: str
    wrappers: tuple[str, ...]
    leftovers: tuple[str, ...]
    ignored: tuple[str, ...]
    dialect: str | None
    spec: ModelSpec | DetectorSpec | None
    tensors: int
    parameters: int
    formats: tuple[str, ...]
    problem: str | None = None
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    source: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """Return the report as lines of text for a terminal."""
        rows = [(printable(name), printable(value)) for name, value in self._rows()]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)

    def _repr_html_(self) -> str:
        """Return the report as an HTML table for notebooks."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(value)}</td></tr>"
            for name, value in self._rows()
        )
        return f"<table>{rows}</table>"

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "file", str(self.path)
        yield "sha256", self.sha256
        yield "format", f"{self.format}, {self.size:,} bytes"
        yield "network", _network(self.spec)
        yield "tensors", f"{self.tensors:,} with {self.parameters:,} parameters ({', '.join(self.formats) or 'empty'})"
        if self.dialect is not None:
            yield "names", self.dialect
        if self.classes is not None:
            named = self.spec.named if isinstance(self.spec, DetectorSpec) else "class"
            yield plural(named), ", ".join(self.classes[:10]) + (", ..." if len(self.classes) > 10 else "")
        if self.preprocessing is not None:
            yield "preprocessing", _facts(self.preprocessing.to_dict())
        if self.source is not None:
            yield "trained on", self.source
        for key, value in self.metadata.items():
            yield key, _facts(value) if isinstance(value, Mapping) else str(value)
        if self.problem is not None:
            yield "problem", self.problem
        groups = (("stripped", self.wrappers), ("left over", self.leftovers), ("ignored", self.ignored))
        for name, items in (*groups, ("evidence", self.evidence), ("warning", self.warnings)):
            for item in items:
                yield name, item


def inspect_checkpoint(path: str | Path, *, weights: str | None = None, trust: bool = False) -> CheckpointReport:
    """Report what is in a checkpoint file without needing to be able to load it.

    Args:
        path: The checkpoint file.
        weights: Which of several sets of weights in it, see `load_model`.
        trust: Whether code that the file asks for may run while it is read.

    Raises:
        CheckpointError: If the file cannot be read, or holds no tensors or several sets of weights. A file that is
            readable and cannot be identified or loaded gives a report that says why in `CheckpointReport.problem`.
    """
    found, classes = _begun(read_checkpoint(path, trust=trust), weights)
    problem = None
    try:
        if found.detector is None:
            interpret(found, Request())
        check_finite(found.state, found.path)
        if found.build is not None:
            check_match(outline_of(found), found.state, found.path)
    except (CheckpointError, MissingExtraError) as error:
        problem = str(error)
    return _report(found, classes, problem)


def _begun(raw: RawCheckpoint, weights: str | None) -> tuple[Interpretation, tuple[str, ...] | None]:
    """Return what is known of a file, with its detector where it can be read whole, and the names of its classes."""
    found = begin(raw, weights)
    if found.record is not None or task_of(found) == CLASSIFICATION:
        return found, found.record.classes if found.record else None
    try:
        classes = recognise(found)
        check_match(outline_of(found), found.state, found.path, OTHER_DETECTOR)
    except CheckpointError as error:
        found, classes = begin(raw, weights), None
        found.warnings.append(f"as a detector it cannot be read, only its backbone: {error}")
    return found, classes


def _report(found: Interpretation, classes: tuple[str, ...] | None, problem: str | None) -> CheckpointReport:
    record, stripped = found.record, found.stripped
    prefixes = stripped.prefixes if stripped else ()
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return CheckpointReport(
        path=found.path,
        sha256=found.raw.sha256,
        size=found.path.stat().st_size,
        format=str(found.raw.format),
        wrappers=(*found.unwrapped.stripped, *(f"name prefix {prefix!r}" for prefix in prefixes)),
        leftovers=found.unwrapped.leftovers,
        ignored=tuple(line for line in ignored_lines(found) if line.startswith("ignored")),
        dialect=found.dialect,
        spec=found.detector or found.spec,
        tensors=len(found.state),
        parameters=sum(t.numel() for name, t in found.state.items() if name.split(".")[-1] not in statistics),
        formats=number_formats(found.state),
        problem=problem,
        evidence=tuple(found.evidence),
        warnings=tuple(found.warnings),
        classes=classes,
        preprocessing=record.preprocessing if record else None,
        source=record.source if record else None,
        metadata=dict(record.metadata) if record else {},
    )


def _facts(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items() if value not in (None, "", {}))


def _network(spec: ModelSpec | DetectorSpec | None) -> str:
    if spec is None:
        return "not identified"
    if isinstance(spec, DetectorSpec):
        options = "".join(f", {key}={value}" for key, value in spec.options.items())
        outputs = counted(spec.classes, spec.named)
        return f"{spec.kind}{options}; {outputs}; around {_network(spec.backbone)}"
    attention = ", ".join([spec.attention, *(f"{key}={value}" for key, value in spec.attention_options.items())])
    options = "".join(f", {key}={value}" for key, value in spec.options.items())
    head = f"{spec.num_classes} classes" if spec.num_classes else "no head"
    return f"{spec.backbone}{options}; attention {attention}; {head}"
