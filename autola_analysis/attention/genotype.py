"""Genotypes: the wiring of a HOGA module, which operation reads which source."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.reading import TextFault, json_of, read_text

NODES = 4
EDGES = NODES * (NODES + 1) // 2
RANDOM_WIRING = "hoga-random"
"""Attention whose wiring is drawn by a seed: the control that shows what a search is worth"""
STANDARD_EDGES = tuple((node, source) for node in range(1, NODES + 1) for source in range(node))
"""Node and source of each edge where every node reads its own group and all earlier nodes: 10 rows, in node order."""


def edge_row(node: int, source: int) -> int:
    """Return the place of an edge in `STANDARD_EDGES`: ``node (node - 1) / 2 + source``."""
    return node * (node - 1) // 2 + source


@dataclass(frozen=True)
class Genotype:
    """The ten edges of a HOGA module as (operation, source) pairs in node order.

    Node i (1 to 4) sums i edges. Source 0 is the node's own channel group x_i; source j is the earlier node s_j.

    Raises:
        OptionError: If the number of edges, an operation or a source is not possible.
    """

    edges: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        if len(self.edges) != EDGES:
            raise OptionError(f"a genotype has {EDGES} (operation, source) pairs (1+2+3+4); found {len(self.edges)}.")
        for node, edges in enumerate(self.nodes(), start=1):
            for operation, source in edges:
                OPERATIONS.get(operation)
                if not 0 <= source < node:
                    raise OptionError(
                        f"node {node} of a genotype reads sources 0 to {node - 1}; "
                        f"found source {source} for {operation!r}."
                    )

    @classmethod
    def from_pairs(cls, pairs: Iterable[Sequence[object]]) -> Genotype:
        """Make a genotype of any iterable of (operation, source) pairs.

        Raises:
            OptionError: If a pair is not an operation name and an integer, or the genotype is not possible.
        """
        edges: list[tuple[str, int]] = []
        for pair in pairs:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise OptionError(f"a genotype is a list of [operation, source] pairs; found {pair!r}.")
            operation, source = pair
            if not isinstance(operation, str) or not isinstance(source, int) or isinstance(source, bool):
                raise OptionError(f"a genotype is a list of [operation, source] pairs; found {pair!r}.")
            edges.append((operation, source))
        return cls(tuple(edges))

    @classmethod
    def from_json(cls, path: str | Path) -> Genotype:
        """Read a genotype from a JSON file that holds a list of [operation, source] pairs.

        Raises:
            OptionError: If the file is missing, is not JSON or holds no genotype.
        """
        try:
            pairs = json_of(read_text(expanded(path)))
        except OSError as error:
            raise OptionError(f"cannot read the genotype file {path}: {error.strerror}.") from error
        except TextFault as error:
            raise OptionError(f"the genotype file {path} cannot be used: {error}.") from error
        if not isinstance(pairs, list):
            raise OptionError(
                f"the genotype file {path} holds {type(pairs).__name__}, not a list of pairs such as "
                '["skip_connect", 0].'
            )
        return cls.from_pairs(pairs)

    @classmethod
    def random(cls, seed: int) -> Genotype:
        """Draw operations uniformly for the standard sources, as a control for the searched wiring.

        Every node reads its own group and all earlier nodes; ``none`` is not drawn, so that all edges carry something.
        """
        generator = random.Random(seed)
        operations = [name for name in OPERATIONS if name != "none"]
        return cls(tuple((generator.choice(operations), source) for _, source in STANDARD_EDGES))

    def nodes(self) -> list[tuple[tuple[str, int], ...]]:
        """Return the edges grouped by the node they enter: 1, 2, 3 and 4 of them."""
        starts = [node * (node + 1) // 2 for node in range(NODES + 1)]
        return [self.edges[start:stop] for start, stop in pairwise(starts)]

    def canonical(self) -> Genotype:
        """Return the same wiring with the edges of every node in order of their sources, then of operations' names."""
        return Genotype(tuple(edge for node in self.nodes() for edge in sorted(node, key=lambda pair: pair[::-1])))

    def agreement(self, other: Genotype) -> int:
        """Return how many of the ten edges two wirings share.

        An edge is shared where a node reads a source through an operation in both, in whatever order the pairs of the
        node stand. Two wirings with the standard sources, drawn uniformly, share 1.25 on average.
        """
        pairs = zip(self.nodes(), other.nodes(), strict=True)
        return sum((Counter(mine) & Counter(theirs)).total() for mine, theirs in pairs)

    def to_pairs(self) -> list[list[str | int]]:
        """Return the edges as JSON-ready lists."""
        return [[operation, source] for operation, source in self.edges]

    def to_json(self, path: str | Path) -> None:
        """Write the edges as a JSON list of [operation, source] pairs."""
        expanded(path).write_text(json.dumps(self.to_pairs()) + "\n", encoding="utf-8")


RELEASED = Genotype(
    (
        ("skip_connect", 0),
        ("sep_conv_3x3_spatial", 0),
        ("sep_conv_3x3", 1),
        ("CBAM", 0),
        ("skip_connect", 2),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("skip_connect", 1),
        ("sep_conv_3x3", 3),
        ("dil_conv_3x3", 2),
    )
)
"""The wiring that the AutoLA search found and its authors released."""


def as_genotype(value: Genotype | str | Path | Iterable[Sequence[object]]) -> Genotype:
    """Return the genotype given as an object, a JSON file's path, or (operation, source) pairs."""
    if isinstance(value, Genotype):
        return value
    if isinstance(value, (str, Path)):
        return Genotype.from_json(value)
    return Genotype.from_pairs(value)


def wiring_of(attention: str, options: Mapping[str, Any]) -> Genotype | None:
    """Return the wiring of a registered attention with its options; None for a module that has none."""
    if attention == "hoga":
        return as_genotype(options.get("genotype", RELEASED))
    if attention == RANDOM_WIRING:
        return Genotype.random(options.get("genotype_seed", 0))
    return None
