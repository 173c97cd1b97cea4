"""From a file to the network that takes its tensors: all steps between reading and loading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from autola_analysis.attention import Genotype
from autola_analysis.attention.genotype import as_genotype
from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory
from autola_analysis.backbones import ModelSpec, create_model, list_backbones
from autola_analysis.backbones.building import build_aside, build_outline
from autola_analysis.checkpoints.attentions import Attention
from autola_analysis.checkpoints.dialects import translate
from autola_analysis.checkpoints.external import build_external, load_attention
from autola_analysis.checkpoints.identification import Identification, identify
from autola_analysis.checkpoints.matching import check_match, number_formats
from autola_analysis.checkpoints.native import Record, checked_spec, is_native, read_record
from autola_analysis.checkpoints.prefixes import Stripped, strip_resnet, strip_to_match
from autola_analysis.checkpoints.reading import RawCheckpoint, check_stored, short_reason
from autola_analysis.checkpoints.unwrapping import Unwrapped, unwrap
from autola_analysis.core.errors import AutolaError, CheckpointError, MissingExtraError, OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.reading import json_of, read_text
from autola_analysis.core.text import counted
from autola_analysis.detectors import DetectorSpec

GenotypeLike = Genotype | str | Path | Iterable[Sequence[object]]


@dataclass(frozen=True)
class Request:
    """What the user said about a file.

    Attributes:
        arch: A spec, a backbone's name, the path of a spec in JSON, or an external reference; None: find out.
        genotype: The wiring of its HOGA modules.
        attention: The attention module that the user named: a name, ``FILE.py:Class``, a class or a function.
        num_classes: Outputs of the head.
    """

    arch: str | ModelSpec | None = None
    genotype: Genotype | None = None
    attention: str | AttentionFactory | None = None
    num_classes: int | None = None

    @classmethod
    def of(
        cls,
        arch: str | ModelSpec | None,
        genotype: GenotypeLike | None,
        attention: str | AttentionFactory | None,
        num_classes: int | None,
    ) -> Request:
        """Make a request of what `load_model` takes; genotype and spec files are read here."""
        if isinstance(arch, str) and arch.endswith(".json"):
            arch = _spec_of_file(expanded(arch))
        return cls(arch, None if genotype is None else as_genotype(genotype), attention, num_classes)

    @property
    def external(self) -> str | None:
        """The reference of a network that is not ours."""
        return self.arch if isinstance(self.arch, str) and self.arch not in list_backbones() else None


@dataclass
class Interpretation:
    """What is known about a file so far; filled step by step, so that a failure leaves what was found before it.

    Attributes:
        raw: The file as read.
        unwrapped: The flat state dict and what was around it.
        stripped: The network's tensors without prefixes.
        state: The network's tensors under the names of the model that takes them.
        dialect: Whose names the file had.
        spec: The network, where it is one of ours.
        detector: The detector, where the file is of our own format and holds one.
        build: Builds the model that takes the tensors.
        record: What the file itself says, in our own format.
        evidence: What was concluded, and why.
        warnings: What was assumed.
    """

    raw: RawCheckpoint
    unwrapped: Unwrapped
    stripped: Stripped | None = None
    state: dict[str, Tensor] = field(default_factory=dict)
    dialect: str | None = None
    spec: ModelSpec | None = None
    detector: DetectorSpec | None = None
    build: Callable[[], nn.Module] | None = None
    record: Record | None = None
    evidence: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.raw.path

    def take(self, stripped: Stripped) -> None:
        """Go on with the network's tensors by their own names."""
        self.stripped, self.state = stripped, stripped.state
        self.evidence += stripped.evidence
        self.warnings += stripped.warnings


