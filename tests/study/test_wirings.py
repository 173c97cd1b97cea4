"""Variants that stand for a population of wirings."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from autola_analysis.attention import Genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.study.command import model_tables
from autola_analysis.study.comparison.readings import wiring_verdicts
from autola_analysis.study.comparison.searched import random_wirings, searched_wirings
from autola_analysis.study.file import parse_study
from autola_analysis.study.models import StudyModel, load_models
from autola_analysis.study.redraw import redraw
from autola_analysis.study.run import run_study
from autola_analysis.study.wirings import with_wirings
from tests.study.asked import QUIET

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a network of width 4 with a HOGA module and return the file."""

    def written(name: str, attention: str = "hoga-random", width: int = 4, **options: Any) -> Path:
        torch.manual_seed(len(name))
        spec = ModelSpec("resnet8", attention, 10, {"width": width}, options)
        model = spec.build()
        with torch.no_grad():
            model.fc.bias += torch.rand(10)
        return save_model(
            tmp_path / f"{name}.safetensors",
            model,
            spec,
            classes=ClutteredDigits("test", 1).classes,
            preprocessing=Preprocessing(),
            source="cluttered-digits",
        )

    return written


def loaded(*files: Path, wirings: str | None = "mixed") -> list[StudyModel]:
    how = {} if wirings is None else {"wirings": [wirings]}
    return load_models(model_tables([f"Rand={file}" for file in files], how), Path())


def test_a_mixed_variant_has_to_be_asked_for(write: Callable[..., Path]) -> None:
    files = [write("a", genotype_seed=0), write("bb", genotype_seed=1)]
    with pytest.raises(OptionError) as caught:
        loaded(*files, wirings=None)
    assert str(caught.value) == (
        f"{files[0]} and {files[1]} have different wirings of HOGA and cannot be runs of one variant 'Rand'; give each "
        'a NAME of its own, or, where the variant stands for a population of wirings, wirings = "mixed" in its table '
        "(--wirings Rand=mixed)."
    )
    assert [model.variant.run for model in loaded(*files)] == ["1", "2"]
    assert len(loaded(*files, wirings="Rand=mixed")) == 2


def test_wirings_given_by_seed_and_by_pairs_are_one_population(write: Callable[..., Path]) -> None:
    files = [write("a", genotype_seed=0), write("bb", "hoga", genotype=Genotype.random(1).to_pairs())]
    assert len(loaded(*files, write("ccc", "hoga"))) == 3


def test_networks_that_differ_in_more_than_the_wiring_are_refused(write: Callable[..., Path]) -> None:
    first = write("a", genotype_seed=0)
    for other in (
        write("bb", genotype_seed=1, width=8),
        write("ccc", genotype_seed=1, reduction=4),
        write("dddd", "none"),
    ):
        with pytest.raises(OptionError, match="are different networks and cannot be runs of one variant 'Rand'"):
            loaded(first, other)


def test_a_population_has_one_run_of_each_wiring(write: Callable[..., Path]) -> None:
    same = write("a", genotype_seed=0), write("bb", genotype_seed=0)
    assert len(loaded(*same)) == 2  # nothing is mixed
    with pytest.raises(OptionError) as caught:
        loaded(*same, write("ccc", genotype_seed=1))
    assert str(caught.value) == (
        f"{same[0]} and {same[1]} have the same wiring, and other runs of 'Rand' have others; a population of wirings "
        "has one run of each, so that its runs are independent: leave one out."
    )


def searched(*files: Path) -> list[StudyModel]:
    how = {"wirings": ["mixed"], "runs": ["found=searches"]}
    return load_models(model_tables([f"found={file}" for file in files], how), Path())


def test_searches_may_have_found_one_wiring_twice(write: Callable[..., Path]) -> None:
    wirings = [Genotype.random(seed).to_pairs() for seed in (0, 0, 1)]
    files = [write("r" * (1 + run), "hoga", genotype=wiring) for run, wiring in enumerate(wirings)]
    assert [model.variant.run for model in searched(*files)] == ["1", "2", "3"]
    with pytest.raises(OptionError, match="have the same wiring, and other runs of 'Rand' have others"):
        loaded(*files)


def test_runs_of_one_wiring_are_no_searches(write: Callable[..., Path]) -> None:
    for files in ([write("a", "hoga")], [write("a", "hoga"), write("bb", "hoga")]):
        with pytest.raises(OptionError) as caught:
            searched(*files)
        assert str(caught.value) == (
            "the runs of 'found' are called \"searches\", and all have one wiring, as trainings of what one search "
            "found; leave runs out of its table (--runs found=searches), or give the networks of several searches."
        )


def test_no_search_finds_what_was_drawn_at_random(write: Callable[..., Path]) -> None:
    drawn = write("a", genotype_seed=0)
    with pytest.raises(OptionError) as caught:
        searched(write("bb", "hoga"), drawn)
    assert str(caught.value) == (
        f"{drawn} has a wiring that was drawn at random, and the runs of 'found' are called \"searches\"; leave runs "
        "out of its table (--runs found=searches), or give the networks that searches found."
    )


def test_wirings_are_drawn_where_files_or_their_user_say_so(write: Callable[..., Path]) -> None:
    pairs = [Genotype.random(seed).to_pairs() for seed in (0, 1)]
    files = [write("r" * (1 + run), "hoga", genotype=wiring) for run, wiring in enumerate(pairs)]
    drawn = [write("d" * (3 + seed), genotype_seed=seed) for seed in (2, 3)]
    tables = model_tables(
        [f"files={file}" for file in drawn] + [f"user={file}" for file in files] + [f"plain={write('p', 'none')}"],
        {"wirings": ["files=mixed", "user=mixed"], "runs": ["user=draws"]},
    )
    models = load_models(tables, Path())
    assert [model.runs for model in models] == ["draws"] * 4 + ["trainings"]
    assert random_wirings(models) == ["files", "user"]
    assert searched_wirings(models) == []
    assert searched_wirings([replace(model, runs="trainings") for model in models]) == ["files", "user"]


