"""Embed features in the plane: Barnes-Hut t-SNE, its interpolating variant for large sets, PCA as a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from openTSNE import initialization

from autola_analysis.analyses.alone import given
from autola_analysis.analyses.embedding import optimise as one_run
from autola_analysis.analyses.embedding.features import NO_LABEL, Features, check_finite
from autola_analysis.analyses.embedding.neighbours import Neighbours, nearest_neighbours, others_of_each
from autola_analysis.analyses.embedding.optimise import Problem, Solution, optimise
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.parallel import optimise_all, usable_cores
from autola_analysis.analyses.embedding.pca import principal_components
from autola_analysis.analyses.embedding.quality import (
    Quality,
    feature_quality,
    neighbour_count,
    neighbours_needed,
    plane_quality,
    undefined_plane,
)
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.embedding.solutions import SolutionCache
from autola_analysis.analyses.embedding.tables import QUALITY, SWEEP, metric_rows
from autola_analysis.core.device import float64_device
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.progress import progress_bar

S = TypeVar("S")
T = TypeVar("T")
FEWEST = 10  # images
START_SPREAD = 1e-4  # standard deviation of the first coordinate of a start
POINT_SPREAD = 0.1  # a t-SNE plane is tens of units wide
POINTS_PER_THREAD = 1000
LINE = 1e-3  # ratio of the two standard deviations

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def embed(
    features: Features | NDArray[Any],
    options: EmbeddingOptions | None = None,
    *,
    labels: Sequence[int] | IntArray | None = None,
    device: str = "auto",
    threads: int | None = None,
    cache: str | Path | None = None,
    quiet: bool = False,
    **values: Any,
) -> Embedding:
    """Embed the images of one set of features in the plane, and measure how good features and plane are.

    Barnes-Hut t-SNE with theta 0.5, exact neighbours, exaggeration 12 for 250 iterations, then 500 iterations,
    learning rate n / exaggeration, started from the principal components. The same features and seed give the same
    positions with any number of threads, alone or among several.

    Args:
        features: Of at least 10 images; or an array ``(N, D)``.
        options: Method, metric, seed of the start's jitter and of the bootstrap; perplexity, which is capped above
            (N - 1) / 3, as a warning of the result says.
        labels: Classes of the images, ``(N,)``, numbered from 0, for features that are an array. Without them the
            result does not say how well classes are separated.
        device: Where neighbours and quality are computed.
        threads: Of the optimisation; None takes one per thousand images, up to the number of cores.
        cache: Directory that keeps nearest neighbours and the finished embedding.
        quiet: Whether to leave out progress bars.
        values: Fields of `EmbeddingOptions`, instead of `options`.

    Raises:
        DataError: If there are fewer than 10 images, features are not finite, or labels do not fit.
        OptionError: If an option is not possible, or `labels` are given for features that have their own.

    References:
        van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 2014. Linderman et al., "Fast
        interpolation-based t-SNE", Nature Methods 2019. Belkina et al., "Automated optimized parameters for
        t-distributed stochastic neighbor embedding", Nature Communications 2019. Kobak and Berens, "The art of using
        t-SNE for single-cell transcriptomics", Nature Communications 2019.
    """
    one = given(EmbeddingOptions, options, values).model_copy(update={"seeds": 1, "processes": 1})
    (embedding,) = embed_all(
        [as_features(features, labels)], one, device=device, threads=threads, cache=cache, quiet=quiet
    )
    return embedding


def as_features(features: Features | NDArray[Any], labels: Sequence[int] | IntArray | None = None) -> Features:
    """Return an array ``(N, D)`` with its labels ``(N,)``, or without any, as features.

    Raises:
        DataError: If the shapes do not fit.
        OptionError: If there are labels for features that have their own.
    """
    if isinstance(features, Features):
        if labels is not None:
            raise OptionError("features have labels of their own; give labels only with an array.")
        return features
    values = np.asarray(features, dtype=np.float32)
    numbers = np.full(values.shape[:1], NO_LABEL) if labels is None else np.asarray(labels)
    return Features(values, numbers.astype(np.int64))


def embed_all(
    features: Sequence[Features],
    options: EmbeddingOptions | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
    cache: str | Path | None = None,
    quiet: bool = False,
    **values: Any,
) -> list[Embedding]:
    """Embed several sets of features, each under one or several seeds; several run in parallel with one thread each.

    Args:
        features: Each of at least 10 images.
        options: Method, perplexity, metric, first seed and number of seeds, processes (1 runs all here, one by one).
        device: Where neighbours and quality are computed.
        threads: Of an optimisation that runs here; None takes one per thousand images, up to the number of cores.
        cache: Directory that keeps nearest neighbours and finished embeddings.
        quiet: Whether to leave out progress bars.
        values: Fields of `EmbeddingOptions`, instead of `options`.

    Returns:
        The embeddings: for each set of features, one per seed.

    Raises:
        DataError: If there are fewer than 10 images, or features are not finite.
        OptionError: If an option is not possible.
    """
    options = given(EmbeddingOptions, options, values)
    if threads is not None and threads < 1:
        raise OptionError(f"threads is 1 or more; found {threads}.")
    for each in features:
        _check(each)
    prepared = _each(lambda each: _prepare(each, options, device, cache, quiet), features, "rating features", quiet)
    tasks = [(each, seed) for each in prepared for seed in range(options.seed, options.seed + options.seeds)]
    if options.method == "pca":
        solutions = [Solution(each.components, float("nan")) for each, _ in tasks]
    else:
        problems = [each.problem(options.method, seed) for each, seed in tasks]
        kept = SolutionCache(cache)
        solutions = _solve(problems, kept, options.processes or usable_cores(), threads, quiet)
    solved = list(zip(tasks, solutions, strict=True))
    return _each(lambda one: _embedding(one[0][0], options, one[0][1], one[1]), solved, "rating planes", quiet)


def _each(make: Callable[[S], T], of: Sequence[S], what: str, quiet: bool) -> list[T]:
    """Return what is made of every item, with progress."""
    made = []
    with progress_bar(len(of), what, unit="embeddings", quiet=quiet) as bar:
        for item in of:
            made.append(make(item))
            bar.update()
    return made


def _check(features: Features) -> None:
    if len(features) < FEWEST:
        raise DataError(f"an embedding needs at least {FEWEST} {features.items}; {features.title} has {len(features)}.")
    if not features.values.shape[1]:
        raise DataError(f"{features.title} has no features: its values have shape {features.values.shape}.")
    check_finite(features)


@dataclass(frozen=True)
class _Prepared:
    """What the embeddings of one set of features share."""

    features: Features
    neighbours: Neighbours
    perplexity: float
    components: FloatArray
    device: str
    quality: Quality
    warnings: list[str]

    def problem(self, method: str, seed: int) -> Problem:
        """Return what to optimise for a seed."""
        near = self.neighbours.first(affinity_neighbours(self.perplexity, len(self.features)))
        start = initial_positions(self.components, seed)
        device = str(float64_device(self.device)) if method == one_run.ON_DEVICE else "cpu"
        return Problem(near.indices, near.distances, start, self.perplexity, method, seed, device)


def _prepare(
    features: Features, options: EmbeddingOptions, device: str, cache: str | Path | None, quiet: bool
) -> _Prepared:
    n = len(features)
    warnings = list(features.warnings)
    perplexity = min(options.perplexity, (n - 1) / 3)
    if perplexity < options.perplexity and options.method != "pca":
        warnings.append(
            f"{features.title}: perplexity {options.perplexity:g} needs more than {3 * options.perplexity:g} "
            f"{features.items}; with {n} {features.items} {perplexity:.4g} was used."
        )
    k = max(neighbours_needed(n), affinity_neighbours(perplexity, n) if options.method != "pca" else 0)
    neighbours = nearest_neighbours(features.values, k, options.metric, device, cache, quiet)
    warnings += _about_values(features, neighbours)
    quality = feature_quality(
        features.values, features.labels, neighbours, device, options.seed, options.probe, features.groups
    )
    warnings += [f"{features.title}: {warning}" for warning in quality.warnings]
    return _Prepared(
        features,
        neighbours,
        perplexity,
        principal_components(features.values),
        device,
        quality,
        warnings,
    )


def affinity_neighbours(perplexity: float, images: int) -> int:
    """Return how many neighbours the affinities of a perplexity need: three times as many."""
    return min(images - 1, int(3 * perplexity + 1e-9))


def initial_positions(components: FloatArray, seed: int) -> FloatArray:
    """Return where t-SNE starts: principal components, small, with a little jitter so that no two points coincide."""
    random = np.random.RandomState(seed)
    if not components[:, 0].any():
        start: FloatArray = random.normal(0, START_SPREAD, components.shape)
        return start
    scaled = initialization.rescale(components, target_std=START_SPREAD)
    jittered: FloatArray = initialization.jitter(scaled, random_state=random)
    return jittered


def _solve(
    problems: list[Problem], kept: SolutionCache, processes: int, threads: int | None, quiet: bool
) -> list[Solution]:
    """Optimise what is not kept; each solution is kept when it is finished."""
    solutions = [kept.get(problem) for problem in problems]
    missing = [problem for problem, solution in zip(problems, solutions, strict=True) if solution is None]
    fresh = iter(_optimise(missing, kept, processes, threads, quiet))
    return [next(fresh) if solution is None else solution for solution in solutions]


def _optimise(
    problems: list[Problem], kept: SolutionCache, processes: int, threads: int | None, quiet: bool
) -> list[Solution]:
    iterations = len(problems) * (one_run.EARLY_ITERATIONS + one_run.ITERATIONS)
    with progress_bar(iterations, "t-SNE", unit="iterations", quiet=quiet) as bar:

        def report(done: int) -> None:
            bar.update(done)

        on_gpu = any(problem.device != "cpu" for problem in problems)  # which one run keeps busy
        if processes > 1 and len(problems) > 1 and not on_gpu:
            return optimise_all(problems, processes, report, kept.put)
        solutions = []
        for problem in problems:
            solutions.append(optimise(problem, threads or useful_threads(problem), report))
            kept.put(problem, solutions[-1])
        return solutions


def useful_threads(problem: Problem) -> int:
    """Return how many threads make a run faster: one per thousand points, since they meet in every iteration."""
    return max(1, min(usable_cores(), len(problem.start) // POINTS_PER_THREAD))


def _embedding(prepared: _Prepared, options: EmbeddingOptions, seed: int, solution: Solution) -> Embedding:
    features = prepared.features
    plane = _plane_quality(prepared, seed, solution)
    metrics, sweep = [*prepared.quality.metrics, *plane.metrics], [*prepared.quality.sweep, *plane.sweep]
    names = (features.model, features.run, features.layer)
    return Embedding(
        coords=solution.coords,
        labels=features.labels,
        kl_divergence=solution.kl_divergence,
        params=_params(prepared, options, seed),
        quality=metric_rows(QUALITY, *names, metrics, seed, features.items),
        sweep=metric_rows(SWEEP, *names, sweep, seed),
        ids=features.ids,
        classes=features.classes,
        model=features.model,
        run=features.run,
        layer=features.layer,
        backbone=features.backbone,
        attention=features.attention,
        images=features.images,
        accuracy=features.accuracy,
        samples={(each.space, each.name): each.samples for each in metrics if each.samples is not None},
        influence={
            (each.space, each.name): each.influence for each in [*metrics, *sweep] if each.influence is not None
        },
        warnings=(*prepared.warnings, *about_positions(features.title, solution, options.method)),
    )


def _plane_quality(prepared: _Prepared, seed: int, solution: Solution) -> Quality:
    features, coords = prepared.features, solution.coords
    if not np.isfinite(coords).all():
        return undefined_plane(features.labelled)
    plane = nearest_neighbours(coords, neighbours_needed(len(features)), device=prepared.device)
    return plane_quality(
        coords,
        solution.kl_divergence,
        features.values,
        features.labels,
        prepared.neighbours,
        plane,
        prepared.device,
        seed,
        features.groups,
    )


def _params(prepared: _Prepared, options: EmbeddingOptions, seed: int) -> dict[str, Any]:
    common = {"method": options.method, "metric": options.metric, "seed": seed, "pool": prepared.features.pool}
    voters = others_of_each(len(prepared.features), prepared.features.groups) + 1
    common |= {prepared.features.items: len(prepared.features), "quality_k": neighbour_count(voters)}
    common["probe"] = options.probe
    if options.method == "pca":
        return common
    return {
        **common,
        "perplexity": prepared.perplexity,
        "neighbours": affinity_neighbours(prepared.perplexity, len(prepared.features)),
        "kl_divergence": "exact" if len(prepared.features) <= one_run.EXACT else "Barnes-Hut sum",
        "theta": 0.0 if options.method == one_run.ON_DEVICE else one_run.THETA,
        "early_exaggeration": one_run.EXAGGERATION,
        "early_iterations": one_run.EARLY_ITERATIONS,
        "iterations": one_run.ITERATIONS,
        "learning_rate": "n / exaggeration",
        "initialization": "pca",
        "openTSNE": version("openTSNE"),
    }


def _about_values(features: Features, neighbours: Neighbours) -> list[str]:
    """Say where features do not tell images apart."""
    values = features.values
    if (values.min(axis=0) == values.max(axis=0)).all():
        return [f"{features.title}: all {features.items} have the same features; their places say nothing."]
    duplicates = int((neighbours.distances[:, 0] == 0).sum())
    if duplicates:
        return [
            f"{features.title}: {duplicates:,} of {len(features):,} {features.items} have the same features as another."
        ]
    return []


def about_positions(title: str, solution: Solution, method: str) -> list[str]:
    """Say where an optimisation went wrong: positions that are not finite, a collapse, a negative divergence."""
    coords = solution.coords
    bad = int((~np.isfinite(coords)).any(axis=1).sum())
    if bad:
        return [f"{title}: {bad:,} of {len(coords):,} positions are not finite; do not use this embedding."]
    said = []
    spread = coords.std(axis=0)
    if spread.max() < (POINT_SPREAD if method != "pca" else np.finfo(float).tiny):
        said.append(f"{title}: the embedding has collapsed to a point (standard deviation {spread.max():.2g}).")
    elif spread.min() < LINE * spread.max():
        said.append(f"{title}: the embedding has collapsed to a line.")
    if solution.kl_divergence < 0:
        said.append(
            f"{title}: the KL divergence is {solution.kl_divergence:.3g}, which no divergence can be; "
            "the approximation has broken down."
        )
    return said
