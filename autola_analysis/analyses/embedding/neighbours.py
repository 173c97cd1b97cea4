"""Exact nearest neighbours by blocked matrix products, on any device.

A first round takes candidates from squared distances ``|x|^2 + |y|^2 - 2 x.y``, in float64 and for centred features:
float32 products gave other neighbours, and far from the origin even float64 loses digits. A second round measures the
distance to every candidate again from the difference itself, so that distances are exact (zero between duplicates) and
the same for any number of threads, on which a matrix product's last bits depend.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.embedding.options import Metric
from autola_analysis.core.cache import cache_errors, cache_folder, may_write
from autola_analysis.core.code import numerical_code
from autola_analysis.core.device import float64_device
from autola_analysis.core.entries import found_entry, new_entry, seal
from autola_analysis.core.errors import OptionError
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.source import hash_of

ARRAYS = "neighbours.npz"
METRICS: tuple[str, ...] = get_args(Metric)
ROWS = 1024  # points whose neighbours are looked for at once
COLUMNS = 8192  # points they are compared with at once
SPARE = 8  # further candidates, so that rounding cannot push a neighbour out
GATHERED = 2**23  # float64 values of candidates held at once
DISTANCES = 2**23  # float64 distances to all points held at once
HELD = 2**26  # float64 values of all points that are held on the device, where they are no more than this: half a GiB

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest other points of every point, nearest first; equal distances in order of index.

    Attributes:
        indices: ``(N, k)``.
        distances: ``(N, k)``, float64.
        metric: "euclidean" or "cosine".
    """

    indices: IntArray
    distances: FloatArray
    metric: Metric = "euclidean"

    @property
    def k(self) -> int:
        """Number of neighbours per point."""
        return self.indices.shape[1]

    def first(self, k: int) -> Neighbours:
        """Return the k nearest of these."""
        return Neighbours(
            np.ascontiguousarray(self.indices[:, :k]), np.ascontiguousarray(self.distances[:, :k]), self.metric
        )


def nearest_neighbours(
    values: NDArray[Any],
    k: int,
    metric: Metric = "euclidean",
    device: str = "auto",
    cache: str | Path | None = None,
    quiet: bool = True,
    groups: IntArray | None = None,
) -> Neighbours:
    """Find the k nearest other points of every point, exactly.

    Memory is bounded by blocks of 1024 x 8192 distances and by the result, whatever N is. Which of several equally
    distant points are taken at the k-th place is not defined.

    Args:
        values: ``(N, D)``; may be mapped from a file.
        k: 1 to N - 1.
        metric: "euclidean", or "cosine" (1 - cosine similarity; a zero vector is at distance 1 from everything).
        device: Where to compute.
        cache: Directory that keeps neighbours under a hash of the values; None keeps nothing.
        quiet: Whether to leave out the progress bar.
        groups: Group of every point, ``(N,)``, whose other points are no neighbours of it; None where each is its own.

    Raises:
        OptionError: If `k` or `metric` is not possible.
        CacheError: If the cache cannot be written.
    """
    if metric not in METRICS:
        raise OptionError(f"metric is one of {', '.join(METRICS)}; found {metric!r}.")
    others = others_of_each(len(values), groups)
    if not 1 <= k <= others:
        raise OptionError(f"a point of {len(values)} has 1 to {others} neighbours; {k} were asked for.")
    where = float64_device(device)
    if cache is None:
        return _search(values, k, metric, where, quiet, groups)
    folder = cache_folder(cache, "neighbours")
    of_groups = [] if groups is None else [content_hash(groups)]
    stem = hash_of(json.dumps(numerical_code()), where.type, metric, content_hash(values), *of_groups)[:32]
    return _cached(folder, stem, k, metric) or _stored(folder, stem, _search(values, k, metric, where, quiet, groups))


def others_of_each(points: int, groups: IntArray | None) -> int:
    """Return how many points of other groups every point has at least."""
    return points - (1 if groups is None else int(np.unique(groups, return_counts=True)[1].max()))


def content_hash(values: NDArray[Any]) -> str:
    """Return a hash of the values, shape and type of an array, read in pieces."""
    digest = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    for start in range(0, len(values), COLUMNS):
        digest.update(np.ascontiguousarray(values[start : start + COLUMNS]).data)
    return digest.hexdigest()


def _cached(folder: Path, stem: str, k: int, metric: Metric) -> Neighbours | None:
    """Return neighbours that are stored, of these or of more."""
    counts = [
        int(path.name[len(stem) + 1 :]) for path in folder.glob(f"{stem}-*") if path.name[len(stem) + 1 :].isdecimal()
    ]
    for stored in sorted(counts):
        path = folder / f"{stem}-{stored}"
        if stored >= k and found_entry(path, "the neighbours") == _content(stem, stored):
            with np.load(path / ARRAYS) as arrays:
                return Neighbours(arrays["indices"], arrays["distances"], metric).first(k)
    return None


def _stored(folder: Path, stem: str, neighbours: Neighbours) -> Neighbours:
    if may_write(folder):
        with cache_errors(folder), new_entry(folder / f"{stem}-{neighbours.k}") as path:
            with (path / ARRAYS).open("wb") as file:
                np.savez(file, indices=neighbours.indices, distances=neighbours.distances)
            seal(path, _content(stem, neighbours.k))
    return neighbours


def _content(stem: str, k: int) -> dict[str, Any]:
    """Return what the record of an entry says that it is of."""
    return {"points": stem, "k": k}


