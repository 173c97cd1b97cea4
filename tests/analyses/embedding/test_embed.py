"""Embeddings: against openTSNE itself, the same array whenever and wherever, and what bad input gets."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import openTSNE
import pandas as pd
import pytest
import torch
from openTSNE.affinity import PerplexityBasedNN

from autola_analysis.analyses.embedding import embed as module
from autola_analysis.analyses.embedding import optimise as one_run
from autola_analysis.analyses.embedding import parallel
from autola_analysis.analyses.embedding.embed import about_positions, embed, embed_all, initial_positions
from autola_analysis.analyses.embedding.features import Features
from autola_analysis.analyses.embedding.neighbours import nearest_neighbours
from autola_analysis.analyses.embedding.optimise import Solution, optimise
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.pca import principal_components
from autola_analysis.analyses.embedding.result import Embedding, quality_of
from autola_analysis.analyses.embedding.tables import seed_spread
from autola_analysis.core.errors import AutolaError, DataError, OptionError
from autola_analysis.statistics.intervals import bootstrap_interval
from tests.analyses.embedding.points import blobs

PROBLEM = """
import numpy as np
from autola_analysis.analyses.embedding.optimise import Problem
from autola_analysis.analyses.embedding.parallel import optimise_all
start = np.random.default_rng(0).normal(size=(40, 2))
indices = (np.arange(40)[:, None] + np.arange(1, 16)) % 40
problem = Problem(indices, np.ones((40, 15)), 1e-4 * start, 5.0, "barnes-hut", 0)
"""


def quickly(features: Features, **options: object) -> Embedding:
    return embed(features, device="cpu", threads=1, quiet=True, **options)


def children() -> set[str]:
    """Return the processes that this one has started and that still run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = status.read_text().partition(" (")
        except OSError:
            continue
        state, parent = rest.rpartition(") ")[2].split()[:2]
        if parent == str(os.getpid()) and state != "Z":
            found.add(number)
    return found


@pytest.fixture
def few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_run, "EARLY_ITERATIONS", 25)
    monkeypatch.setattr(one_run, "ITERATIONS", 25)


def exact_divergence(features: Features, coords: np.ndarray, perplexity: int) -> float:
    found = nearest_neighbours(features.values, 3 * perplexity, device="cpu")
    joint = PerplexityBasedNN(
        knn_index=openTSNE.nearest_neighbors.PrecomputedNeighbors(found.indices, found.distances), perplexity=perplexity
    ).P.toarray()
    kernel = 1 / (1 + ((coords[:, None] - coords[None]) ** 2).sum(2))
    np.fill_diagonal(kernel, 0)
    q = kernel / kernel.sum()
    return float((joint[joint > 0] * np.log(joint[joint > 0] / q[joint > 0])).sum())


@pytest.mark.parametrize(("method", "gradient"), [("barnes-hut", "bh"), ("fft", "fft")])
def test_positions_are_openTSNEs_for_the_same_neighbours_start_and_parameters(
    method: str, gradient: str, few_iterations: None
) -> None:
    features = blobs(120)
    found = nearest_neighbours(features.values, 30, device="cpu")
    affinities = PerplexityBasedNN(
        knn_index=openTSNE.nearest_neighbors.PrecomputedNeighbors(found.indices, found.distances), perplexity=10
    )
    start = initial_positions(principal_components(features.values), seed=3)
    expected = openTSNE.TSNE(
        perplexity=10, negative_gradient_method=gradient, theta=0.5, early_exaggeration=12, early_exaggeration_iter=25,
        n_iter=25, learning_rate="auto", random_state=3, n_jobs=1,
    ).fit(affinities=affinities, initialization=start)  # fmt: skip
    embedding = quickly(features, method=method, perplexity=10, seed=3)
    np.testing.assert_array_equal(embedding.coords, np.asarray(expected))
    fresh = PerplexityBasedNN(knn_index=affinities.knn_index, perplexity=10)
    assert embedding.kl_divergence == one_run.divergence(embedding.coords, fresh.P)  # not of affinities used before
    assert embedding.kl_divergence == pytest.approx(exact_divergence(features, embedding.coords, 10), rel=1e-10)


