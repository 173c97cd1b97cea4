"""One batch of people explained by one network for joints: rows with numbers, matrices, and maps for the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.explain_joints import (
    JointExplanation,
    joint_discs,
    joint_radii,
    joint_shares,
)
from autola_analysis.analyses.saliency.items.seen import Row, Seen
from autola_analysis.analyses.saliency.joints.localise import PREDICTED, UNINFORMED, chance_maps, localise_joint
from autola_analysis.analyses.saliency.joints.matrix import shares_key
from autola_analysis.analyses.saliency.joints.question import JointQuestion
from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.analyses.saliency.objects.batch import MISSED
from autola_analysis.analyses.saliency.result import CHANCE, Panel
from autola_analysis.analyses.variants import Variant
from autola_analysis.inference.stream import Batch

MARK = 2.0
"""Half the side of the square that marks a predicted joint, in pixels of the crop"""


@dataclass
class SeenJoints(Seen):
    """What one network gave for the people of one batch.

    Attributes:
        shares: By network, method and layer the shares of joints in maps, ``(B, J, J)``.
    """

    shares: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class ExplainedPeople:
    """The people of one batch, explained by one network.

    Attributes:
        question: What was asked.
        variant: The network.
        people: Numbers of the people.
        size: Height and width of their crops.
        explanation: Of their joints.
    """

    question: JointQuestion
    variant: Variant
    people: list[int]
    size: tuple[int, int]
    explanation: JointExplanation

    @classmethod
    def of(
        cls, question: JointQuestion, variant: Variant, batch: Batch, explanation: JointExplanation
    ) -> ExplainedPeople:
        """Return the people of a batch."""
        height, width = batch.images.shape[2:]
        return cls(question, variant, batch.indices.tolist(), (height, width), explanation)

    def rows(self) -> Iterator[Row]:
        """Return a row per labelled joint and map, and one of the map that knows nothing but the predicted joint."""
        for place, joint, row in self._labelled():
            keys = list(self.explanation.maps)
            maps = np.stack([self._intensities[key][place, joint] for key in keys])
            numbers = self._numbers(place, joint, row, maps)
            number = place * self._count + joint
            for map_, (method, layer) in enumerate(keys):
                about = {
                    **self._about(place, joint, row),
                    "method": method,
                    "layer": layer or "",
                    "status": self.explanation.status[method, layer][number],
                    "support": self.explanation.support[layer][number] if layer else float("nan"),
                }
                yield about | {name: float(values[map_]) for name, values in numbers.items()}
            yield from self._without_network(place, joint, row, (PREDICTED,))

    def chance(self) -> Iterator[Row]:
        """Return rows of the maps that know nothing of networks."""
        nothing = dict.fromkeys(("score", "peak", "error_px"), float("nan"))
        for place, joint, row in self._labelled():
            for found in self._without_network(place, joint, row, UNINFORMED):
                yield {**found, "model": CHANCE, "run": "1", **nothing}

    def shares(self) -> dict[str, NDArray[np.float64]]:
        """Return the shares of joints in maps, by network, method and layer."""
        return {
            shares_key(self.variant.name, self.variant.run, method, layer or ""): joint_shares(
                self.explanation, self._joints, self._radii, method, layer
            )
            for method, layer in self.explanation.maps
        }

    def panels(self) -> Iterator[tuple[int, int, Panel]]:
        """Return the maps that the figures show."""
        titles = self.question.titles
        for place, joint, row in self._labelled():
            if joint not in self.question.shown.get(self.people[place], ()):
                continue
            x, y = row["peak_x"] + 0.5, row["peak_y"] + 0.5
            for (method, layer), maps in self.explanation.maps.items():
                panel = Panel(
                    variant=self.variant.name,
                    run=self.variant.run,
                    method=method,
                    layer=layer,
                    map=maps[place, joint].numpy(),
                    predicted=titles[joint] if self._found(place, joint, row) else MISSED,
                    probability=float(row["peak"]),
                    score=float(row["score"]),
                    status=self.explanation.status[method, layer][place * self._count + joint],
                    box=(x - MARK, y - MARK, x + MARK, y + MARK),
                )
                yield self.people[place], joint, panel

    @cached_property
    def _intensities(self) -> dict[tuple[str, str | None], NDArray[np.float64]]:
        return {
            key: intensities(maps.flatten(0, 1)).reshape(*maps.shape[:2], *maps.shape[-2:])
            for key, maps in self.explanation.maps.items()
        }

    @property
    def _count(self) -> int:
        return len(self.question.names)

    @cached_property
    def _joints(self) -> NDArray[np.float64]:
        return np.stack([self.question.joints(person) for person in self.people])

    @cached_property
    def _radii(self) -> NDArray[np.float64]:
        areas = [float(self.question.crops.objects(person).areas[0]) for person in self.people]
        return joint_radii(areas, self.question.sigmas)

    @cached_property
    def _discs(self) -> NDArray[np.bool_]:
        both = zip(self._joints, self._radii, strict=True)
        return np.stack([joint_discs(joints, radii, self.size) for joints, radii in both])

    def _labelled(self) -> Iterator[tuple[int, int, Row]]:
        """Return place, joint and row of the explanation of the joints whose label lies in the crop."""
        for number, row in enumerate(self.explanation.joints.to_dict("records")):
            place, joint = divmod(number, self._count)
            if self._discs[place, joint].any():
                yield place, joint, {str(name): value for name, value in row.items()}

    def _numbers(self, place: int, joint: int, row: Row, maps: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        partner = self.question.partners.get(joint)
        return localise_joint(maps, self._discs[place], joint, partner, self._predicted(place, joint, row))

    def _predicted(self, place: int, joint: int, row: Row) -> NDArray[np.bool_]:
        peak = np.array([[row["peak_x"], row["peak_y"]]])
        return np.asarray(joint_discs(peak, self._radii[place, [joint]], self.size)[0])

    def _without_network(self, place: int, joint: int, row: Row, names: tuple[str, ...]) -> Iterator[Row]:
        made = chance_maps(*self.size, self._predicted(place, joint, row))
        numbers = self._numbers(place, joint, row, np.stack([made[name] for name in names]))
        for map_, name in enumerate(names):
            about = {"method": name, "layer": "", "status": "ok", "support": float("nan")}
            found = {metric: float(values[map_]) for metric, values in numbers.items()}
            yield self._about(place, joint, row) | about | found

    def _found(self, place: int, joint: int, row: Row) -> bool:
        return self._error(place, joint, row) <= float(self._radii[place, joint])

    def _error(self, place: int, joint: int, row: Row) -> float:
        """Return the distance of the heat map's maximum from the label, in pixels of the crop."""
        return float(np.hypot(*(np.array([row["peak_x"], row["peak_y"]]) - self._joints[place, joint])))

    def _about(self, place: int, joint: int, row: Row) -> Row:
        crops, person = self.question.crops, self.people[place]
        image, number = crops.places[person].tolist()
        back = crops.maps[person].inverse()
        x, y = back(np.array([row["x"], row["y"]])).tolist()
        return {
            "model": self.variant.name,
            "run": self.variant.run,
            "image": crops.source.ids[image],
            "person": number,
            "joint": self.question.names[joint],
            "x": x,
            "y": y,
            "score": float(row["score"]),
            "peak": float(row["peak"]),
            "error_px": self._error(place, joint, row) * back.scale,
            "found": self._found(place, joint, row),
        }
