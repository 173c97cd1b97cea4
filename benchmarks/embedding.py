"""t-SNE of one set of features and of twelve, and exact neighbours, beside openTSNE and scikit-learn.

python -m benchmarks.embedding                                      10,000 made-up points, the twelve with 2,000 each
python -m benchmarks.embedding --points 1000 --runs 1               a quick look
python -m benchmarks.embedding --checkpoint resnet20.th --normalize imagenet --data folder:cifar10/test
                                                                    features of the last stage of a real network

Every contender runs in a process of its own, in turn. All divergences are computed in the same way: from the positions
that a contender returned, with the affinities of exact neighbours and one thread.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Measured, interleave, ratios, report_run

Array = NDArray[np.float64]
MODULE = "benchmarks.embedding"
PERPLEXITY = 30
SETS = 12

SINGLE = ("ours", "scikit-learn", "openTSNE default", "openTSNE exact Barnes-Hut")
TWELVE = ("ours x12", "openTSNE x12, 1 thread", "openTSNE x12, 2 threads")
NEIGHBOURS = ("our neighbours", "scikit-learn neighbours")
IMPORTS = ("autola_analysis.analyses.embedding.embed", "openTSNE", "sklearn.manifold", "sklearn.neighbors")
TARGETS = {
    ("ours", "scikit-learn"): 0.60,
    ("ours", "openTSNE default"): 1.00,
    ("ours x12", "openTSNE x12, 1 thread"): 0.55,
    ("ours x12", "openTSNE x12, 2 threads"): 0.90,
}


def ours(values: Array, threads: int) -> Array:
    """Embed as `embed` does, without its quality metrics."""
    from autola_analysis.analyses.embedding.optimise import optimise

    return optimise(our_problem(values), threads).coords


def our_problem(values: Array):
    """Find neighbours and start, as `embed` does."""
    from autola_analysis.analyses.embedding.embed import affinity_neighbours, initial_positions
    from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
    from autola_analysis.analyses.embedding.optimise import Problem
    from autola_analysis.analyses.embedding.pca import principal_components

    found = nearest_neighbours(values, affinity_neighbours(PERPLEXITY, len(values)), device="cpu")
    start = initial_positions(principal_components(values), seed=0)
    return Problem(found.indices, found.distances, start, PERPLEXITY, "barnes-hut", 0)


def scikit_learn(values: Array, threads: int) -> Array:
    from sklearn.manifold import TSNE

    tsne = TSNE(method="barnes_hut", init="pca", perplexity=PERPLEXITY, random_state=0, n_jobs=threads)
    return tsne.fit_transform(values).astype(np.float64)


def open_tsne(values: Array, **options: object) -> Array:
    from openTSNE import TSNE

    return np.asarray(TSNE(perplexity=PERPLEXITY, random_state=0, **options).fit(values))


def ours_twelve(sets: list[Array], threads: int) -> Array:
    from autola_analysis.analyses.embedding.parallel import optimise_all

    return optimise_all([our_problem(values) for values in sets], threads)[0].coords


def open_tsne_twelve(sets: list[Array], threads: int) -> Array:
    found = [open_tsne(values, negative_gradient_method="bh", n_jobs=threads) for values in sets]
    return found[0]


def divergence_of(coords: Array, values: Array) -> float:
    """Return the divergence of positions from the affinities of exact neighbours, in one thread."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    from autola_analysis.analyses.embedding.optimise import divergence

    problem = our_problem(values)
    index = PrecomputedNeighbors(problem.indices, problem.distances)
    return divergence(coords, PerplexityBasedNN(knn_index=index, perplexity=PERPLEXITY).P)