def test_the_divergence_of_many_points_is_a_barnes_hut_sum_and_said_to_be(
    few_iterations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = blobs(120)
    exact = quickly(features, perplexity=10)
    assert exact.params["kl_divergence"] == "exact"
    monkeypatch.setattr(one_run, "PAIRS", 500)  # blocks of four points
    assert quickly(features, perplexity=10).kl_divergence == pytest.approx(exact.kl_divergence, rel=1e-12)
    monkeypatch.setattr(one_run, "EXACT", 119)
    approximate = quickly(features, perplexity=10)
    assert approximate.params["kl_divergence"] == "Barnes-Hut sum"
    assert approximate.kl_divergence != exact.kl_divergence
    assert approximate.kl_divergence == pytest.approx(exact.kl_divergence, rel=0.02)


def test_the_number_of_threads_does_not_change_the_positions(few_iterations: None) -> None:
    one, two = (embed(blobs(80), device="cpu", threads=threads, quiet=True) for threads in (1, 2))
    np.testing.assert_array_equal(one.coords, two.coords)
    assert one.kl_divergence == two.kl_divergence


def test_the_divergence_is_close_to_openTSNEs_and_scikit_learns_own_runs() -> None:
    from sklearn.manifold import TSNE

    features = blobs(300, classes=10)
    ours = quickly(features).kl_divergence
    values = features.values.astype(np.float64)
    theirs = openTSNE.TSNE(
        perplexity=30, neighbors="exact", negative_gradient_method="bh", random_state=0, n_jobs=1
    ).fit(values)
    scikit = TSNE(perplexity=30, init="pca", method="barnes_hut", random_state=0, n_jobs=1).fit(values)
    assert ours == pytest.approx(theirs.kl_divergence, rel=0.03)
    assert ours == pytest.approx(scikit.kl_divergence_, rel=0.03)


def test_classes_that_are_apart_stay_apart() -> None:
    quality = quickly(blobs(90)).quality.set_index(["space", "metric"])["value"]
    assert quality["plane", "knn_accuracy"] > 0.95
    assert quality["plane", "trustworthiness"] > 0.9


def test_a_seed_gives_one_array_alone_among_several_and_in_a_fresh_process(tmp_path: Path) -> None:
    several = [blobs(50, seed=seed, model=f"m{seed}") for seed in range(3)]
    alone = quickly(several[1], seed=5)
    among = embed_all(several, EmbeddingOptions(seed=5, seeds=2, processes=2), device="cpu", quiet=True)
    one_by_one = embed_all(several[1:], EmbeddingOptions(seed=5, processes=1), device="cpu", threads=1, quiet=True)
    assert [(each.model, each.seed) for each in among] == [(f"m{i}", seed) for i in range(3) for seed in (5, 6)]
    script = (
        "from tests.analyses.embedding.points import blobs; import numpy as np, sys\n"
        "from autola_analysis.analyses.embedding.embed import embed\n"
        "e = embed(blobs(50, seed=1), seed=5, device='cpu', quiet=True)\n"
        "np.savez(sys.argv[1], coords=e.coords, kl=e.kl_divergence)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "fresh.npz")], check=True)
    with np.load(tmp_path / "fresh.npz") as fresh:
        np.testing.assert_array_equal(fresh["coords"], alone.coords)
        assert fresh["kl"] == alone.kl_divergence
    for other in (among[2], one_by_one[0]):
        np.testing.assert_array_equal(other.coords, alone.coords)
        assert other.kl_divergence == alone.kl_divergence
        pd.testing.assert_frame_equal(other.quality.drop(columns="model"), alone.quality.drop(columns="model"))
    assert (among[3].coords != alone.coords).any()


def test_pca_is_the_plain_baseline_without_a_divergence() -> None:
    features = blobs(200)
    embedding = quickly(features, method="pca")
    np.testing.assert_array_equal(embedding.coords, principal_components(features.values))
    assert np.isnan(embedding.kl_divergence)
    assert "perplexity" not in embedding.params
    assert embedding.warnings == ()


def test_the_linear_probe_can_be_left_out(few_iterations: None) -> None:
    found = quickly(blobs(101), probe=False)
    assert "linear_probe_accuracy" not in set(found.quality["metric"])
    assert found.samples.keys() == PER_IMAGE - {("features", "linear_probe_accuracy")}
    assert found.params["probe"] is False


def test_too_high_a_perplexity_is_capped_and_the_value_used_is_said(few_iterations: None) -> None:
    embedding = quickly(blobs(40))
    assert embedding.params["perplexity"] == 13
    assert embedding.params["neighbours"] == 39
    warning, _ = embedding.warnings
    assert "perplexity 30 needs more than 90 images; with 40 images 13 was used" in warning
    assert quickly(blobs(101)).warnings == ()
    assert quickly(blobs(10)).params["quality_k"] == 4


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (blobs(9), DataError, "at least 10 images; layer3 of model has 9"),
        (Features(np.zeros((12, 0), np.float32), np.zeros(12, np.int64)), DataError, "has no features"),
    ],
)
def test_too_few_images_or_features_are_refused(features: Features, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        quickly(features)


def test_features_that_are_not_finite_are_refused_with_layer_and_count() -> None:
    features = blobs()
    features.values[3, :2] = np.nan
    features.values[50, 1] = np.inf
    with pytest.raises(DataError, match=r"3 of 480 feature values in layer3 of SE \(run 2\) are not finite"):
        quickly(replace(features, model="SE", run="2"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "umap"}, "method is one of barnes-hut, fft, exact, pca; found 'umap'"),
        ({"perplexity": 0.5}, "perplexity is a number from 1 on; found 0.5"),
        ({"perplexity": float("nan")}, "perplexity should be a finite number; found 'nan'"),
        ({"perplexity": float("inf")}, "perplexity should be a finite number; found 'inf'"),
        ({"metric": "manhattan"}, "metric is one of euclidean, cosine"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        quickly(blobs(), **options)


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"processes": 0}, {"threads": 0}])
def test_nothing_and_no_workers_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=r"is (1 or more|a number from 1 on); found 0"):
        embed_all([blobs()], **wrong)


