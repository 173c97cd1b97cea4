"""Which image gives its surroundings to which object: drawn by seed and image, with enough contrast to be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.context.kinds import CLUTTER, OBJECT_ONLY, OTHER_CLASS, PASTED_BACK, SAME_CLASS, UNALTERED
from autola_analysis.analyses.context.scenes import Altered, Scenes
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.source import hash_of

ROUNDING = 1e-6
"""Grey levels that a contrast may fall below the least one by arithmetic alone."""
DONORS_DRAWN = 20
"""Images that are drawn for an object and a kind, of which one gives its surroundings."""


@dataclass(frozen=True)
class Plan:
    """What is to be made of the images of a source.

    Attributes:
        altered: The images to be made, in the order of their objects.
        unaltered: The images whose object is known, as they are.
        least_contrast: Least contrast of an object to its surroundings in the source, in grey levels.
        left_out: Number of objects that got no new surroundings, by kind.
    """

    altered: Sequence[Altered]
    unaltered: Sequence[Altered]
    least_contrast: float
    left_out: Mapping[str, int]


def make_plan(scenes: Scenes, kinds: Sequence[str], blur: float, seed: int, quiet: bool = False) -> Plan:
    """Draw the images that give their surroundings.

    Up to 20 donors are drawn by a hash of seed, image and kind, so that they depend neither on the order of the images
    nor on batches. The object keeps at least the least contrast that any object of the source has to its own
    surroundings; of the donors that grant it, the one is taken on which the contrast is nearest to that on the
    object's own surroundings. (The first that grants it would raise contrasts: by 10 grey levels on ClutteredDigits,
    and with them accuracy by 2 points.) An object without such a donor is left out.

    Args:
        scenes: The images.
        kinds: Kinds to make, beside the object pasted back.
        blur: Width of the blur, see `blurred`.
        seed: Of the draws.
        quiet: Whether to leave out the progress bar.
    """
    source = scenes.source
    known = {index: scene for index in range(len(source)) if (scene := scenes.find(index)) is not None}
    own = {index: scene.contrast(scene.background) for index, scene in known.items()}
    least = min(own.values(), default=0.0)
    unaltered = [Altered(index, UNALTERED, contrast=contrast) for index, contrast in own.items()]
    hosts = np.array(list(own), dtype=np.int64)
    altered: list[Altered] = []
    left_out = dict.fromkeys(kinds, 0)
    with progress_bar(len(hosts), "choosing backgrounds", quiet=quiet) as bar:
        for each in unaltered:
            made = []
            for kind in kinds:
                key = hash_of(str(seed), source.ids[each.host], kind)
                candidates = _candidates(kind, each.host, hosts, source.labels, key)
                found = _nearest(scenes, each, candidates, blur, least)
                made += [] if found is None else [found]
                left_out[kind] += found is None
            altered += [*_pasted_back(scenes, each, made), *made]
            bar.update()
    return Plan(altered, unaltered, least, left_out)


def _candidates(
    kind: str, host: int, hosts: NDArray[np.int64], labels: NDArray[np.int64], key: str
) -> Sequence[Altered]:
    """Return what can be made of an object; one thing, for a kind without donor."""
    if kind == OBJECT_ONLY:
        return [Altered(host, kind)]
    same = labels[hosts] == labels[host]
    donors = hosts[~same] if kind == OTHER_CLASS else hosts[same & (hosts != host)]
    drawn = np.random.default_rng(int(key[:16], 16)).permutation(donors)[:DONORS_DRAWN]
    return [Altered(host, kind, donor) for donor in drawn.tolist()]


def _nearest(
    scenes: Scenes, unaltered: Altered, candidates: Sequence[Altered], blur: float, least: float
) -> Altered | None:
    """Return the candidate with enough contrast whose contrast is nearest to that of the image as it is."""
    scene = scenes[unaltered.host]
    measured = [replace(each, contrast=scene.contrast(scenes.background(each, blur))) for each in candidates]
    enough = [each for each in measured if each.contrast >= least - ROUNDING]
    return min(enough, key=lambda each: abs(each.contrast - unaltered.contrast), default=None)


def _pasted_back(scenes: Scenes, unaltered: Altered, made: Sequence[Altered]) -> list[Altered]:
    """Return the control of an image: none where putting the object back gives the image itself."""
    donors = {each.kind: each.donor for each in made}
    donor = donors.get(SAME_CLASS, donors.get(OTHER_CLASS))
    return [] if scenes.exact or donor is None else [replace(unaltered, kind=PASTED_BACK, donor=donor)]


def available(scenes: Scenes, kinds: Sequence[str]) -> list[str]:
    """Return the kinds that the data allow: clutter can be exchanged where the source knows it."""
    return [kind for kind in kinds if kind != CLUTTER or scenes.clutter]
