"""One analysis of some networks, without a study: what ``measure_selectivity`` and its siblings do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from torch import nn

from autola_analysis.analyses.analysis import Analysis, Observed, Subject
from autola_analysis.analyses.observation import Reading, by_watcher, observe_all
from autola_analysis.analyses.options import AnalysisOptions
from autola_analysis.analyses.variants import Variant, as_variant, check_task
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import OptionError
from autola_analysis.data.source import Source
from autola_analysis.data.subset import limit
from autola_analysis.inference.channels import channel_axis
from autola_analysis.inference.stream import ImageData

Model = LoadedModel | LoadedDetector | nn.Module | Variant
"""What an analysis takes as a network."""
OptionsT = TypeVar("OptionsT", bound=AnalysisOptions)
ResultT = TypeVar("ResultT")


def given(kind: type[OptionsT], options: OptionsT | None, values: Mapping[str, Any]) -> OptionsT:
    """Return options that were given as an object, or field by field.

    Raises:
        OptionError: If both were given, or a value is not possible.
    """
    if options is not None and values:
        raise OptionError(f"give options, or {', '.join(values)} by themselves, not both.")
    return options if options is not None else kind(**values)


def measure_alone(
    analysis: Analysis[OptionsT, ResultT],
    models: Model | Sequence[Model],
    data: ImageData,
    options: OptionsT,
    reading: Reading | None = None,
) -> ResultT:
    """Check, run the passes and measure, for one analysis; only the first of several processes finishes the result.

    Raises:
        AutolaError: As the analysis and the pass do.
    """
    reading = reading or Reading()
    variants = as_variants(models)
    if isinstance(data, Source) and options.limit != "all":
        data = limit(data, options.limit, options.seed)
    with channel_axis(reading.settings.channel_axis):
        subject = Subject(variants, data)
        check_task(analysis.name, analysis.tasks, variants, data)
        analysis.check_source(options, data)
        analysis.check(options, subject)
        watchers = analysis.watch(options, subject)
        observations = observe_all(variants, data, watchers, reading) if watchers else []
        observed = Observed(by_watcher(watchers, observations))
        result = analysis.measure(options, subject, observed, reading)
        return analysis.finish(options, subject, result, reading) if current().first else result


def as_variants(models: Model | Sequence[Model]) -> list[Variant]:
    """Return networks of any accepted kind as variants; several without names are numbered."""
    if not isinstance(models, Sequence):
        return [as_variant(models)]
    if not models:
        raise OptionError("there is no network to analyse.")
    if len(models) == 1:
        return [as_variant(models[0])]
    return [as_variant(model, f"model {number}") for number, model in enumerate(models, start=1)]