def contender(name: str, features: Path, threads: int) -> None:
    """Time one contender in this process; what it imports is not counted."""
    for module in IMPORTS:
        import_module(module)
    torch.set_num_threads(threads)
    values = np.load(features).astype(np.float64)
    sets = subsets(values) if name in TWELVE else []
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(values, threads),
        "scikit-learn": lambda: scikit_learn(values, threads),
        "openTSNE default": lambda: open_tsne(values),
        "openTSNE exact Barnes-Hut": lambda: open_tsne(
            values, neighbors="exact", negative_gradient_method="bh", n_jobs=threads
        ),
        "ours x12": lambda: ours_twelve(sets, threads),
        "openTSNE x12, 1 thread": lambda: open_tsne_twelve(sets, 1),
        "openTSNE x12, 2 threads": lambda: open_tsne_twelve(sets, 2),
        "our neighbours": lambda: our_neighbours(values),
        "scikit-learn neighbours": lambda: scikit_learn_neighbours(values, threads),
    }
    embedded = sets[0] if sets else values
    value = None if name in NEIGHBOURS else (lambda coords: divergence_of(coords, embedded))
    report_run(works[name], warm_up=False, value=value)


def our_neighbours(values: Array) -> None:
    from autola_analysis.analyses.embedding.neighbours import nearest_neighbours

    nearest_neighbours(values, 3 * PERPLEXITY, device="cpu")


def scikit_learn_neighbours(values: Array, threads: int) -> None:
    from sklearn.neighbors import NearestNeighbors

    NearestNeighbors(n_neighbors=3 * PERPLEXITY, algorithm="brute", n_jobs=threads).fit(values).kneighbors()


def subsets(values: Array) -> list[Array]:
    """Return twelve random fifths of the points: 3 backbones x 4 variants x 2,000 of 10,000 images."""
    size = max(100, len(values) // 5)
    return [values[np.random.default_rng(seed).choice(len(values), size, replace=False)] for seed in range(SETS)]


def made_up(points: int) -> Array:
    """Return rectified clouds of ten classes, as wide as the last stage of a ResNet-20."""
    generator = np.random.default_rng(0)
    centres = 2 * generator.normal(size=(10, 64))
    return np.maximum(centres[np.arange(points) % 10] + generator.normal(size=(points, 64)), 0)


def features_of(arguments: argparse.Namespace) -> Array:
    """Return the features to embed: of a network, where one is given."""
    if arguments.checkpoint is None:
        return made_up(arguments.points)
    from autola_analysis import extract_features, load_model, open_source

    model = load_model(arguments.checkpoint, normalize=arguments.normalize, device="cpu")
    return np.array(extract_features(model, open_source(arguments.data), limit=arguments.points).values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoint")
    parser.add_argument("--normalize")
    parser.add_argument("--data", default="cluttered-digits")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        contender(arguments.contender[0], Path(arguments.contender[1]), arguments.threads)
        return
    torch.set_num_threads(arguments.threads)
    print_table(features_of(arguments), arguments.runs, arguments.threads)


def print_table(values: Array, runs: int, threads: int) -> None:
    """Run everything and print a Markdown table per group."""
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "features.npy"
        np.save(features, values)
        print_tables_of(features, runs, threads)


def print_tables_of(features: Path, runs: int, threads: int) -> None:
    """Do it for features in a file, which every contender reads."""
    shape = np.load(features, mmap_mode="r").shape
    for title, names in (("one set", SINGLE), (f"{SETS} sets", TWELVE), ("neighbours", NEIGHBOURS)):
        commands = {name: [MODULE, "--threads", str(threads), "--contender", name, str(features)] for name in names}
        found = interleave(commands, runs)
        print(f"\n| {title} of {shape[0]:,} x {shape[1]} | seconds | ours / it (min to max) | target | KL |")
        print("|---|---|---|---|---|")
        for name in names:
            print(row(name, found[name], found[names[0]], names[0]), flush=True)


def row(name: str, measured: Measured, our: Measured, our_name: str) -> str:
    """Return a line of the table."""
    middle, low, high = ratios(our, measured)
    ratio = "" if name == our_name else f"{middle:.2f} ({low:.2f} to {high:.2f})"
    target = TARGETS.get((our_name, name))
    goal = "" if target is None else f"at most {target:.2f}"
    kl = f"{median(measured.values):.4f}" if measured.values else ""
    return f"| {name} | {median(measured.seconds):.1f} | {ratio} | {goal} | {kl} |"


if __name__ == "__main__":
    main()