def test_networks_without_wirings_were_not_drawn(write: Callable[..., Path]) -> None:
    plain = write("a", "none")
    with pytest.raises(OptionError) as caught:
        load_models(model_tables([f"plain={plain}"], {"runs": ["draws"]}), Path())
    assert str(caught.value) == (
        f"{plain} has no wiring of HOGA that is known, and the runs of 'plain' are called \"draws\"; leave runs out of "
        "its table (--runs plain=draws)."
    )


def test_searches_without_mixed_wirings_are_refused_before_a_file_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere.pth"
    study = {
        "data": {"d": {}},
        "models": {"found": {"path": str(nowhere), "runs": "searches"}},
        "analyses": [{"kind": "evaluate"}],
    }
    words = 'with runs = "searches" the runs have several wirings; say so with wirings = "mixed"'
    with pytest.raises(OptionError, match=f"models.found.*{words}"):
        parse_study(study)
    asked = ["evaluate", "--ckpt", f"found={nowhere}", "--runs", "found=searches"]
    assert entry._run(asked, debug=False) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "nowhere" not in error
    assert entry._run(["evaluate", "--ckpt", f"found={nowhere}", "--runs", "many"], debug=False) == 2
    assert "--runs is one of trainings, searches, draws; found 'many'" in capsys.readouterr().err
    study["models"]["found"] |= {"wirings": "mixed"}
    assert parse_study(study).values()["models"]["found"]["runs"] == "searches"
    study["models"]["found"].pop("runs")
    assert parse_study(study).models["found"].runs == "trainings"


def test_other_words_than_mixed_are_refused(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    file = str(write("a"))
    with pytest.raises(OptionError, match=r"models\.Rand\.wirings is one of mixed; found 'many'"):
        parse_study(
            {
                "data": {"d": {}},
                "models": {"Rand": {"path": file, "wirings": "many"}},
                "analyses": [{"kind": "gates"}],
            }
        )
    assert entry._run(["gates", "--ckpt", f"Rand={file}", "--wirings", "many"], debug=False) == 2
    assert re.fullmatch(r"autola-analyze: --wirings is one of mixed; found 'many'\.\n", capsys.readouterr().err)


def test_runs_of_a_comparison_say_which_are_wirings() -> None:
    frame = pd.DataFrame({"model": ["HOGA", "Rand"], "against": ["Rand", "none"], "runs": ["3 v 5", "5 v 3"]})
    assert list(with_wirings(frame, {"Rand": 5})["runs"]) == ["3 v 5 wirings", "5 wirings v 3"]
    assert list(with_wirings(frame, {})["runs"]) == ["3 v 5", "5 v 3"]


def test_a_report_speaks_of_wirings_and_of_controls_and_can_be_redrawn(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    rand = [str(write("r" * (1 + seed), genotype_seed=seed)) for seed in range(3)]
    study = {
        "data": {"d": {"source": "cluttered-digits", "limit": 20}},
        "models": {
            "none": {"path": str(write("plain", "none"))},
            "HOGA": {"path": str(write("searched", "hoga"))},
            "Rand": {"paths": rand, "wirings": "mixed"},
        },
        "analyses": [{"kind": "evaluate"}],
    }
    out = tmp_path / "out"
    report = run_study(study, out, QUIET)
    assert report.plan.file.values()["models"]["Rand"]["wirings"] == "mixed"
    page = (out / "index.html").read_text()
    words = "Rand is 3 wirings, one run each."
    assert words in page
    assert "speaks for wirings and training together, and for no single wiring" in page
    assert "A control is lacking for HOGA, equal parameters: no variant without the module" in page
    assert (out / "figures" / "confusion.caption.txt").read_text().strip().endswith(words)
    methods = (out / "methods.md").read_text()
    assert "HOGA (1 training run), Rand (3 wirings, one run each), on" in methods
    comparison = pd.read_csv(out / "tables" / "comparison.csv")
    assert set(zip(comparison["against"], comparison["runs"], strict=True)) == {
        ("none", "1 v 1"),
        ("Rand", "1 v 3 wirings"),
    }
    wirings = pd.read_csv(out / "tables" / "wirings.csv")
    assert [json.loads(text) for text in wirings["genotype"]] == [Genotype.random(seed).to_pairs() for seed in range(3)]
    controls = pd.read_csv(out / "tables" / "controls.csv").set_index("control")
    assert list(controls.index) == ["random wirings", "equal parameters", "equal accuracy"]
    assert controls.loc["random wirings", "held"]
    found = pd.read_csv(out / "tables" / "search_random.csv", keep_default_na=False)
    assert found[["variant", "runs", "genotypes", "against", "runs_are"]].to_numpy().tolist() == [
        ["HOGA", 1, 1, "Rand", "trainings"],
        ["Rand", 3, 3, "", "draws"],
    ]
    claims = pd.read_csv(out / "tables" / "claims.csv")
    assert claims[["claim", "against", "runs"]].to_numpy().tolist() == [
        ["searched wiring beats random wiring", "Rand", "1 v 3 wirings"]
    ]
    (said,) = wiring_verdicts(claims, found)
    assert said.startswith("These checkpoints alone: ")
    assert f"<p>{said}</p>" in page
    assert "{yang2020," in (out / "references.bib").read_text()

    redraw(out)
    assert (out / "index.html").read_text() == page
    assert (out / "methods.md").read_text() == methods
