"""Feature analysis of convolutional networks with pluggable attention modules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autola_analysis.analyses.comparison import Comparison as Comparison
    from autola_analysis.analyses.comparison import compare as compare
    from autola_analysis.analyses.embedding.extract import extract_features as extract_features
    from autola_analysis.analyses.embedding.features import Features as Features
    from autola_analysis.analyses.embedding.result import Embedding as Embedding
    from autola_analysis.analyses.embedding.tsne import EmbeddingOptions as EmbeddingOptions
    from autola_analysis.analyses.embedding.tsne import embed as embed
    from autola_analysis.analyses.embedding.tsne import embed_all as embed_all
    from autola_analysis.analyses.gates import GateResult as GateResult
    from autola_analysis.analyses.gates import measure_gates as measure_gates
    from autola_analysis.analyses.saliency import Explanation as Explanation
    from autola_analysis.analyses.saliency import SanityResult as SanityResult
    from autola_analysis.analyses.saliency import explain as explain
    from autola_analysis.analyses.saliency import sanity_check as sanity_check
    from autola_analysis.analyses.saliency.measure import measure_saliency as measure_saliency
    from autola_analysis.analyses.selectivity import SelectivityOptions as SelectivityOptions
    from autola_analysis.analyses.selectivity import SelectivityResult as SelectivityResult
    from autola_analysis.analyses.selectivity import measure_selectivity as measure_selectivity
    from autola_analysis.analyses.selectivity.metric import ClassSelectivity as ClassSelectivity
    from autola_analysis.attention import create_attention as create_attention
    from autola_analysis.attention import list_attentions as list_attentions
    from autola_analysis.attention import register_attention as register_attention
    from autola_analysis.backbones import create_model as create_model
    from autola_analysis.backbones import list_backbones as list_backbones
    from autola_analysis.checkpoints import CheckpointReport as CheckpointReport
    from autola_analysis.checkpoints import LoadedModel as LoadedModel
    from autola_analysis.checkpoints import inspect_checkpoint as inspect_checkpoint
    from autola_analysis.checkpoints import load_model as load_model
    from autola_analysis.checkpoints import save_model as save_model
    from autola_analysis.core.errors import AutolaError as AutolaError
    from autola_analysis.data.open import open_source as open_source
    from autola_analysis.figures.claims import plot_claims as plot_claims
    from autola_analysis.figures.embedding import plot_embedding as plot_embedding
    from autola_analysis.figures.embedding import plot_knn_accuracy as plot_knn_accuracy
    from autola_analysis.figures.gates import plot_gates as plot_gates
    from autola_analysis.figures.saliency import plot_saliency as plot_saliency
    from autola_analysis.figures.selectivity import plot_selectivity as plot_selectivity
    from autola_analysis.inference.tap import tap as tap
    from autola_analysis.study.run import run_study as run_study

_HOMES = {
    "AutolaError": "core.errors",
    "CheckpointReport": "checkpoints",
    "ClassSelectivity": "analyses.selectivity.metric",
    "Comparison": "analyses.comparison",
    "Explanation": "analyses.saliency",
    "Embedding": "analyses.embedding.result",
    "EmbeddingOptions": "analyses.embedding.tsne",
    "Features": "analyses.embedding.features",
    "GateResult": "analyses.gates",
    "LoadedModel": "checkpoints",
    "SanityResult": "analyses.saliency",
    "SelectivityOptions": "analyses.selectivity",
    "SelectivityResult": "analyses.selectivity",
    "compare": "analyses.comparison",
    "create_attention": "attention",
    "create_model": "backbones",
    "explain": "analyses.saliency",
    "embed": "analyses.embedding.tsne",
    "embed_all": "analyses.embedding.tsne",
    "extract_features": "analyses.embedding.extract",
    "inspect_checkpoint": "checkpoints",
    "list_attentions": "attention",
    "list_backbones": "backbones",
    "load_model": "checkpoints",
    "measure_gates": "analyses.gates",
    "measure_selectivity": "analyses.selectivity",
    "measure_saliency": "analyses.saliency.measure",
    "open_source": "data.open",
    "plot_claims": "figures.claims",
    "plot_saliency": "figures.saliency",
    "plot_embedding": "figures.embedding",
    "plot_knn_accuracy": "figures.embedding",
    "plot_gates": "figures.gates",
    "plot_selectivity": "figures.selectivity",
    "save_model": "checkpoints",
    "register_attention": "attention",
    "run_study": "study.run",
    "sanity_check": "analyses.saliency",
    "tap": "inference.tap",
}
"""Where each public name lives. It is imported when first used, so that ``import autola_analysis`` stays light."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
