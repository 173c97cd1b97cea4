"""Finished passes in a cache: what one network's pass over some images found, under a hash of all it depends on."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.cache import cache_errors, cache_folder, may_write
from autola_analysis.core.code import numerical_code
from autola_analysis.core.device import resolve_device
from autola_analysis.core.distributed import current
from autola_analysis.core.entries import content_of, found_entry, new_entry, seal
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import hash_of
from autola_analysis.inference.address import network_address
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Stream

TITLE_DIGITS = 12
INPUT_DIGITS = 32
ANALYSES = "analyses"
QUESTION = ("network", "spec", "classes", "images", "preprocessing")
"""Inputs that decide what a pass answers; all others decide how."""

logger = logging.getLogger(__name__)


def pass_inputs(
    variant: Variant, address: str, preprocessing: Preprocessing | None, stream: Stream, settings: Settings
) -> dict[str, Any]:
    """Return everything that the findings of a pass depend on, the analyses apart, JSON-ready.

    Args:
        variant: The network.
        address: Of the network, see `network_address`.
        preprocessing: What is done to its images.
        stream: What it sees.
        settings: How the pass runs.
    """
    return {
        "network": address,
        "spec": variant.spec.to_dict() if variant.spec else None,
        "classes": hash_of(*variant.classes) if variant.classes is not None else None,
        "outputs": variant.output,
        "images": stream.fingerprint,
        "preprocessing": preprocessing.to_dict() if preprocessing else None,
        "precision": settings.precision,
        "decoder": settings.decoder,
        "channel axis": settings.channel_axis,
        "folding": settings.fold,
        "compiling": settings.compile,
        "batch size": stream.batch_size,
        "device": str(resolve_device(settings.device)),
        "threads": torch.get_num_threads(),
        "processes": current().world_size,
        "code": numerical_code(),
    }


def pass_entry(
    cache: Path | None,
    variant: Variant,
    preprocessing: Preprocessing | None,
    stream: Stream,
    settings: Settings,
    asked: Mapping[str, Mapping[str, Any]],
    others: Mapping[str, Any] | None = None,
) -> PassEntry | None:
    """Return the place of one network's pass in a cache; None where nothing can be kept.

    Args:
        cache: The cache directory; None keeps nothing.
        variant: The network.
        preprocessing: What is done to its images.
        stream: What it sees; without a fingerprint nothing is kept, and of a network whose outputs depend on what
            cannot be read neither, both with a warning.
        settings: How the pass runs.
        asked: By name what each analysis asked for, JSON-ready.
        others: What else the findings depend on, JSON-ready.
    """
    if cache is None:
        return None
    if stream.fingerprint is None:
        logger.warning(
            "nothing of %s is kept in the cache: what images a data set or a loader gives cannot be known.",
            variant.title,
        )
        return None
    address = network_address(variant.model)
    if address.unknown:
        logger.warning(
            "nothing of %s is kept in the cache: its outputs may depend on %s.", variant.title, address.unknown
        )
        return None
    inputs = pass_inputs(variant, address.hash, preprocessing, stream, settings)
    return PassEntry(cache, variant.title, {**inputs, **(others or {}), ANALYSES: asked})


def found_by_all(entry: PassEntry | None) -> dict[str, Any]:
    """Return how a pass ran; empty where it must run, since it is not in the cache of every process of the run.

    All processes must call it, those without a cache too.
    """
    facts = {} if entry is None else entry.read()
    if current().all_true(bool(facts)):
        return facts
    if entry is not None and facts:
        logger.warning("not every process finds the pass of %s in its cache; it is run again.", entry.title)
    return {}


class PassEntry:
    """The place of one network's pass in a cache.

    Its name begins with a hash of the network's name and ends with one of the inputs, so that a pass of the same
    network with other inputs can be told from none. A network that has been given another name is found too.

    Args:
        cache: The cache directory.
        title: Name of the network, for messages; what was found does not depend on it.
        inputs: Everything that what was found depends on, JSON-ready; under "analyses" by name what each asked for.
    """

    def __init__(self, cache: Path, title: str, inputs: Mapping[str, Any]) -> None:
        self.inputs: dict[str, Any] = json.loads(json.dumps(dict(inputs)))
        self._folder = cache_folder(cache, "passes")
        self.title = title
        self._stem = hash_of(title)[:TITLE_DIGITS]
        of_inputs = hash_of(json.dumps(self.inputs, sort_keys=True))[:INPUT_DIGITS]
        found = sorted(self._folder.glob(f"{'?' * TITLE_DIGITS}-{of_inputs}"))
        self.path = found[0] if found else self._folder / f"{self._stem}-{of_inputs}"

    def read(self) -> dict[str, Any]:
        """Return how the pass ran; empty where it is missing or damaged. Says what was found instead."""
        content = found_entry(self.path, f"the pass of {self.title}")
        if content is not None and content["inputs"] == self.inputs:
            facts: dict[str, Any] = content["facts"]
            return facts
        if content is not None:
            logger.warning(
                "the pass of %s in %s has other inputs than its name says; it is made again.", self.title, self.path
            )
        elif differing := self._differing():
            logger.warning(
                "the cache holds a pass of %s with other %s; it is run again.", self.title, ", ".join(differing)
            )
        return {}

    def _differing(self) -> list[str]:
        """Return in which inputs the most similar pass of a network of this name differs; empty where there is none.

        A pass of another network, over other images or for other analyses answers another question, and is none.
        """
        found = []
        for path in sorted(self._folder.glob(f"{self._stem}-*")):
            inputs: dict[str, Any] = (content_of(path) or {}).get("inputs", {})
            asked = inputs.get(ANALYSES, {}).keys() == self.inputs[ANALYSES].keys()
            if asked and all(inputs.get(name) == self.inputs.get(name) for name in QUESTION):
                found.append(self._differences(inputs))
        return min(found, key=len, default=[])

    def _differences(self, inputs: Mapping[str, Any]) -> list[str]:
        names = [name for name in self.inputs if name != ANALYSES and inputs.get(name) != self.inputs[name]]
        asked = [name for name, value in self.inputs[ANALYSES].items() if inputs[ANALYSES][name] != value]
        return names + [f"options of {name}" for name in asked]

    def may_write(self) -> bool:
        """Return whether the pass can be kept, with a warning where it cannot; see `core.cache.may_write`."""
        return may_write(self._folder)

    @contextmanager
    def writing(self, folders: Sequence[str]) -> Iterator[Path]:
        """Yield a directory with some folders; it appears in its place when the context ends without an exception.

        Passes that have not been used for long, and what killed processes left, are removed.

        Raises:
            CacheError: If the cache cannot be written.
        """
        with ExitStack() as stack:
            with self.explained():
                directory = stack.enter_context(new_entry(self.path))
                for name in folders:
                    (directory / name).mkdir()
            yield directory

    def complete(self, directory: Path, facts: Mapping[str, Any]) -> None:
        """Write the record of a directory that holds everything else."""
        seal(directory, {"inputs": self.inputs, "facts": dict(facts)})

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say which directory it was where the disk is full."""
        with cache_errors(self._folder):
            yield
