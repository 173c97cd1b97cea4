"""Feature analysis of convolutional networks with pluggable attention modules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors; at run time names are imported when they are first used
    from autola_analysis.analyses.ablation.figure import plot_ablation as plot_ablation
    from autola_analysis.analyses.ablation.measure import measure_ablation as measure_ablation
    from autola_analysis.analyses.ablation.options import AblationOptions as AblationOptions
    from autola_analysis.analyses.ablation.outcome import AblationCurves as AblationCurves
    from autola_analysis.analyses.ablation.result import AblationResult as AblationResult
    from autola_analysis.analyses.analysis import Analysis as Analysis
    from autola_analysis.analyses.analysis import Lines as Lines
    from autola_analysis.analyses.analysis import Observed as Observed
    from autola_analysis.analyses.analysis import Step as Step
    from autola_analysis.analyses.analysis import Subject as Subject
    from autola_analysis.analyses.context.figure import plot_altered_images as plot_altered_images
    from autola_analysis.analyses.context.figure import plot_context as plot_context
    from autola_analysis.analyses.context.measure import measure_context as measure_context
    from autola_analysis.analyses.context.options import ContextOptions as ContextOptions
    from autola_analysis.analyses.context.result import AlteredPicture as AlteredPicture
    from autola_analysis.analyses.context.result import ContextResult as ContextResult
    from autola_analysis.analyses.embedding.embed import embed as embed
    from autola_analysis.analyses.embedding.embed import embed_all as embed_all
    from autola_analysis.analyses.embedding.extract import extract_features as extract_features
    from autola_analysis.analyses.embedding.features import Features as Features
    from autola_analysis.analyses.embedding.figure import plot_embedding as plot_embedding
    from autola_analysis.analyses.embedding.figure import plot_knn_accuracy as plot_knn_accuracy
    from autola_analysis.analyses.embedding.options import EmbeddingOptions as EmbeddingOptions
    from autola_analysis.analyses.embedding.result import Embedding as Embedding
    from autola_analysis.analyses.evaluate.detection.figure import plot_average_precision as plot_average_precision
    from autola_analysis.analyses.evaluate.detection.figure import plot_class_precision as plot_class_precision
    from autola_analysis.analyses.evaluate.detection.figure import plot_precision_recall as plot_precision_recall
    from autola_analysis.analyses.evaluate.detection.found import Found as Found
    from autola_analysis.analyses.evaluate.detection.numbers import DetectionNumbers as DetectionNumbers
    from autola_analysis.analyses.evaluate.detection.result import DetectionResult as DetectionResult
    from autola_analysis.analyses.evaluate.figure import plot_class_accuracy as plot_class_accuracy
    from autola_analysis.analyses.evaluate.figure import plot_confusion as plot_confusion
    from autola_analysis.analyses.evaluate.keypoints.figure import plot_joints as plot_joints
    from autola_analysis.analyses.evaluate.keypoints.figure import plot_keypoint_precision as plot_keypoint_precision
    from autola_analysis.analyses.evaluate.keypoints.numbers import KeypointNumbers as KeypointNumbers
    from autola_analysis.analyses.evaluate.keypoints.people import People as People
    from autola_analysis.analyses.evaluate.keypoints.result import KeypointResult as KeypointResult
    from autola_analysis.analyses.evaluate.measure import evaluate as evaluate
    from autola_analysis.analyses.evaluate.options import EvaluationOptions as EvaluationOptions
    from autola_analysis.analyses.evaluate.predictions import Predictions as Predictions
    from autola_analysis.analyses.evaluate.result import EvaluationResult as EvaluationResult
    from autola_analysis.analyses.gates.figure import plot_gates as plot_gates
    from autola_analysis.analyses.gates.measure import measure_gates as measure_gates
    from autola_analysis.analyses.gates.options import GateOptions as GateOptions
    from autola_analysis.analyses.gates.result import GateResult as GateResult
    from autola_analysis.analyses.observation import Observation as Observation
    from autola_analysis.analyses.observation import Reading as Reading
    from autola_analysis.analyses.observation import Watcher as Watcher
    from autola_analysis.analyses.options import AnalysisOptions as AnalysisOptions
    from autola_analysis.analyses.options import Names as Names
    from autola_analysis.analyses.options import option as option
    from autola_analysis.analyses.output_names import OutputNames as OutputNames
    from autola_analysis.analyses.per_image import PerImageObserver as PerImageObserver
    from autola_analysis.analyses.per_image import PerImageWatcher as PerImageWatcher
    from autola_analysis.analyses.registration import Registration as Registration
    from autola_analysis.analyses.saliency.cells import CellAxis as CellAxis
    from autola_analysis.analyses.saliency.cells import CellGrid as CellGrid
    from autola_analysis.analyses.saliency.explain import explain as explain
    from autola_analysis.analyses.saliency.explain_joints import JointExplanation as JointExplanation
    from autola_analysis.analyses.saliency.explain_joints import explain_joints as explain_joints
    from autola_analysis.analyses.saliency.explain_joints import joint_matrix as joint_matrix
    from autola_analysis.analyses.saliency.explain_joints import joint_radii as joint_radii
    from autola_analysis.analyses.saliency.explain_joints import joint_shares as joint_shares
    from autola_analysis.analyses.saliency.explain_objects import ObjectExplanation as ObjectExplanation
    from autola_analysis.analyses.saliency.explain_objects import explain_objects as explain_objects
    from autola_analysis.analyses.saliency.explanation import Explanation as Explanation
    from autola_analysis.analyses.saliency.figure import plot_saliency as plot_saliency
    from autola_analysis.analyses.saliency.joints.figure import plot_joint_matrix as plot_joint_matrix
    from autola_analysis.analyses.saliency.joints.result import JointSaliencyResult as JointSaliencyResult
    from autola_analysis.analyses.saliency.measure import measure_saliency as measure_saliency
    from autola_analysis.analyses.saliency.object_figure import plot_objects as plot_objects
    from autola_analysis.analyses.saliency.objects.result import ObjectSaliencyResult as ObjectSaliencyResult
    from autola_analysis.analyses.saliency.options import SaliencyOptions as SaliencyOptions
    from autola_analysis.analyses.saliency.result import Panel as Panel
    from autola_analysis.analyses.saliency.result import Picture as Picture
    from autola_analysis.analyses.saliency.result import SaliencyResult as SaliencyResult
    from autola_analysis.analyses.saliency.sanity.check import sanity_check as sanity_check
    from autola_analysis.analyses.saliency.sanity.figure import plot_sanity as plot_sanity
    from autola_analysis.analyses.saliency.sanity.result import ComparedMaps as ComparedMaps
    from autola_analysis.analyses.saliency.sanity.result import SanityResult as SanityResult
    from autola_analysis.analyses.search_report.figure import plot_entropies as plot_entropies
    from autola_analysis.analyses.search_report.figure import plot_ranking as plot_ranking
    from autola_analysis.analyses.search_report.options import SearchReportOptions as SearchReportOptions
    from autola_analysis.analyses.search_report.result import SearchReportResult as SearchReportResult
    from autola_analysis.analyses.selectivity.figure import plot_selectivity as plot_selectivity
    from autola_analysis.analyses.selectivity.measure import measure_selectivity as measure_selectivity
    from autola_analysis.analyses.selectivity.metric import ClassSelectivity as ClassSelectivity
    from autola_analysis.analyses.selectivity.options import SelectivityOptions as SelectivityOptions
    from autola_analysis.analyses.selectivity.result import SelectivityResult as SelectivityResult
    from autola_analysis.analyses.selectivity.top_images import TopImages as TopImages
    from autola_analysis.analyses.selectivity_index import SelectivityIndex as SelectivityIndex
    from autola_analysis.analyses.similarity.figure import plot_similarity as plot_similarity
    from autola_analysis.analyses.similarity.measure import measure_similarity as measure_similarity
    from autola_analysis.analyses.similarity.options import SimilarityOptions as SimilarityOptions
    from autola_analysis.analyses.similarity.result import SimilarityResult as SimilarityResult
    from autola_analysis.analyses.variants import Variant as Variant
    from autola_analysis.analyses.variants import as_variant as as_variant
    from autola_analysis.attention import Genotype as Genotype
    from autola_analysis.attention import create_attention as create_attention
    from autola_analysis.attention import list_attentions as list_attentions
    from autola_analysis.attention import register_attention as register_attention
    from autola_analysis.backbones import ModelSpec as ModelSpec
    from autola_analysis.backbones import create_model as create_model
    from autola_analysis.backbones import list_backbones as list_backbones
    from autola_analysis.checkpoints import CheckpointReport as CheckpointReport
    from autola_analysis.checkpoints import LoadedModel as LoadedModel
    from autola_analysis.checkpoints import inspect_checkpoint as inspect_checkpoint
    from autola_analysis.checkpoints import load_model as load_model
    from autola_analysis.checkpoints import save_model as save_model
    from autola_analysis.checkpoints.detector_loading import LoadedDetector as LoadedDetector
    from autola_analysis.checkpoints.detector_loading import load_detector as load_detector
    from autola_analysis.core import columns as columns
    from autola_analysis.core.columns import Column as Column
    from autola_analysis.core.distributed import Processes as Processes
    from autola_analysis.core.errors import AutolaError as AutolaError
    from autola_analysis.core.objects import JointSet as JointSet
    from autola_analysis.core.objects import Objects as Objects
    from autola_analysis.core.results import Arrays as Arrays
    from autola_analysis.core.results import Format as Format
    from autola_analysis.core.results import Stored as Stored
    from autola_analysis.core.tables import Table as Table
    from autola_analysis.data.bad_boxes import BoxChanges as BoxChanges
    from autola_analysis.data.coco_export import export_coco as export_coco
    from autola_analysis.data.object_source import ObjectSource as ObjectSource
    from autola_analysis.data.open import open_source as open_source
    from autola_analysis.data.open import register_source as register_source
    from autola_analysis.data.open_objects import open_objects as open_objects
    from autola_analysis.data.person_crops import PersonCrops as PersonCrops
    from autola_analysis.data.preprocessing import Geometry as Geometry
    from autola_analysis.data.preprocessing import Preprocessing as Preprocessing
    from autola_analysis.data.scene import Scene as Scene
    from autola_analysis.data.scene import Sprite as Sprite
    from autola_analysis.data.source import ImageSource as ImageSource
    from autola_analysis.data.source import Source as Source
    from autola_analysis.detectors import DetectorSpec as DetectorSpec
    from autola_analysis.detectors import create_detector as create_detector
    from autola_analysis.detectors import list_detectors as list_detectors
    from autola_analysis.inference.cost import Cost as Cost
    from autola_analysis.inference.decoding import DecodingRecord as DecodingRecord
    from autola_analysis.inference.decoding import NetworkDifference as NetworkDifference
    from autola_analysis.inference.distributed import joined as joined
    from autola_analysis.inference.run import PassRecord as PassRecord
    from autola_analysis.inference.run import Settings as Settings
    from autola_analysis.inference.running import NetworkRecord as NetworkRecord
    from autola_analysis.inference.stream import Batch as Batch
    from autola_analysis.inference.stream import Stream as Stream
    from autola_analysis.inference.tap import tap as tap
    from autola_analysis.inference.tasks.accuracy import Accuracy as Accuracy
    from autola_analysis.inference.tasks.average_precision import Detections as Detections
    from autola_analysis.inference.tasks.average_precision import Matches as Matches
    from autola_analysis.inference.tasks.coco_metrics import CocoMatches as CocoMatches
    from autola_analysis.inference.tasks.coco_metrics import CocoSummary as CocoSummary
    from autola_analysis.report.section import Section as Section
    from autola_analysis.report.sheet import Sheet as Sheet
    from autola_analysis.report.thumbnails import Thumbnails as Thumbnails
    from autola_analysis.search.agreement import compare_searches as compare_searches
    from autola_analysis.search.agreement_figure import plot_agreement as plot_agreement
    from autola_analysis.search.figure import plot_alphas as plot_alphas
    from autola_analysis.search.figure import plot_entropy as plot_entropy
    from autola_analysis.search.figure import plot_genotype as plot_genotype
    from autola_analysis.search.recipes import SearchRecipe as SearchRecipe
    from autola_analysis.search.result import SearchResult as SearchResult
    from autola_analysis.search.search_attention import search_attention as search_attention
    from autola_analysis.statistics.claims import Claim as Claim
    from autola_analysis.statistics.compare import Comparison as Comparison
    from autola_analysis.statistics.compare import compare as compare
    from autola_analysis.statistics.difference import Comparable as Comparable
    from autola_analysis.statistics.difference import Difference as Difference
    from autola_analysis.statistics.difference import Statistic as Statistic
    from autola_analysis.statistics.intervals import bootstrap_interval as bootstrap_interval
    from autola_analysis.study.comparison.compared import StudyComparison as StudyComparison
    from autola_analysis.study.comparison.figure import plot_claims as plot_claims
    from autola_analysis.study.demo import demo_checkpoints as demo_checkpoints
    from autola_analysis.study.file import AnalysisRequest as AnalysisRequest
    from autola_analysis.study.file import DataTable as DataTable
    from autola_analysis.study.file import ModelTable as ModelTable
    from autola_analysis.study.file import StudyFile as StudyFile
    from autola_analysis.study.measure import StudyResults as StudyResults
    from autola_analysis.study.models import StudyModel as StudyModel
    from autola_analysis.study.networks import Network as Network
    from autola_analysis.study.plan import Plan as Plan
    from autola_analysis.study.plan import PlannedAnalysis as PlannedAnalysis
    from autola_analysis.study.run import StudyReport as StudyReport
    from autola_analysis.study.run import run_study as run_study
    from autola_analysis.study.sources import StudyData as StudyData

_HOMES = {
    "Accuracy": "inference.tasks.accuracy",
    "Analysis": "analyses.analysis",
    "AnalysisOptions": "analyses.options",
    "AnalysisRequest": "study.file",
    "Arrays": "core.results",
    "AutolaError": "core.errors",
    "Batch": "inference.stream",
    "BoxChanges": "data.bad_boxes",
    "CheckpointReport": "checkpoints",
    "Claim": "statistics.claims",
    "CocoMatches": "inference.tasks.coco_metrics",
    "CocoSummary": "inference.tasks.coco_metrics",
    "Column": "core.columns",
    "Comparable": "statistics.difference",
    "Comparison": "statistics.compare",
    "Cost": "inference.cost",
    "DataTable": "study.file",
    "DecodingRecord": "inference.decoding",
    "Detections": "inference.tasks.average_precision",
    "DetectorSpec": "detectors",
    "Difference": "statistics.difference",
    "Format": "core.results",
    "Genotype": "attention",
    "Geometry": "data.preprocessing",
    "ImageSource": "data.source",
    "JointSet": "core.objects",
    "Lines": "analyses.analysis",
    "LoadedDetector": "checkpoints.detector_loading",
    "LoadedModel": "checkpoints",
    "Matches": "inference.tasks.average_precision",
    "ModelSpec": "backbones",
    "ModelTable": "study.file",
    "Names": "analyses.options",
    "Network": "study.networks",
    "NetworkDifference": "inference.decoding",
    "NetworkRecord": "inference.running",
    "ObjectSource": "data.object_source",
    "PersonCrops": "data.person_crops",
    "Objects": "core.objects",
    "Observation": "analyses.observation",
    "Observed": "analyses.analysis",
    "OutputNames": "analyses.output_names",
    "PassRecord": "inference.run",
    "PerImageObserver": "analyses.per_image",
    "PerImageWatcher": "analyses.per_image",
    "Plan": "study.plan",
    "PlannedAnalysis": "study.plan",
    "Preprocessing": "data.preprocessing",
    "Processes": "core.distributed",
    "Reading": "analyses.observation",
    "Registration": "analyses.registration",
    "Scene": "data.scene",
    "SearchRecipe": "search.recipes",
    "SearchResult": "search.result",
    "Section": "report.section",
    "Settings": "inference.run",
    "Sheet": "report.sheet",
    "Source": "data.source",
    "Sprite": "data.scene",
    "Statistic": "statistics.difference",
    "Step": "analyses.analysis",
    "Stored": "core.results",
    "Stream": "inference.stream",
    "StudyComparison": "study.comparison.compared",
    "StudyData": "study.sources",
    "StudyFile": "study.file",
    "StudyModel": "study.models",
    "StudyReport": "study.run",
    "StudyResults": "study.measure",
    "Subject": "analyses.analysis",
    "Table": "core.tables",
    "Thumbnails": "report.thumbnails",
    "Variant": "analyses.variants",
    "Watcher": "analyses.observation",
    "as_variant": "analyses.variants",
    "bootstrap_interval": "statistics.intervals",
    "columns": "core.columns",
    "compare": "statistics.compare",
    "compare_searches": "search.agreement",
    "create_attention": "attention",
    "create_detector": "detectors",
    "create_model": "backbones",
    "demo_checkpoints": "study.demo",
    "export_coco": "data.coco_export",
    "inspect_checkpoint": "checkpoints",
    "joined": "inference.distributed",
    "list_attentions": "attention",
    "list_backbones": "backbones",
    "list_detectors": "detectors",
    "load_detector": "checkpoints.detector_loading",
    "load_model": "checkpoints",
    "open_objects": "data.open_objects",
    "open_source": "data.open",
    "option": "analyses.options",
    "plot_agreement": "search.agreement_figure",
    "plot_alphas": "search.figure",
    "plot_claims": "study.comparison.figure",
    "plot_entropy": "search.figure",
    "plot_genotype": "search.figure",
    "register_attention": "attention",
    "register_source": "data.open",
    "run_study": "study.run",
    "save_model": "checkpoints",
    "search_attention": "search.search_attention",
    "tap": "inference.tap",
}
"""Where each public name lives that belongs to no analysis; analyses name theirs in their registrations."""
_MODULES = ("columns",)
"""Public names that are modules themselves."""


def _homes() -> dict[str, str]:
    """Return the module of every public name."""
    from autola_analysis.analyses.registry import public_names

    return {name: f"{__name__}.{module}" for name, module in _HOMES.items()} | public_names()


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_homes())
    if name in _HOMES:  # without a look at the analyses, which import this package themselves
        home = f"{__name__}.{_HOMES[name]}"
    elif name.startswith("_") or (home := _homes().get(name, "")) == "":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(home)
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_homes()])
