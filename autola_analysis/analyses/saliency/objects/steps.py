"""About how long insertion, deletion and the sanity check of objects take."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.analysis import Step, Subject
from autola_analysis.analyses.saliency.methods import object_methods
from autola_analysis.analyses.saliency.objects.faithfulness import FORWARDS_PER_IMAGE, FORWARDS_PER_MAP
from autola_analysis.analyses.saliency.objects.localise import BOX_ONLY
from autola_analysis.analyses.saliency.objects.measure import OBJECTS_OF_AN_IMAGE
from autola_analysis.analyses.saliency.objects.question import ObjectQuestion
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.sanity.weights import cascade_of_detector
from autola_analysis.core.text import counted
from autola_analysis.data.object_source import ObjectSource

FORWARDS_OF_ONE_OBJECT = 5.0
"""A forward, and a plain and a guided backward pass, each about two forwards"""


def object_steps(options: SaliencyOptions, subject: Subject, seconds: float) -> Sequence[Step]:
    """Return the steps beside the maps themselves.

    Args:
        options: What is asked.
        subject: Detectors and images.
        seconds: That one image takes through all detectors together.
    """
    source, steps = subject.source, []
    assert isinstance(source, ObjectSource)
    question = ObjectQuestion.of(subject.variants, source, options)
    if options.faithfulness:
        objects, about = sum(len(each.classes) for each in question.asked.values()), ""
        if question.target == "detection":
            objects, about = len(source) * min(options.most, OBJECTS_OF_AN_IMAGE), "about "
        maps = len(object_methods(question.methods)) + len(BOX_ONLY)
        forwards = objects * maps * FORWARDS_PER_MAP + len(source) * FORWARDS_PER_IMAGE
        what = f"insertion and deletion of {about}{counted(objects, 'object')}, {maps} maps each, {forwards:,} forwards"
        steps.append(Step(what, forwards * seconds))
    if options.sanity:
        checked = {variant.name: cascade_of_detector(variant.model) for variant in reversed(subject.variants)}
        stages = options.sanity_draws * sum(map(len, checked.values()))
        each = min(options.sanity, len(source)) * FORWARDS_OF_ONE_OBJECT * seconds / len(subject.variants)
        steps.append(Step(f"the sanity check, {counted(stages, 'randomisation')}", stages * each))
    return steps
