"""From a file to a ready model: safe reading, dialects, identification, writing."""

from autola_analysis.checkpoints.loading import LoadedModel, load_model
from autola_analysis.checkpoints.report import CheckpointReport, inspect_checkpoint
from autola_analysis.checkpoints.writing import save_model

__all__ = ["CheckpointReport", "LoadedModel", "inspect_checkpoint", "load_model", "save_model"]
