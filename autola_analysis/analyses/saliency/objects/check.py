"""What is refused before detectors are explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
from torchvision.models.detection.ssd import SSD

from autola_analysis.analyses.saliency.captum_bridge import PREFIX
from autola_analysis.analyses.saliency.methods import ALIASES, METHODS, resolve_methods
from autola_analysis.analyses.saliency.objects.classes import Classes
from autola_analysis.analyses.saliency.objects.question import methods_of, target_of
from autola_analysis.analyses.saliency.options import FOR_CLASSIFIERS, ObjectTarget, SaliencyOptions
from autola_analysis.analyses.saliency.result import CHANCE
from autola_analysis.analyses.variants import Variant, check_layer_names
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.candidates import traces_candidates


def check_objects(options: SaliencyOptions, variants: Sequence[Variant], source: ObjectSource) -> None:
    """Refuse, before the first image is read, what cannot be explained of detectors.

    Raises:
        AutolaError: In one sentence.
    """
    if given := options.flags_given(FOR_CLASSIFIERS):
        raise OptionError(f"{given[0]} is for classifiers, and {variants[0].title} is a detector.")
    for variant in variants:
        if variant.name == CHANCE:
            raise OptionError(f"{CHANCE!r} names the maps that know nothing; give the network another name.")
        if not traces_candidates(variant.model):
            raise DataError(
                f"{variant.title} does not say which candidates its detections come from; load it with load_detector "
                "or make it with create_detector."
            )
    _check_methods(options, variants)
    _check_target(options, variants, source)
    Classes.of(variants, source)
    if missing := [index for index in options.shown or () if not 0 <= index < len(source)]:
        raise OptionError(f"shown names image {missing[0]}, and there are {len(source):,}, numbered from 0.")
    for index in np.flatnonzero((source.sizes == 0).any(1)):
        source.image(int(index))  # says what is wrong with the file


def _check_methods(options: SaliencyOptions, variants: Sequence[Variant]) -> None:
    names = methods_of(options)
    if captum := [name for name in names if name.startswith(PREFIX)]:
        raise OptionError(
            f"{captum[0]} explains the outputs of classifiers; detectors take {', '.join(METHODS)}, odam."
        )
    resolved = resolve_methods([ALIASES.get(name, name) for name in names])
    if any(method.by_layer for method in resolved.values()):
        check_layer_names(variants, options.layers)


def _check_target(options: SaliencyOptions, variants: Sequence[Variant], source: ObjectSource) -> None:
    if options.target is not None and options.target not in get_args(ObjectTarget):
        raise OptionError(f"the target of detectors is {', '.join(get_args(ObjectTarget))}; found {options.target!r}.")
    target = target_of(options, source)
    if target != "detection" and not len(source.classes):
        raise OptionError(
            f"the target {target!r} needs annotated objects, which image files have not; give --data with objects."
        )
    if target == "given-box":
        for variant in variants:
            if isinstance(variant.model, SSD):
                raise OptionError(
                    f"{variant.title} reads its default boxes alone; the target 'given-box' is for Faster R-CNN."
                )
    if target == "object" and not any(len(source.objects(index)) for index in range(len(source))):
        raise OptionError(f"{source.name} has no annotated object in the images that are looked at; give other data.")
