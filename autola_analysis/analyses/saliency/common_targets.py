"""The class of each image that all networks explain: the first network decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.saliency.explain import explained_classes
from autola_analysis.analyses.saliency.inputs import standardised
from autola_analysis.analyses.saliency.targets import fixed_targets
from autola_analysis.analyses.variants import Variant, task_of
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import OptionError
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.class_scores import is_single
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tasks.accuracy import labels_fit_head
from autola_analysis.inference.tasks.classification import check_range


@dataclass
class CommonTargets:
    """The targets of a measurement, as far as they are decided.

    A class and the labels cost no forward; a prediction costs one, without a backward. The default target on a network
    that records neither its classes nor what it is costs a forward of one image, which tells the number of outputs.

    Attributes:
        data: The images.
        asked: See `SaliencyOptions`.
        classes: Class per image, ``(N,)``; -1 where it is not known here.
        rule: What decides: "label", "predicted" or a class; None before the first batch.
    """

    data: ImageSource
    asked: str | int | None
    classes: NDArray[np.int64]
    rule: str | int | None = None

    @classmethod
    def of(cls, data: ImageSource, asked: str | int | None) -> CommonTargets:
        """Begin with no target decided."""
        return cls(data, asked, np.full(len(data), -1, dtype=np.int64))

    def decide(self, first: Variant, batch: Batch) -> None:
        """Set the targets of a batch by the first network.

        Raises:
            OptionError: If the labels are asked for and known not to be the head's, or the target is none.
        """
        if self.rule is None:
            self.rule = self._rule(first, batch.images[:1])
        targets = fixed_targets(self.rule, batch.targets, len(batch.indices))
        if targets is None:
            targets = explained_classes(first, batch.images, batch_size=len(batch.indices))
        self.classes[batch.indices.numpy()] = targets.numpy()

    def check(self, first: Variant, outputs: int) -> None:
        """Refuse labels as targets where they do not number the outputs of the first network.

        Raises:
            OptionError: If the labels are the targets and not the head's.
        """
        if self.rule == "label":
            _refuse_foreign_labels(first, self.data, outputs)

    def share(self, classes: NDArray[np.int64]) -> None:
        """Let all processes know the targets of all images, which the first process has."""
        self.classes = np.array(current().broadcast_object(classes.tolist()), dtype=np.int64)

    def _rule(self, first: Variant, image: Tensor) -> str | int:
        if self.asked is not None:
            return self.asked
        # Names, where both sides have them, decide whatever the number of outputs.
        known = first.classes is not None or not len(self.data.classes)
        outputs = 0 if known else first.recorded_outputs or _outputs(first, image)
        return "label" if labels_fit(first, self.data, outputs) else "predicted"


def check_target(asked: str | int | None, variants: Sequence[Variant], data: ImageSource) -> None:
    """Refuse a target that cannot be explained, as far as the networks record their outputs.

    Raises:
        OptionError: If it is none, a network does not have the class, or the labels are not the first network's.
    """
    if asked is None:
        return
    fixed = fixed_targets(asked, data.labels, len(data))
    if isinstance(asked, int) and fixed is not None:
        for variant in variants:
            if outputs := variant.recorded_outputs:
                check_range(fixed, outputs)
    known = variants[0].recorded_outputs
    if asked == "label" and (known or not len(data.classes)):
        _refuse_foreign_labels(variants[0], data, known)


def _refuse_foreign_labels(first: Variant, data: ImageSource, outputs: int) -> None:
    if not labels_fit(first, data, outputs):
        raise OptionError(
            f"target 'label' needs labels that number the outputs of {first.title}; those of {data.name} "
            "do not: give --target predicted or a class."
        )


def labels_fit(variant: Variant, data: ImageSource, outputs: int) -> bool:
    """Return whether the labels of the images number the outputs of a network."""
    classes = data.class_names
    return bool(len(classes)) and labels_fit_head(len(classes), classes, variant.classes, outputs)


def _outputs(variant: Variant, images: Tensor) -> int:
    """Return the number of classes that a network tells apart, from one forward."""
    found = gradients(variant.model, standardised(variant, images), task_of(variant).score())
    return 2 if is_single(found.output) else int(found.output.shape[1])
