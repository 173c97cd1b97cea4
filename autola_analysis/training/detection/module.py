"""A detector of boxes under training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from autola_analysis.backbones.resnet import ResNet
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.inference.tasks.average_precision import Detections
from autola_analysis.inference.tasks.coco_metrics import CocoMatches
from autola_analysis.inference.tasks.detection import detections_of
from autola_analysis.training.detection.images import Batch
from autola_analysis.training.detection.recipes import DetectionRecipe
from autola_analysis.training.module import NetworkTraining

LARGEST_PIXEL = 255
STEM = ("conv1", "bn1")


class DetectorTraining(NetworkTraining):
    """Training of one of torchvision's detectors, which computes its own losses; they are added.

    Args:
        model: The detector.
        trunk: Its backbone.
        recipe: Optimiser, schedule, frozen stages.
        steps_per_epoch: To turn steps into epochs for the schedule.
        test: The split that average precision is measured on.
    """

    def __init__(
        self, model: nn.Module, trunk: ResNet, recipe: DetectionRecipe, steps_per_epoch: int, test: ObjectSource
    ) -> None:
        super().__init__(model, recipe, steps_per_epoch)
        self.recipe = recipe
        self.test = test
        names = [*STEM, *(f"layer{stage}" for stage in range(1, recipe.frozen_stages + 1))]
        self._frozen = [trunk.get_submodule(name) for name in names] if recipe.frozen_stages else []
        normed = trunk.modules() if recipe.norm_eval else (m for each in self._frozen for m in each.modules())
        self._fixed_norms = [module for module in normed if isinstance(module, nn.BatchNorm2d)]
        for module in self._frozen:
            module.requires_grad_(False)
        self._found: dict[int, Detections] = {}
        self.train()  # lightning leaves the modes of parts as they are

    def train(self, mode: bool = True) -> DetectorTraining:
        """Set the mode of all parts but the batch norms that keep their statistics."""
        super().train(mode)
        for norm in self._fixed_norms:
            norm.eval()
        return self

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the detector's losses; the samples that it draws follow from the batch's seed."""
        torch.manual_seed(batch.seed)
        losses: dict[str, Tensor] = self.model([image / LARGEST_PIXEL for image in batch.images], batch.targets)
        return torch.stack(list(losses.values())).sum()

    def on_validation_epoch_start(self) -> None:
        """Forget what an earlier pass found."""
        self._found = {}

    def validation_step(self, batch: list[tuple[int, Tensor]], batch_index: int) -> None:
        """Keep the detections of some images of the test split, boxes in pixels of the stored images."""
        outputs = self.model([image / LARGEST_PIXEL for _, image in batch])
        for (index, image), output in zip(batch, outputs, strict=True):
            (found,) = detections_of([output], image.shape[-2:])
            boxes = found.boxes * np.tile(self.test.sizes[index], 2)
            self._found[index] = Detections(boxes, found.labels, found.scores)

    def on_validation_epoch_end(self) -> None:
        """Log what COCO reports of the detections."""
        indices = sorted(self._found)
        objects = [self.test.objects(index) for index in indices]
        matches = CocoMatches.of([self._found[index] for index in indices], objects, len(self.test.classes))
        self.log_metrics(matches)
