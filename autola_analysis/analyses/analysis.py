"""The contract of an analysis: one object that says all that study, command line and report need to know of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from autola_analysis.analyses.object_items import ObjectItems
    from autola_analysis.analyses.observation import Observation, Reading, Watcher
    from autola_analysis.analyses.options import AnalysisOptions
    from autola_analysis.analyses.variants import Variant
    from autola_analysis.core.results import Format, Stored
    from autola_analysis.data.person_crops import PersonCrops
    from autola_analysis.data.source import Source
    from autola_analysis.inference.stream import ImageData
    from autola_analysis.inference.tasks.accuracy import Accuracy
    from autola_analysis.report.section import Section
    from autola_analysis.report.sheet import Sheet
    from autola_analysis.statistics.claims import Claim
    from autola_analysis.statistics.difference import Comparable

    OptionsT = TypeVar("OptionsT", bound=AnalysisOptions)
else:
    OptionsT = TypeVar("OptionsT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Subject:
    """What an analysis is about: networks, and images.

    Attributes:
        variants: Networks, in the order they are shown.
        source: Images that the analysis looks at.
    """

    variants: Sequence[Variant]
    source: ImageData

    @property
    def ids(self) -> Sequence[str] | None:
        """Names of the images; None where the data only numbers them."""
        return getattr(self.source, "ids", None)

    @property
    def finds_joints(self) -> bool:
        """Whether some of the networks find joints."""
        return any(variant.finds_joints for variant in self.variants)

    @cached_property
    def in_crops(self) -> Subject:
        """The subject with crops of people for its images, where its networks find joints; see `with_crops`."""
        from autola_analysis.analyses.joint_items import with_crops  # brings PyTorch: `--help` comes without

        return with_crops(self)

    @cached_property
    def people(self) -> PersonCrops:
        """The people of its images, each in a crop as its networks for joints take it; see `common_crop_size`."""
        from autola_analysis.analyses.joint_networks import people_of  # likewise

        return people_of(self.variants, self.source)

    @cached_property
    def items(self) -> ObjectItems | None:
        """The joints or objects of its images; None where every image has one label; see `items_of`."""
        from autola_analysis.analyses.joint_items import items_of  # likewise

        return items_of(self.source)


@dataclass(frozen=True)
class Observed:
    """What the passes gave to an analysis.

    Attributes:
        by_watcher: Per watcher of the analysis, by name, an observation per network that it applies to.
        results: Results of the analyses that this one needs, as tables and arrays, by name.
    """

    by_watcher: Mapping[str, Sequence[Observation[Any]]] = field(default_factory=dict)
    results: Mapping[str, Stored] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A part of a study that takes its time.

    Attributes:
        what: In words.
        seconds: Estimated.
    """

    what: str
    seconds: float


@dataclass(frozen=True)
class Lines:
    """A table for the terminal: a header and rows of text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Analysis(ABC, Generic[OptionsT, ResultT]):
    """Something to find out about networks: what it watches, measures, compares, writes and shows.

    Attributes:
        name: As in its `Registration`.
        format: Tables and arrays of its results.
        tasks: Tasks of the networks that it can look at.
        needs: Names of analyses whose tables and arrays it reads.
        claims: Claims of the paper, and of what extends them to other tasks, that its statistics decide.
    """

    name: str
    format: Format
    tasks: frozenset[str] = frozenset({"classification"})
    needs: frozenset[str] = frozenset()
    claims: Sequence[Claim] = ()

    def own_images(self, options: OptionsT, finds_objects: bool = False) -> Source | None:
        """Open the images that the options name instead of a data source; None where they name none.

        Args:
            options: Its options; `AnalysisOptions.names_images` says whether there are such images.
            finds_objects: Whether the networks are detectors, which take an `ObjectSource`.
        """
        return None

    def check_source(self, options: OptionsT, source: ImageData) -> None:
        """Refuse what options and images show by themselves, as files that options name and that cannot be used.

        A study asks for it before it loads a checkpoint, wherever the images do not follow from one.

        Raises:
            AutolaError: In one sentence.
        """

    def check(self, options: OptionsT, subject: Subject) -> None:
        """Refuse, before the first image is read, what cannot be measured; `check_source` has been asked.

        Raises:
            AutolaError: In one sentence.
        """

    def watch(self, options: OptionsT, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what is to hang on the one pass over the images; nothing for an analysis with passes of its own."""
        return ()

    @abstractmethod
    def measure(self, options: OptionsT, subject: Subject, observed: Observed, reading: Reading) -> ResultT:
        """Make the result; runs in all processes that share the study."""

    def finish(self, options: OptionsT, subject: Subject, result: ResultT, reading: Reading) -> ResultT:
        """Do what one process does alone; runs in the first of the processes that share the study."""
        return result

    @abstractmethod
    def store(self, result: ResultT) -> Stored:
        """Return a result as the tables and arrays of its `format`."""

    @abstractmethod
    def restore(self, stored: Stored) -> ResultT:
        """Return the result of its tables and arrays."""

    def statistics(self, result: ResultT) -> tuple[Sequence[Comparable], Sequence[str]]:
        """Return what variants are compared by, and sentences that belong beside the comparison."""
        return (), ()

    @abstractmethod
    def sections(self, result: ResultT, sheet: Sheet) -> Sequence[Section]:
        """Draw the figures of a result and return its sections of the page."""

    def lines(self, result: ResultT) -> Lines | None:
        """Return what its command prints."""
        return None

    def warnings(self, result: ResultT) -> Sequence[str]:
        """Return sentences that belong beside the numbers."""
        return ()

    def settings(self, result: ResultT) -> Any:
        """Return what else decided the numbers, JSON-ready, for the run record."""
        return {}

    def mentioned(self, result: ResultT) -> Sequence[str]:
        """Return the names of the images that its sections show small."""
        return ()

    def accuracies(self, result: ResultT) -> Mapping[tuple[str, str], Accuracy]:
        """Return the accuracy per model and run that a pass of its own measured; nothing where it has none."""
        return {}

    def renamed(self, result: ResultT, names: Mapping[str, str]) -> ResultT:
        """Return the result with images called by other names, for a report that names no folder."""
        return result

    def steps(self, options: OptionsT, subject: Subject, seconds: float) -> Sequence[Step]:
        """Return what it does beside the one pass, with estimated times.

        Args:
            options: Its options.
            subject: Networks and images.
            seconds: That one image takes through all networks together.
        """
        return ()
