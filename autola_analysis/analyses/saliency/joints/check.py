"""What is refused before networks for joints are explained."""

from __future__ import annotations

from typing import get_args

from autola_analysis.analyses.analysis import Subject
from autola_analysis.analyses.saliency.explain_joints import JointTarget
from autola_analysis.analyses.saliency.methods import object_methods
from autola_analysis.analyses.saliency.objects.question import methods_of
from autola_analysis.analyses.saliency.options import (
    FOR_CLASSIFIERS,
    FOR_DETECTORS,
    NOT_FOR_JOINTS,
    SaliencyOptions,
)
from autola_analysis.analyses.saliency.result import CHANCE
from autola_analysis.analyses.variants import check_layer_names
from autola_analysis.core.errors import OptionError
from autola_analysis.data.person_crops import placed_joints_of


def check_joint_saliency(options: SaliencyOptions, subject: Subject) -> None:
    """Refuse, before the first image is read, what cannot be explained of networks for joints.

    Raises:
        AutolaError: In one sentence.
    """
    variants, crops = subject.variants, subject.people
    kinds = {
        "classifiers": FOR_CLASSIFIERS,
        "detectors": FOR_DETECTORS,
        "classifiers and detectors": NOT_FOR_JOINTS,
    }
    for kind, names in kinds.items():
        if given := options.flags_given(names):
            raise OptionError(f"{given[0]} is for {kind}, and {variants[0].title} finds joints.")
    if any(variant.name == CHANCE for variant in variants):
        raise OptionError(f"{CHANCE!r} names the maps that know nothing; give the network another name.")
    placed_joints_of(crops.source, "tells what lies at a joint")
    if any(method.by_layer for method in object_methods(methods_of(options)).values()):
        check_layer_names(variants, options.layers)
    if options.target is not None and options.target not in get_args(JointTarget):
        raise OptionError(f"the target of joints is {' or '.join(get_args(JointTarget))}; found {options.target!r}.")
    if missing := [person for person in options.shown or () if not 0 <= person < len(crops)]:
        raise OptionError(f"shown names person {missing[0]}, and there are {len(crops):,}, numbered from 0.")
