"""Whole searches of seconds: what they leave, that they repeat, how they go on and how they fail."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autola_analysis.attention import Genotype
from autola_analysis.checkpoints import load_model
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import DataError, OptionError, SearchError
from autola_analysis.data import ClutteredDigits
from autola_analysis.search import run as runs
from autola_analysis.search.derivation import strongest
from autola_analysis.search.recipes import SEARCH_RECIPES
from autola_analysis.search.result import SearchResult
from autola_analysis.search.run import Search, run_search
from autola_analysis.statistics.intervals import bootstrap_interval
from autola_analysis.training.settings import Machine
from tests.drafts import drafts

pytestmark = pytest.mark.usefixtures("without_pictures")

KINDS = ("caption.txt", "pdf", "png")
QUIET = Machine(device="cpu", quiet=True)
LENGTHS = "autola_analysis.data.cluttered_digits.DEFAULT_LENGTH"
FEW = {"train": 64, "test": 20}
SHORT = {"epochs": "3", "batch_size": "16", "width": "4", "evaluated_images": "16"}


def short(order: int = 1, hessian: str = "exact", seed: int = 3, **values: str) -> Search:
    """Three epochs of two steps."""
    recipe = SEARCH_RECIPES.get("cluttered-digits").overridden({**SHORT, **values})
    return Search("cluttered-digits", recipe, order, hessian, seed=seed)


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LENGTHS, FEW)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SearchResult]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LENGTHS, FEW)
        out = tmp_path_factory.mktemp("searches") / "found"
        before = torch.get_rng_state()
        with drafts():
            result = run_search(short(order=2, curvature_every="3"), out, QUIET)
        assert torch.equal(torch.get_rng_state(), before)
        yield out, result


def weights_of(out: Path) -> dict[str, torch.Tensor]:
    return load_model(out / "supernet.safetensors").model.state_dict()


def test_a_search_leaves_wiring_network_and_course(finished: tuple[Path, SearchResult]) -> None:
    out, result = finished
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    tables = [f"tables/search_{name}.csv" for name in ("alphas", "edges", "epochs", "gaps")]
    figures = [f"figures/{name}.{kind}" for name in ("alphas", "entropy", "genotype") for kind in KINDS]
    assert files == sorted(
        ["arrays/search_course.npz", "genotype.json", "result.json", "supernet.safetensors", *figures, *tables]
    )
    assert "order 2, seed 3" in (out / "figures" / "alphas.caption.txt").read_text()
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert result.alphas.shape == (4, 10, 9)
    assert not np.array_equal(result.alphas[0], result.alphas[-1])
    assert result.genotype == Genotype.from_json(out / "genotype.json") == strongest(result.weights[-1])
    assert list(result.epochs["epoch"]) == [1, 2, 3]
    assert result.epochs.drop(columns="eigenvalue").notna().all().all()
    assert result.epochs["eigenvalue"].isna().tolist() == [True, True, False]
    assert result.epochs["eigenvalue"][2] > result.settings["alpha_decay"]
    assert (result.epochs["implicit_share"] > 0).all()
    assert result.settings["order"] == 2
    assert result.settings["seed"] == 3
    again = SearchResult.load(out)
    assert np.array_equal(again.alphas, result.alphas)
    assert again.epochs.equals(result.epochs)
    assert again.edges.equals(result.edges)
    assert again.warnings == result.warnings


def test_what_came_to_be_there_meanwhile_stays_and_the_search_goes_on_when_it_is_moved(
    finished: tuple[Path, SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "found"

    def overtaken(result: SearchResult) -> dict[str, Any]:
        out.mkdir()
        (out / "notes.md").write_text("mine")
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(runs, "search_figures", overtaken)
        with pytest.raises(OptionError, match=r"exists already; choose another --out, or move it away\."):
            run_search(short(order=2), out, QUIET)
    assert [path.name for path in out.iterdir()] == ["notes.md"]
    out.rename(tmp_path / "notes")
    assert np.array_equal(run_search(short(order=2), out, QUIET).alphas, finished[1].alphas)


def test_an_image_is_decoded_once_to_train_and_once_to_evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[str] = Counter()
    original = ClutteredDigits.image

    def image(self: ClutteredDigits, index: int) -> Any:
        decoded[self.split] += 1
        return original(self, index)

    monkeypatch.setattr(ClutteredDigits, "image", image)
    run_search(short(epochs="2"), tmp_path / "found", QUIET)
    assert decoded == {"train": FEW["train"] + int(SHORT["evaluated_images"]), "test": FEW["test"]}


def test_the_super_network_is_a_checkpoint_like_any_other(finished: tuple[Path, SearchResult]) -> None:
    out, result = finished
    loaded = load_model(out / "supernet.safetensors")
    assert loaded.spec is not None
    assert (loaded.spec.attention, loaded.spec.backbone) == ("hoga-search", "resnet8")
    stored = loaded.spec.attention_options["mixture"]
    assert stored == pytest.approx(result.weights[-1], abs=1e-6)
    digits = ClutteredDigits("test", 20)
    images = torch.stack([loaded.preprocessing.geometry(digits.image(index)) for index in range(20)])
    with torch.no_grad():
        right = (loaded.model(loaded.preprocessing.normalize(images)).argmax(1).numpy() == digits.labels).mean()
    assert result.gaps["value"][0] == pytest.approx(right)


def test_what_one_operation_per_edge_loses_is_paired_over_images(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[np.ndarray] = []

    def correct(*arguments: Any) -> np.ndarray:
        seen.append(original(*arguments))
        return seen[-1]

    original = runs.correct
    monkeypatch.setattr(runs, "correct", correct)
    gaps = run_search(short(epochs="1", width="4"), tmp_path / "found", QUIET).gaps.set_index("quantity")
    mixed, alone = seen
    assert (mixed != alone).any()
    lost = mixed.astype(float) - alone
    assert gaps.loc["discretisation", "value"] == pytest.approx(lost.mean())
    assert gaps.loc["discretisation", ["ci_low", "ci_high"]].tolist() == pytest.approx(bootstrap_interval(lost))
    assert gaps.loc["mixture", "value"] - gaps.loc["inherited", "value"] == pytest.approx(lost.mean())


def test_the_wiring_can_be_trained(finished: tuple[Path, SearchResult], tmp_path: Path) -> None:
    trained = tmp_path / "alone.safetensors"
    arguments = ["--set", "epochs=1", "--set", "batch_size=32", "--set", "width=4", "--device", "cpu", "--quiet"]
    wired = ["--attention", "hoga", "--genotype", str(finished[0] / "genotype.json"), "--out", str(trained)]
    assert entry._run(["train", "cluttered-digits", *wired, *arguments], debug=True) == 0
    spec = load_model(trained).spec
    assert spec is not None
    assert spec.wiring == finished[1].genotype


def test_a_killed_search_goes_on_and_ends_as_it_would_have(
    finished: tuple[Path, SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, also where the images are decoded by other processes from then on."""
    out = tmp_path / "found"
    original = runs.SearchTraining.training_step

    def dies_in_the_third_epoch(self: Any, batches: Any, batch_index: int) -> None:
        if self.current_epoch == 2 and batch_index == 1:
            raise KeyboardInterrupt
        original(self, batches, batch_index)

    monkeypatch.setattr(runs.SearchTraining, "training_step", dies_in_the_third_epoch)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run_search(short(order=2, curvature_every="3"), out, QUIET)
    assert not out.exists()
    assert (tmp_path / "found.search" / "last.ckpt").exists()
    with pytest.raises(OptionError, match="holds an unfinished search with other settings"):
        run_search(short(order=1), out, QUIET)

    steps = []
    monkeypatch.setattr(
        runs.SearchTraining, "training_step", lambda *arguments: (steps.append(1), original(*arguments))[1]
    )
    torch.manual_seed(99)  # nothing depends on the caller's random state
    result = run_search(short(order=2, curvature_every="3"), out, Machine(device="cpu", quiet=True, workers=2))
    assert len(steps) == 2  # one epoch, not three
    uninterrupted = finished[1]
    assert np.array_equal(result.alphas, uninterrupted.alphas)
    columns = [name for name in result.epochs if name != "seconds"]
    assert result.epochs[columns].equals(uninterrupted.epochs[columns])
    assert result.gaps.equals(uninterrupted.gaps)
    expected = weights_of(finished[0])
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights_of(out).items())
    assert not (tmp_path / "found.search").exists()