def test_constant_and_duplicate_features_are_said_and_still_embedded(few_iterations: None) -> None:
    constant = quickly(replace(blobs(40), values=np.full((40, 8), 0.3, np.float32)))
    assert any("all images have the same features" in warning for warning in constant.warnings)
    assert np.isfinite(constant.coords).all()
    values = blobs(40).values.copy()
    values[10:13] = values[0]
    duplicates = quickly(replace(blobs(40), values=values))
    assert any("4 of 40 images have the same features as another" in warning for warning in duplicates.warnings)
    assert np.isfinite(duplicates.coords).all()
    single = quickly(replace(blobs(40), values=blobs(40).values[:, :1]))
    assert np.isfinite(single.coords).all()


def test_collapse_values_that_are_not_finite_and_a_negative_divergence_are_said() -> None:
    good = np.random.default_rng(0).normal(size=(30, 2)) * 10
    assert about_positions("x", Solution(good, 0.5), "barnes-hut") == []
    assert about_positions("x", Solution(1e-3 * good, 0.5), "pca") == []
    cases = [
        (Solution(1e-4 * good, 0.5), "x: the embedding has collapsed to a point"),
        (Solution(good * [1, 1e-5], 0.5), "x: the embedding has collapsed to a line"),
        (Solution(good, -0.2), "x: the KL divergence is -0.2, which no divergence can be"),
        (Solution(np.where(good > 15, np.nan, good), 0.5), "positions are not finite"),
    ]
    for solution, said in cases:
        (warning,) = about_positions("x", solution, "barnes-hut")
        assert said in warning


def test_positions_that_are_not_finite_leave_the_metrics_of_the_plane_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Solution(np.full((60, 2), np.nan), float("nan"))
    monkeypatch.setattr(module, "optimise", lambda problem, threads, report: broken)
    embedding = quickly(blobs())
    plane = embedding.quality[embedding.quality["space"] == "plane"]
    assert len(plane) == 5
    assert plane["value"].isna().all()
    assert any("60 of 60 positions are not finite" in warning for warning in embedding.warnings)