@torch.inference_mode()
def _search(
    values: NDArray[Any], k: int, metric: Metric, device: torch.device, quiet: bool, groups: IntArray | None
) -> Neighbours:
    points = Points(values, metric, device)
    of_points = torch.from_numpy(np.arange(len(points)) if groups is None else groups).to(device)
    count = min(k + SPARE, others_of_each(len(points), groups))
    found: list[tuple[Tensor, Tensor]] = []
    with progress_bar(len(values), "neighbours", unit="points", quiet=quiet) as bar:
        for rows in points.blocks(ROWS):
            found.append(_measured(points, rows, _candidates(points, rows, count, of_points), k))
            bar.update(len(rows))
    indices = torch.cat([each[0] for each in found]).numpy()
    distances = torch.cat([each[1] for each in found]).numpy()
    return Neighbours(indices, distances, metric)


def _candidates(points: Points, rows: range, count: int, groups: Tensor) -> Tensor:
    """Return the indices ``(R, count)`` of the nearest points of other groups by products, in no order."""
    block = points.centred(rows)
    best = block.new_full((len(rows), 0), torch.inf)
    where = torch.empty(len(rows), 0, dtype=torch.int64, device=block.device)
    for columns in points.blocks(COLUMNS):
        distances = squared_distances(block, points.centred(columns))
        own = groups[rows.start : rows.stop, None] == groups[columns.start : columns.stop]
        distances.masked_fill_(own, torch.inf)
        near, position = distances.topk(min(count, len(columns)), largest=False, sorted=False)
        best, where = torch.cat([best, near], 1), torch.cat([where, position + columns.start], 1)
        if best.shape[1] > count:
            best, position = best.topk(count, largest=False, sorted=False)
            where = where.gather(1, position)
    return where


def _measured(points: Points, rows: range, candidates: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k nearest candidates and their distances, measured one by one."""
    candidates = candidates.sort(dim=1).values
    distances = torch.empty(candidates.shape, dtype=torch.float64, device=candidates.device)
    step = max(1, GATHERED // (candidates.shape[1] * points.width))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        distances[part] = points.measure(rows[part], candidates[part])
    distances, order = distances.sort(dim=1, stable=True)  # equal distances keep the order of index
    return candidates.gather(1, order)[:, :k].cpu(), distances[:, :k].cpu()


def row_blocks(rows: IntArray, columns: int) -> list[tuple[int, IntArray]]:
    """Return rows in blocks whose distances to so many columns are held at once, each with its start."""
    step = int(np.clip(DISTANCES // columns, 64, 1024))
    return [(start, rows[start : start + step]) for start in range(0, len(rows), step)]


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return ``|a_i - b_j|^2`` for all pairs, ``(A, B)``, by a matrix product; rounding never makes them negative."""
    products = torch.addmm(b.square().sum(1)[None, :], a, b.T, alpha=-2)
    return products.add_(a.square().sum(1)[:, None]).clamp_(min=0)


class Points:
    """Points in blocks of float64 on a device, whatever type they have and wherever they lie.

    Args:
        values: ``(N, D)``.
        metric: "euclidean" takes them as they are, "cosine" as unit vectors.
        device: Where to compute, with float64.
    """

    def __init__(self, values: NDArray[Any], metric: Metric, device: torch.device) -> None:
        self._values = values
        self._cosine = metric == "cosine"
        self._device = device
        self._held = _on(values, self._device) if values.size <= HELD else None
        # numpy sums in an order that does not depend on the number of threads.
        mean = np.zeros(values.shape[1]) if self._cosine else np.mean(values, axis=0, dtype=np.float64)
        self._mean = torch.from_numpy(mean).to(self._device)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def width(self) -> int:
        """Number of features."""
        return self._values.shape[1]

    def blocks(self, size: int) -> Iterator[range]:
        """Return the indices of all points in pieces."""
        for start in range(0, len(self), size):
            yield range(start, min(start + size, len(self)))

    def centred(self, rows: range | IntArray) -> Tensor:
        """Return some points minus the mean of all, ``(R, D)``; unit vectors for "cosine"."""
        return self._unit(self._take(rows)) - self._mean

    def measure(self, rows: range, others: Tensor) -> Tensor:
        """Return the distance of every point of `rows` to its row of `others`, from their difference, ``(R, K)``."""
        here = self._unit(self._take(rows))[:, None]
        there = self._unit(self._take(others.flatten()).view(*others.shape, self.width))
        if self._cosine:
            return (1 - (here * there).sum(2)).clamp_(0, 2)
        return (there - here).square_().sum(2).sqrt_()

    def distances_to_all(self, rows: IntArray) -> Tensor:
        """Return the distances of some points to all points, by matrix products, ``(R, N)``; zero to themselves."""
        here = self.centred(rows)
        distances = here.new_empty(len(rows), len(self))
        for columns in self.blocks(COLUMNS):
            there = self.centred(columns)
            block = 1 - here @ there.T if self._cosine else squared_distances(here, there).sqrt_()
            distances[:, columns.start : columns.stop] = block.clamp_(min=0)
        distances[torch.arange(len(rows)), torch.from_numpy(rows)] = 0
        return distances

    def _take(self, rows: range | IntArray | Tensor) -> Tensor:
        if isinstance(rows, range):
            part = slice(rows.start, rows.stop)
            return self._held[part] if self._held is not None else _on(self._values[part], self._device)
        if self._held is not None:
            return self._held[torch.as_tensor(rows, device=self._device)]
        return _on(self._values[rows.cpu().numpy() if isinstance(rows, Tensor) else rows], self._device)

    def _unit(self, vectors: Tensor) -> Tensor:
        if not self._cosine:
            return vectors
        norms = vectors.norm(dim=-1, keepdim=True)
        return vectors / torch.where(norms > 0, norms, 1)


def _on(values: NDArray[Any], device: torch.device) -> Tensor:
    """Return a copy of an array in float64 on a device."""
    return torch.from_numpy(np.array(values, dtype=np.float64)).to(device)