def begin(raw: RawCheckpoint, weights: str | None = None) -> Interpretation:
    """Unwrap what was read, and verify it where it is of our own format.

    Args:
        raw: The file as read.
        weights: Which of several sets of weights in it, see `unwrap`.
    """
    unwrapped = unwrap(raw.content, raw.path, weights)
    check_stored(unwrapped.state, raw.path, raw.size)
    interpretation = Interpretation(raw, unwrapped, state=unwrapped.state)
    interpretation.evidence.append(f"format: {raw.format}, told from the content")
    interpretation.evidence += [f"unwrapped: {layer}" for layer in unwrapped.stripped]
    if weights is not None:
        interpretation.evidence.append(f"weights {weights!r}: named by the user")
    formats = number_formats(unwrapped.state)
    if set(formats) - {"float32"}:
        interpretation.evidence.append(f"stored as {', '.join(formats)}; loaded as float32")
    if "float64" in formats:
        interpretation.warnings.append("float64 weights were rounded to float32")
    if is_native(raw.metadata):
        interpretation.record = read_record(raw.metadata, unwrapped.state, raw.path)
        interpretation.dialect = "autola-analysis file"
        if isinstance(interpretation.record.spec, DetectorSpec):
            _take_detector(interpretation, interpretation.record.spec)
    return interpretation


def _take_detector(found: Interpretation, spec: DetectorSpec) -> None:
    found.detector, found.build = spec, spec.build
    backbone = f"{spec.backbone.backbone}, attention {spec.attention}"
    found.evidence.append(f"the file records: {spec.kind} with {backbone}, {counted(spec.classes, spec.named)}")


def interpret(found: Interpretation, request: Request) -> None:
    """Find the network that takes the tensors, and name the tensors as it does.

    Raises:
        CheckpointError: If the file cannot be identified, or not with what was requested.
        OptionError: If the request itself is not possible.
    """
    if found.detector is not None:
        raise CheckpointError(
            f"{found.path} holds a detector ({found.detector.kind}), and a classifier was asked for; load it with "
            "load_detector."
        )
    if request.external is not None:
        _external(found, request.external, request)
    elif found.record is not None:
        assert isinstance(found.record.spec, ModelSpec)
        _recorded(found, found.record.spec, request)
    else:
        _identified(found, request)
    if found.spec is not None and request.num_classes not in (None, found.spec.num_classes):
        raise CheckpointError(
            f"{found.path} has a head of {found.spec.num_classes} classes, {request.num_classes} were asked for; leave "
            "the number of classes out or give the right file."
        )


def outline_of(found: Interpretation) -> nn.Module:
    """Return the network with names and shapes and, where it is wholly one of ours, without memory for its weights.

    Raises:
        CheckpointError: If the file describes a network that cannot be built.
        MissingExtraError: If a package that it is built of is not installed.
    """
    assert found.build is not None
    spec = found.detector or found.spec
    if spec is None or spec.attention not in ATTENTIONS:
        return build_aside(found.build)
    try:
        return build_outline(found.build)
    except (AutolaError, ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, MissingExtraError) or (isinstance(error, AutolaError) and found.record is None):
            raise
        raise CheckpointError(
            f"{found.path} describes a network that cannot be built here ({short_reason(error)}); use the version of "
            "autola-analysis that wrote it, or the original file."
        ) from error


def _external(found: Interpretation, arch: str, request: Request) -> None:
    if request.attention is not None or request.genotype is not None:
        raise OptionError(f"--arch {arch} builds a whole network; leave --attention and --genotype out.")
    classes = request.num_classes if request.num_classes is not None else _head_classes(found.unwrapped.state)
    model = build_aside(partial(build_external, arch, classes))
    found.take(strip_to_match(found.unwrapped.state, model.state_dict().keys(), found.path))
    found.dialect = arch
    found.build = lambda: model
    found.evidence.append(f"network {arch}: named by the user")


def _recorded(found: Interpretation, spec: ModelSpec, request: Request) -> None:
    if request.arch not in (None, spec, spec.backbone):
        raise CheckpointError(
            f"{found.path} records that it is a {spec.backbone}, not {request.arch}; leave --arch out."
        )
    if request.genotype is not None and request.genotype != spec.wiring:
        raise CheckpointError(f"{found.path} records another genotype than the given one; leave --genotype out.")
    found.spec = spec
    found.evidence.append(f"the file records: {spec.backbone}, attention {spec.attention}, {spec.num_classes} classes")
    found.build = spec.build
    if request.attention is not None:
        found.build = _with_attention(spec, request.attention)
    elif spec.attention not in ATTENTIONS:
        raise CheckpointError(
            f"{found.path} records the attention {spec.attention!r}, which is not known here; give its class with "
            "--attention FILE.py:Class."
        )


