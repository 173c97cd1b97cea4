"""From what two passes showed of every network to rows and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.context.altered import AlteredImages
from autola_analysis.analyses.context.kinds import PASTED_BACK, UNALTERED
from autola_analysis.analyses.context.observer import SCORE, ScoreObserver
from autola_analysis.analyses.context.options import ContextOptions
from autola_analysis.analyses.context.plan import Plan
from autola_analysis.analyses.context.result import AlteredPicture
from autola_analysis.analyses.context.scenes import NOBODY, Altered, Scenes
from autola_analysis.analyses.observation import Observation
from autola_analysis.analyses.variants import Variant, preprocessing_for
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import Subset, limit

Scored = tuple[NDArray[np.bool_], NDArray[np.float64]]
"""Per image: whether it is right, and the score of its true class"""


@dataclass(frozen=True)
class Assembly:
    """What every network was shown."""

    source: ImageSource
    scenes: Scenes
    plan: Plan
    kinds: Sequence[str]

    def rows(self, unaltered: Observation[ScoreObserver], altered: Observation[ScoreObserver]) -> pd.DataFrame:
        """Return the rows of `IMAGES` of one network."""
        shown = self.plan.unaltered
        before, after = _scored(unaltered), _scored(altered)
        parts = [(UNALTERED, shown, _chosen(before, [each.host for each in shown]))]
        if self.scenes.exact:  # the object put back gives the image itself, which need not run again
            parts.append((PASTED_BACK, shown, parts[0][2]))
        for kind in self.kinds if self.scenes.exact else (PASTED_BACK, *self.kinds):
            places = [place for place, each in enumerate(self.plan.altered) if each.kind == kind]
            parts.append((kind, [self.plan.altered[place] for place in places], _chosen(after, places)))
        frames = [self._frame(unaltered.variant, kind, shown, *values) for kind, shown, values in parts if shown]
        return pd.concat(frames, ignore_index=True)

    def _frame(
        self,
        variant: Variant,
        kind: str,
        shown: Sequence[Altered],
        correct: NDArray[np.bool_],
        scores: NDArray[np.float64],
    ) -> pd.DataFrame:
        source, names = self.source, self.source.class_names
        return pd.DataFrame(
            {
                "model": variant.name,
                "run": variant.run,
                "image": [source.ids[each.host] for each in shown],
                "label": [names[source.labels[each.host]] for each in shown],
                "kind": kind,
                "donor": ["" if each.donor == NOBODY else source.ids[each.donor] for each in shown],
                "contrast": [each.contrast for each in shown],
                "correct": correct,
                "score": scores,
            }
        )

    def pictures(self, altered: AlteredImages, first: Variant, options: ContextOptions) -> list[AlteredPicture]:
        """Return some images of all kinds, every class in proportion, as the first network sees them."""
        made: dict[int, dict[str, int]] = {}
        for place, each in enumerate(self.plan.altered):
            made.setdefault(each.host, {})[each.kind] = place
        most = max(len(kinds) for kinds in made.values())
        complete = Subset(self.source, [host for host, kinds in made.items() if len(kinds) == most])
        chosen = limit(complete, options.show, options.seed)
        assert isinstance(chosen, Subset)
        hosts = complete.indices if chosen is complete else complete.indices[chosen.indices]
        preprocessing = preprocessing_for(first, self.source)
        assert preprocessing is not None
        pictures = []
        for host in hosts.tolist():
            shown = {UNALTERED: self.source.image(host)}
            if self.scenes.exact:
                shown[PASTED_BACK] = shown[UNALTERED]
            shown |= {kind: altered.image(place) for kind, place in made[host].items()}
            pixels = {kind: preprocessing.geometry(each).permute(1, 2, 0).numpy() for kind, each in shown.items()}
            label = self.source.class_names[self.source.labels[host]]
            pictures.append(AlteredPicture(self.source.ids[host], label, pixels))
        return pictures


def _scored(observation: Observation[ScoreObserver]) -> Scored:
    assert observation.correct is not None, "the observer has refused labels that are not the head's"
    return observation.correct, observation.observer.values()[SCORE].astype(np.float64)


def _chosen(scored: Scored, places: Sequence[int]) -> Scored:
    chosen = np.asarray(places, dtype=np.int64)
    return scored[0][chosen], scored[1][chosen]