def test_another_seed_is_another_search_and_alpha_waits_for_its_epoch(
    finished: tuple[Path, SearchResult], tmp_path: Path
) -> None:
    result = run_search(short(seed=4, alpha_from_epoch="1", epochs="2"), tmp_path / "found", QUIET)
    assert not np.array_equal(result.alphas[0], finished[1].alphas[0])
    assert np.array_equal(result.alphas[0], result.alphas[1])
    assert not np.array_equal(result.alphas[1], result.alphas[2])
    assert result.epochs["implicit_share"].isna().all()


def test_images_of_the_test_split_are_read_when_the_wiring_is_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ClutteredDigits.image

    def guarded(self: ClutteredDigits, index: int) -> Any:
        if self.split == "test":
            raise DataError("the test split was read")
        return original(self, index)

    monkeypatch.setattr(ClutteredDigits, "image", guarded)
    seen = []
    derived = runs.strongest
    monkeypatch.setattr(runs, "strongest", lambda *arguments: (seen.append(1), derived(*arguments))[1])
    with pytest.raises(DataError, match="the test split was read"):
        run_search(short(epochs="1"), tmp_path / "found", QUIET)
    assert seen == [1]
    assert not (tmp_path / "found").exists()
    assert (tmp_path / "found.search" / "last.ckpt").exists()