def _identified(found: Interpretation, request: Request) -> None:
    found.take(strip_resnet(found.unwrapped.state, found.path))
    if request.attention is not None:
        _own_attention(found, request)
        return
    spec = request.arch if isinstance(request.arch, ModelSpec) else None
    translation = translate(found.state, found.path, request.genotype)
    found.state, found.dialect = translation.state, translation.dialect
    found.evidence += translation.evidence
    if spec is None:
        backbone = request.arch if isinstance(request.arch, str) else None
        _accept(found, identify(found.state, found.path, genotype=request.genotype, backbone=backbone))
        return
    found.spec, found.build = spec, spec.build
    found.evidence.append(f"network {spec.backbone} with attention {spec.attention}: a spec named by the user")


def _accept(found: Interpretation, identification: Identification) -> None:
    found.spec, found.build = identification.spec, identification.spec.build
    found.evidence += identification.evidence
    found.warnings += identification.warnings


def _own_attention(found: Interpretation, request: Request) -> None:
    """Take the user's module at its usual place in a bottleneck; elsewhere only where it does not fit there."""
    attention = request.attention
    if attention is None or request.genotype is not None or isinstance(request.arch, ModelSpec):
        raise OptionError("an own attention module excludes a genotype and a whole spec; leave those out.")
    label = attention if isinstance(attention, str) else getattr(attention, "__qualname__", repr(attention))
    own = Attention(label, evidence=(f"attention {label}: named by the user",))
    backbone = request.arch if isinstance(request.arch, str) else None
    found.dialect = "autola-analysis"
    identification = identify(found.state, found.path, backbone=backbone, attention=own)
    _accept(found, identification)
    spec = identification.spec
    found.build = _with_attention(spec, attention)
    if "layer1.0.conv3.weight" in found.state and not _fits(found, found.build):
        for position in ("inner", "outer"):
            moved = replace(spec, options={**spec.options, "position": position})
            build = _with_attention(moved, attention)
            if _fits(found, build):
                found.spec, found.build = moved, build
                found.evidence.append(f"position {position}: only there the attention's tensors fit")


def _fits(found: Interpretation, build: Callable[[], nn.Module]) -> bool:
    try:
        check_match(build_aside(build), found.state, found.path)
    except CheckpointError:
        return False
    return True


def _with_attention(spec: ModelSpec, attention: str | AttentionFactory) -> Callable[[], nn.Module]:
    factory = load_attention(attention) if isinstance(attention, str) else attention
    return partial(
        create_model,
        spec.backbone,
        factory,
        spec.num_classes,
        attention_options=spec.attention_options,
        **spec.options,
    )


def _head_classes(state: dict[str, Tensor]) -> int | None:
    """Return the outputs of the head: the last linear layer with a usual name, else the last one of all."""
    linear = [name for name, tensor in state.items() if tensor.ndim == 2 and name.endswith(".weight")]
    heads = [name for name in linear if name.split(".")[-2] in ("fc", "head", "classifier", "linear", "cls_score")]
    return int(state[(heads or linear)[-1]].shape[0]) if linear else None


def outputs_of(found: Interpretation) -> int | None:
    """Return the number of outputs of an interpreted network's head; None where that cannot be known."""
    return found.spec.num_classes if found.spec is not None else _head_classes(found.state)


def _spec_of_file(path: Path) -> ModelSpec:
    try:
        return checked_spec(json_of(read_text(path)))
    except OSError as error:
        raise OptionError(f"cannot read the spec file {path} ({error.strerror}); check the path.") from error
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise OptionError(
            f"the spec file {path} does not describe a network ({error}); it holds a JSON object with backbone, "
            "attention, num_classes, options and attention_options."
        ) from error
