"""Explain the joints of people with several networks, the same people for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.explain_joints import explain_joints
from autola_analysis.analyses.saliency.items.together import (
    ExplainedNetwork,
    exactly,
    explain_together,
    remarks_on_precision,
)
from autola_analysis.analyses.saliency.joints.assembly import assembled
from autola_analysis.analyses.saliency.joints.explained import ExplainedPeople, SeenJoints
from autola_analysis.analyses.saliency.joints.question import JointQuestion
from autola_analysis.analyses.saliency.joints.result import JointSaliencyResult
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.inference.failures import forward_of
from autola_analysis.inference.resources import gradient_batch_size
from autola_analysis.inference.stream import Batch


class JointNetwork(ExplainedNetwork[JointQuestion, SeenJoints]):
    """A network whose joints are explained, one person an image."""

    def take(self, batch: Batch) -> None:
        """Explain the joints of the people of one batch.

        Raises:
            DataError: If the network cannot run on such crops.
        """
        question, options = self.question, self.question.options
        joints = np.stack([question.joints(person) for person in batch.indices.tolist()])
        with forward_of(self.variant.title, batch.images.shape[1:]):
            explanation = explain_joints(
                self.variant,
                batch.images,
                question.methods,
                options.layers,
                joints,
                question.target,
                guide_gates=options.guide_gates,
            )
        people = ExplainedPeople.of(question, self.variant, batch, explanation)
        chance = list(people.chance()) if self.first else []
        seen = SeenJoints(list(people.rows()), chance, list(people.panels()), people.shares())
        self.keep(batch, seen, list(explanation.maps))


def explained_joints(
    variants: Sequence[Variant], crops: PersonCrops, options: SaliencyOptions, reading: Reading
) -> JointSaliencyResult:
    """Explain the same joints with every network; all processes of a run share the people.

    Args:
        variants: Networks for joints.
        crops: The people.
        options: Methods, layers, target.
        reading: Device, batch size, workers, progress bar; the arithmetic is always float32, uncompiled.
    """
    question = JointQuestion.of(crops, options)
    networks = [JointNetwork(variant, variant is variants[0], question) for variant in variants]

    def batch_size(side: int, device: torch.device) -> int:
        return max(1, gradient_batch_size(side, device) // len(question.names))

    everything, layers = explain_together(networks, crops, exactly(reading), batch_size, SeenJoints)
    result = assembled(question, variants, everything, layers)
    return replace(result, warnings=(*result.warnings, *remarks_on_precision(reading)))