def test_every_option_reaches_openTSNE(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    class Watched(openTSNE.TSNE):
        def __init__(self, **options: object) -> None:
            seen.update(options)
            super().__init__(**{**options, "n_iter": 10, "early_exaggeration_iter": 10})

    monkeypatch.setattr(one_run, "TSNE", Watched)
    embed(blobs(), method="fft", perplexity=7, seed=11, device="cpu", threads=2, quiet=True)
    del seen["callbacks"]
    assert seen == {
        "perplexity": 7, "negative_gradient_method": "fft", "theta": 0.5, "early_exaggeration": 12,
        "early_exaggeration_iter": 250, "n_iter": 500, "learning_rate": "auto", "random_state": 11, "n_jobs": 2,
        "callbacks_every_iters": 25,
    }  # fmt: skip
    embed(blobs(), perplexity=7, device="cpu", quiet=True)
    assert seen["negative_gradient_method"] == "bh"


def test_progress_counts_every_iteration_here_and_in_other_processes() -> None:
    features = blobs(30)
    prepared = module._prepare(features, EmbeddingOptions(perplexity=5), "cpu", None, True)
    problem = prepared.problem("barnes-hut", 0)
    done: list[int] = []
    optimise(problem, progress=done.append)
    assert sum(done) == 750
    parallel.optimise_all([problem] * 3, 2, done.append)
    assert sum(done) == 4 * 750


def test_the_random_state_of_the_process_is_as_before(few_iterations: None) -> None:
    np.random.seed(4)  # noqa: NPY002 - the global state is what must not change
    before = (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), torch.get_num_threads())  # noqa: NPY002
    quickly(blobs())
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), torch.get_num_threads())  # noqa: NPY002


def test_an_error_in_a_process_is_told_and_leaves_no_process() -> None:
    prepared = module._prepare(blobs(30), EmbeddingOptions(perplexity=5), "cpu", None, True)
    problem = prepared.problem("barnes-hut", 0)
    before = children()
    with pytest.raises(RuntimeError, match=r"an embedding failed in its process:(.|\n)*KeyError: 'umap'"):
        parallel.optimise_all([problem, replace(problem, method="umap"), problem], 2)
    assert children() == before


def test_a_process_that_dies_is_told_and_leaves_no_process() -> None:
    prepared = module._prepare(blobs(30), EmbeddingOptions(perplexity=5), "cpu", None, True)
    problem = prepared.problem("barnes-hut", 0)
    before = children()

    def kill_one(done: int) -> None:
        for child in children() - before:
            os.kill(int(child), signal.SIGKILL)

    with pytest.raises(AutolaError, match="ended with status -9; is there enough memory"):
        parallel.optimise_all([problem] * 4, 2, kill_one)
    assert children() == before