def test_a_search_whose_loss_is_not_finite_stops_with_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = runs.SearchTraining._standardised

    def broken(self: Any, batch: Any) -> Any:
        images, labels = original(self, batch)
        return (images * float("nan") if self.current_epoch == 1 and self.network.training else images), labels

    monkeypatch.setattr(runs.SearchTraining, "_standardised", broken)
    with pytest.raises(SearchError) as error:
        run_search(short(), tmp_path / "found", QUIET)
    message = str(error.value)
    assert "the loss on the architecture's half is not finite in epoch 2, step 1, so the search has stopped" in message
    assert "found.search keeps the state after the last whole epoch" in message
    assert torch.isfinite(torch.load(tmp_path / "found.search" / "last.ckpt")["history"]["alphas"]).all()
    assert not (tmp_path / "found").exists()


def test_a_search_that_memory_does_not_suffice_for_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("autola_analysis.search.module.architecture_gradient", full)
    with pytest.raises(SearchError) as error:
        run_search(short(order=2), tmp_path / "found", QUIET)
    assert "a step with 16 images of either half; no epoch was finished, so nothing is kept" in str(error.value)
    assert "give a lower --set batch_size, --hessian none, and another --out" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nothing", "unknown search recipe 'nothing'; the nearest known: cifar10"),
        ("cluttered-digits --order 3", "the order of a search is 1 or 2; found 3"),
        ("cluttered-digits --hessian none", "give --order 2 with it, or leave it out"),
        ("cluttered-digits --order 2 --hessian finite", "hessian is one of exact, differences, none; found 'finite'"),
        ("cluttered-digits --order 2 --precision bf16-mixed", "second order differentiates in float32 alone"),
        ("cluttered-digits --precision 16-mixed", "a search runs in --precision 32-true or bf16-mixed"),
        ("cluttered-digits --set width=6", "6 is not a multiple of 4"),
        ("cluttered-digits --backbone resnet21", "unknown backbone 'resnet21'"),
        ("cluttered-digits --set epochs", "--set takes KEY=VALUE; found 'epochs'"),
        ("cluttered-digits --set batch_size=33", "a batch of 33 images does not fit into 32 images"),
        ("cluttered-digits --out .", "exists already; choose another --out"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_sentence(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert entry._run(["search", *arguments.split()], debug=False) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_every_flag_reaches_what_it_sets(
    finished: tuple[Path, SearchResult], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(runs, "run_search", lambda *given: (calls.append(given), finished[1])[1])
    command = (
        "search cluttered-digits --order 2 --hessian none --backbone resnet14 --seed 7 --data folder:x --set epochs=9 "
        "--set alpha-decay=0 --device cpu --workers 3 --out there"
    )
    assert entry._run(command.split(), debug=True) == 0
    assert entry._run(["search", "cifar10", "--quiet", "--precision", "bf16-mixed"], debug=True) == 0
    (first, out, machine), (second, default, quiet) = calls
    assert (first.order, first.hessian, first.network, first.seed, first.data) == (
        2,
        "none",
        "resnet14",
        7,
        "folder:x",
    )
    assert (first.recipe.epochs, first.recipe.alpha_decay, first.recipe_name) == (9, 0.0, "cluttered-digits")
    assert (out, machine) == (Path("there"), Machine("cpu", "32-true", 3, False))
    assert (second.order, second.hessian, second.network, second.seed) == (1, "exact", "resnet20", 0)
    assert (default, quiet.quiet, quiet.precision) == (Path("search_cifar10_order1_seed0"), True, "bf16-mixed")
    printed = capsys.readouterr().out
    assert "s1 = " in printed
    assert " of x1\n" in printed
    assert f"there/genotype.json: {int(finished[1].edges['decided'].sum())} of 10 edges decided" in printed


def test_lists_name_recipes_and_operations(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry._run(["list", "search-recipes"], debug=True) == 0
    assert entry._run(["list", "operations"], debug=True) == 0
    printed = capsys.readouterr().out
    assert "cifar10-as-released: " in printed
    assert "\ndil_conv_3x3_spatial\n" in printed
