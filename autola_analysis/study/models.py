"""From the model tables of a study to loaded networks with names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.attention.genotype import as_genotype
from autola_analysis.checkpoints import LoadedModel, load_model
from autola_analysis.checkpoints.class_names import BUILT_IN, read_class_names
from autola_analysis.checkpoints.detector_loading import LoadedDetector, holds_detector, load_detector
from autola_analysis.checkpoints.formats import opened
from autola_analysis.core.errors import CheckpointError, OptionError
from autola_analysis.core.files import expanded
from autola_analysis.study.file import DRAWS, ModelTable, Runs
from autola_analysis.study.runs import DistinctFiles
from autola_analysis.study.unlike_runs import refuse_unlike_runs
from autola_analysis.study.wirings import is_drawn

LONGEST_NAME = 60
CLASSIFIER_KEYS = ("arch", "genotype", "attention", "normalize", "resize", "crop", "classes", "output")
"""What a table says of files that hold no detector."""
MISSING_IN_TABLES = {"NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>", "-nan", "-NaN", "#N/A", "#NA"}
"""Names that other programs' table readers take for a missing value."""


@dataclass(frozen=True)
class StudyModel:
    """A checkpoint of a study.

    Attributes:
        key: Of its table in the study file.
        group: Models of a group are compared with each other.
        variant: What the analyses take.
        loaded: What the file holds.
        runs: What it and the other runs of its variant are.
    """

    key: str
    group: str
    variant: Variant
    loaded: LoadedModel | LoadedDetector
    runs: Runs

    @property
    def title(self) -> str:
        """Name and run, for messages."""
        return self.variant.title


def check_tables(tables: Mapping[str, ModelTable], base: Path) -> None:
    """Refuse equal names, checkpoints that are not there, and classes and wirings that cannot be read; load nothing.

    Args:
        tables: By key.
        base: Directory that relative paths are relative to.

    Raises:
        CheckpointError: If a checkpoint cannot be opened.
        OptionError: If two tables have one name, a name would not survive tables and figures, or a file of class names
            or of a wiring cannot be used.
    """
    _refuse_equal_names(tables)
    for key, table in tables.items():
        for file in table.files:
            path = base / expanded(file)
            if not path.exists() and Path(file).stem != key:  # an '=' in a file's name looks like that of NAME=PATH
                raise CheckpointError(f"there is no checkpoint file {path}, read from {key}={file}; check the path.")
            with opened(path):
                pass
        if table.classes is not None:
            read_class_names(_names_or_file(table.classes, base))
        if table.genotype is not None:
            as_genotype(base / expanded(table.genotype))


def load_models(
    tables: Mapping[str, ModelTable], base: Path, detectors: Collection[str] = (), either: Collection[str] = ()
) -> list[StudyModel]:
    """Load the checkpoints of all tables in order; the files of one table are training runs, from 1 on.

    Args:
        tables: By key.
        base: Directory that relative paths are relative to.
        detectors: Keys of the tables whose files are read as detectors, whole; of any other the backbone is read.
        either: Keys of the tables whose files are read as what they hold.

    Raises:
        OptionError: As `check_tables` does, or if two files hold one set of weights, or runs of one table are different
            networks.
        CheckpointError: If a file cannot be loaded.
    """
    check_tables(tables, base)
    models: list[StudyModel] = []
    seen = DistinctFiles()
    for key, table in tables.items():
        name, of_table = table.name or key, []
        for file in table.files:
            path = base / expanded(file)
            whole = key in detectors or (key in either and holds_detector(path, table.weights, table.trust))
            loaded = _detector(path, key, table) if whole else _classifier(path, key, table, base)
            seen.add(path, loaded)
            of_table.append(loaded)
        refuse_unlike_runs(name, of_table, table.wirings == "mixed", table.runs)
        runs = DRAWS if all(is_drawn(loaded.spec) for loaded in of_table) else table.runs
        models += [
            StudyModel(key, table.group or _group(loaded), as_variant(loaded, name, str(run)), loaded, runs)
            for run, loaded in enumerate(of_table, start=1)
        ]
    return models


def _group(loaded: LoadedModel | LoadedDetector) -> str:
    """Return what networks have in common that are compared with each other."""
    if isinstance(loaded, LoadedDetector):
        return f"{loaded.spec.kind} with {loaded.spec.backbone.backbone}"
    return loaded.spec.backbone if loaded.spec else ""


def _detector(path: Path, key: str, table: ModelTable) -> LoadedDetector:
    given = [name for name in CLASSIFIER_KEYS if getattr(table, name) is not None]
    if given:
        raise OptionError(f"{key} is read as a detector, and a detector's file takes no {given[0]}; leave it out.")
    return load_detector(path, weights=table.weights, device="cpu", trust=table.trust)


def _classifier(path: Path, key: str, table: ModelTable, base: Path) -> LoadedModel:
    """Load a classifier, or the backbone of a detector that can be read as one."""
    try:
        return _loaded(path, table, base)
    except CheckpointError as error:
        if not holds_detector(path, table.weights, table.trust):
            raise
        raise OptionError(
            f"{key} holds a detector, and the data are images with a label each; give a source of objects, such as "
            "--data coco:ROOT, objects:FILE.json or cluttered-scenes."
        ) from error


def _loaded(path: Path, table: ModelTable, base: Path) -> LoadedModel:
    return load_model(
        path,
        arch=table.arch,
        genotype=None if table.genotype is None else str(base / expanded(table.genotype)),
        attention=table.attention,
        weights=table.weights,
        normalize=table.normalize,
        resize=table.resize,
        crop=table.crop,
        classes=None if table.classes is None else _names_or_file(table.classes, base),
        output=table.output,
        device="cpu",
        trust=table.trust,
    )


def _names_or_file(classes: str, base: Path) -> str:
    """Return a built-in list of class names as it is, and a file relative to a directory."""
    return classes if classes in BUILT_IN else str(base / expanded(classes))


def _refuse_equal_names(tables: Mapping[str, ModelTable]) -> None:
    keys: dict[str, str] = {}
    for key, table in tables.items():
        name = table.name or key
        if name in MISSING_IN_TABLES or len(name) > LONGEST_NAME or not name.isprintable():
            raise OptionError(
                f"{name[:LONGEST_NAME]!r} cannot name a variant; use 1 to {LONGEST_NAME} printable characters that no "
                "table reader takes for a missing value."
            )
        other = keys.setdefault(name, key)
        if other != key:
            raise OptionError(
                f"models.{other} and models.{key} are both called {name!r}; name them apart, or give "
                "the runs of one model as paths = [...]."
            )
