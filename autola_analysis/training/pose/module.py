"""A network for joints under training."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.detectors.heat_maps import encode_joints, heat_map_loss
from autola_analysis.detectors.joint_decoding import JOINT_DECODINGS
from autola_analysis.inference.tasks.average_precision import Detections
from autola_analysis.inference.tasks.coco_metrics import CocoMatches
from autola_analysis.inference.tasks.joint_suppression import person_scores
from autola_analysis.training.module import NetworkTraining
from autola_analysis.training.pose.images import Batch
from autola_analysis.training.pose.recipes import PoseRecipe

DECODING = "subpixel"
"""How joints are read from heat maps when average precision is measured at the end, of the crops as they are"""


class PoseTraining(NetworkTraining):
    """Training of a network for joints towards heat maps.

    Args:
        model: The network.
        preprocessing: Standardises the crops.
        recipe: Optimiser, schedule, where the peaks of the heat maps lie.
        steps_per_epoch: To turn steps into epochs for the schedule.
        test: The people that average precision is measured on.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        recipe: PoseRecipe,
        steps_per_epoch: int,
        test: PersonCrops,
    ) -> None:
        super().__init__(model, recipe, steps_per_epoch)
        self.preprocessing = preprocessing
        self.recipe = recipe
        self.test = test
        self._found: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Return the heat maps of uint8 crops ``(B, 3, H, W)``."""
        maps: Tensor = self.model(self.preprocessing.normalize(images).contiguous(memory_format=self.memory_format))
        return maps

    def loss(self, batch: Batch) -> Tensor:
        """Return how far the heat maps of a batch are from those of the labelled joints."""
        maps = self(batch.images)
        size, ratio = (maps.shape[2], maps.shape[3]), batch.images.shape[-1] / maps.shape[-1]
        exact = self.recipe.encode == "exact"
        targets, counts = encode_joints(batch.joints, batch.labelled, size, ratio=ratio, exact=exact)
        return heat_map_loss(maps, targets, counts)

    def on_validation_epoch_start(self) -> None:
        """Forget what an earlier pass found."""
        self._found = {}

    def validation_step(self, batch: list[tuple[int, Tensor]], batch_index: int) -> None:
        """Keep the joints of some people of the test split, in pixels of the stored images."""
        images = torch.stack([image for _, image in batch])
        maps = self(images)
        joints, scores = JOINT_DECODINGS[DECODING].joints(maps.float())
        pixels = joints.double().cpu().numpy() * (images.shape[-1] / maps.shape[-1])
        for (person, _), found, score in zip(batch, pixels, scores.double().cpu().numpy(), strict=True):
            self._found[person] = self.test.maps[person].inverse()(found), score

    def on_validation_epoch_end(self) -> None:
        """Log what COCO reports of the people."""
        by_image: list[list[int]] = [[] for _ in self.test.people]
        for person in sorted(self._found):
            by_image[self.test.places[person, 0]].append(person)
        found = [self._people(image, people) for image, people in enumerate(by_image)]
        matches = CocoMatches.of(found, self.test.people, len(self.test.classes), self.test.joints.sigmas)
        self.log_metrics(matches)

    def _people(self, image: int, people: list[int]) -> Detections:
        """Return the people who were found in an image."""
        annotated, numbers = self.test.people[image], self.test.places[people, 1]
        count = len(self.test.joints.names)
        joints = np.array([self._found[person][0] for person in people]).reshape(-1, count, 2)
        scores = np.array([self._found[person][1] for person in people]).reshape(-1, count)
        return Detections(annotated.boxes[numbers], annotated.labels[numbers], person_scores(scores), joints)