@pytest.mark.parametrize("to_group", [True, False])
def test_an_interrupt_ends_all_processes(to_group: bool) -> None:
    """Ctrl-C reaches the whole group, a scheduler's signal the process alone."""
    script = PROBLEM + (
        "told = []\n"
        "def tell(done):\n"
        "    if not told: print('running', flush=True)\n"
        "    told.append(done)\n"
        "optimise_all([problem] * 2000, 2, tell)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    os.kill(-process.pid if to_group else process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    deadline = time.monotonic() + 5
    while group_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert group_of(process.pid) == []


def group_of(leader: int) -> list[str]:
    """Return the processes of a session that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = status.read_text().partition(" (")
        except OSError:
            continue
        state, _, group = rest.rpartition(") ")[2].split()[:3]
        if group == str(leader) and state != "Z":
            found.append(number)
    return found


def test_a_script_without_a_main_guard_can_embed_in_parallel(tmp_path: Path) -> None:
    (tmp_path / "openTSNE.py").write_text("raise SystemExit('the working directory got in the way')")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nsys.path.remove(sys.path[0])\n" + PROBLEM + "print(len(optimise_all([problem] * 2, 2)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert process.stdout == "2\n", process.stderr


def test_worker_processes_load_no_torch() -> None:
    script = "import sys, autola_analysis.analyses.embedding.worker; print('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "False"


PER_IMAGE = {("features", metric) for metric in ("knn_accuracy", "silhouette", "linear_probe_accuracy")}
PER_IMAGE |= {("plane", metric) for metric in ("knn_accuracy", "silhouette", "trustworthiness", "knn_recall")}

INFLUENCE = {
    (space, metric)
    for space in ("features", "plane")
    for metric in ("knn_accuracy", "silhouette", "knn_accuracy_1", "knn_accuracy_5", "knn_accuracy_10")
}


def test_metrics_are_means_of_their_samples(few_iterations: None) -> None:
    embedding = quickly(blobs(40))
    values = embedding.quality.set_index(["space", "metric"])["value"]
    for key in PER_IMAGE:
        assert embedding.samples[key].shape == (40,)
        assert embedding.samples[key].mean() == pytest.approx(values[key])


def test_intervals_can_be_made_again_of_what_is_saved(tmp_path: Path, few_iterations: None) -> None:
    quickly(blobs(40, model="SE"), seed=4).save(tmp_path)
    loaded = Embedding.load(tmp_path)
    rows = [(row.space, row.metric, row) for row in loaded.quality.itertuples() if row.metric != "kl_divergence"]
    rows += [(row.space, f"knn_accuracy_{row.k}", row) for row in loaded.sweep.itertuples()]
    assert len(rows) == 7 + 6
    for space, metric, row in rows:
        values = loaded.decisive[space, metric]
        assert values.mean() == pytest.approx(row.value, abs=1e-12)
        assert (row.ci_low, row.ci_high) == bootstrap_interval(values, seed=4)


def test_an_embedding_survives_saving(tmp_path: Path, few_iterations: None) -> None:
    embedding = quickly(replace(blobs(40, model="SE"), run="2"), seed=4)
    embedding.save(tmp_path / "saved")
    loaded = Embedding.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.coords, embedding.coords)
    np.testing.assert_array_equal(loaded.labels, embedding.labels)
    pd.testing.assert_frame_equal(loaded.quality, embedding.quality, check_dtype=False)
    pd.testing.assert_frame_equal(loaded.sweep, embedding.sweep, check_dtype=False)
    for name in ("kl_divergence", "params", "ids", "classes", "model", "run", "layer", "accuracy", "warnings"):
        assert getattr(loaded, name) == getattr(embedding, name), name
    assert loaded.samples.keys() == embedding.samples.keys() == PER_IMAGE
    for key, values in embedding.samples.items():
        np.testing.assert_array_equal(loaded.samples[key], values)
    assert loaded.influence.keys() == embedding.influence.keys() == INFLUENCE
    for key, values in embedding.influence.items():
        np.testing.assert_array_equal(loaded.influence[key], values)
    assert "trustworthiness" in embedding._repr_html_()
    with pytest.raises(DataError, match="holds no saved embedding result"):
        Embedding.load(tmp_path)


def test_the_spread_over_seeds_is_reported_apart(few_iterations: None) -> None:
    embeddings = embed_all([blobs(40)], EmbeddingOptions(seeds=3, processes=1), device="cpu", threads=1, quiet=True)
    quality = quality_of(embeddings)
    assert (quality["space"] == "features").sum() == 3
    assert (quality["space"] == "plane").sum() == 15
    spread = seed_spread(quality).set_index("metric")
    kl = [each.kl_divergence for each in embeddings]
    assert spread.loc["kl_divergence", ["seeds", "lowest", "highest"]].tolist() == [3, min(kl), max(kl)]
    assert seed_spread(quality_of(embeddings[:1])).empty


def test_an_array_with_labels_is_embedded_as_features_are(few_iterations: None) -> None:
    features = blobs(40)
    expected, found = quickly(features), quickly(features.values, labels=features.labels.tolist())
    np.testing.assert_array_equal(found.coords, expected.coords)
    np.testing.assert_array_equal(found.labels, expected.labels)
    columns = ["space", "metric", "value", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(found.quality[columns], expected.quality[columns])


def test_without_labels_nothing_is_said_of_classes(few_iterations: None, tmp_path: Path) -> None:
    features = blobs(40)
    expected, found = quickly(features), quickly(features.values)
    np.testing.assert_array_equal(found.coords, expected.coords)
    assert (found.labelled, expected.labelled) == (False, True)
    assert list(zip(found.quality["space"], found.quality["metric"], strict=True)) == [
        ("plane", "trustworthiness"), ("plane", "knn_recall"), ("plane", "kl_divergence"),
    ]  # fmt: skip
    of_plane = expected.quality[expected.quality["metric"].isin(found.quality["metric"])]
    assert found.quality["value"].tolist() == of_plane["value"].tolist()
    assert found.sweep.empty
    found.save(tmp_path)
    assert not Embedding.load(tmp_path).labelled


@pytest.mark.parametrize(
    ("features", "labels", "error", "message"),
    [
        (blobs(40), [0] * 40, OptionError, "features have labels of their own"),
        (blobs(40).values, [0] * 39, DataError, r"features are \(N, D\) with labels \(N,\)"),
        (blobs(40).values, [-1, *[0] * 39], DataError, "labels must be 0 to 0"),
        (np.zeros(40), None, DataError, r"features are \(N, D\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    features: Features | np.ndarray, labels: list[int] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        quickly(features, labels=labels)


def test_options_are_given_once() -> None:
    with pytest.raises(OptionError, match="not both"):
        quickly(blobs(), options=EmbeddingOptions(), perplexity=5)
