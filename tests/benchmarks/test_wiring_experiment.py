"""The experiment on searched and random wirings: its protocol, that it goes on, and its verdict."""

from pathlib import Path
from typing import Any

import pytest

from autola_analysis.attention import Genotype
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.tables import write_table
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE
from benchmarks import wiring_experiment as experiment


def test_all_trainings_follow_one_protocol_and_every_wiring_is_trained_once(tmp_path: Path) -> None:
    steps = experiment.plan(tmp_path)
    trainings = [step for step in steps if step.command[3] == "train"]
    own = {"--seed", "--out", "--attention", "--attention-option", "--genotype"}
    protocols = set()
    for step in trainings:
        words = list(step.command)
        protocols.add(
            tuple(word for before, word in zip(["", *words], words, strict=False) if not {before, word} & own)
        )
    assert len(protocols) == 1
    kinds = [step.name.partition("-")[0] for step in trainings]
    assert {kind: kinds.count(kind) for kind in kinds} == {"searched": 3, "random": 8, "released": 3}
    random = {step.command[step.command.index("--attention-option") + 1] for step in trainings if "random" in step.name}
    assert random == {f"genotype_seed={seed}" for seed in range(8)}
    for step in trainings:
        if step.name.startswith("searched"):
            search = next(each for each in steps if each.name == step.name.replace("searched", "search"))
            assert str(search.output / "genotype.json") in step.command
            assert step.needs == (search.name,)
        else:
            assert step.needs == ()
    assert steps[-1].command.count("--ckpt") == len(trainings)


def test_every_command_is_one_that_the_command_line_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused, if at all, for the files that are not there yet."""
    called = []

    def stop(*given: Any) -> None:
        called.append(type(given[0]).__name__)
        raise KeyError("stopped")

    monkeypatch.setattr("autola_analysis.search.run.run_search", stop)
    monkeypatch.setattr("autola_analysis.training.trainer.run_training", stop)
    (tmp_path / "search-0").mkdir()
    Genotype.random(0).to_json(tmp_path / "search-0" / "genotype.json")
    for step in experiment.plan(tmp_path)[:4]:
        with pytest.raises(KeyError, match="stopped"):
            entry._run(list(step.command[3:]), debug=True)
    assert called == ["Search", "Training", "Training", "Training"]
    with pytest.raises(AutolaError, match="searched-0"):
        entry._run(list(experiment.plan(tmp_path)[-1].command[3:]), debug=True)


def test_a_rehearsal_changes_all_commands_alike(tmp_path: Path) -> None:
    how = experiment.How("cuda", "folder:images", 2, ("width=4",))
    *steps, report = experiment.plan(tmp_path, how)
    for step in steps:
        words = " ".join(step.command)
        assert "--data folder:images " in words
        assert "--set width=4 --set epochs=2 --" in words
        assert words.endswith("--device cuda --quiet")
    assert "--data folder:images --split test" in " ".join(report.command)
    protocol = [" ".join(step.command) for step in experiment.plan(tmp_path)]
    assert sum("--set epochs=6 --set batch_size=128 " in words for words in protocol) == experiment.SEARCHES
    assert sum("--set" in words for words in protocol) == experiment.SEARCHES


def test_the_verdict_is_the_sentence_of_the_report_and_about_searching(tmp_path: Path) -> None:
    claim = {"claim": "searched wiring beats random wiring", "model": "searched", "against": "random"}
    numbers = {"value": -0.002, "ci_low": -0.035, "ci_high": 0.031, "margin": 0.005}
    claims = [{**claim, **numbers, "scope": "modules", "verdict": "undecided"}]
    variants = [
        {"variant": "searched", "runs": 3, "genotypes": 3, "against": "random", "runs_are": "searches"},
        {"variant": "random", "runs": 8, "genotypes": 8, "runs_are": "draws"},
    ]
    write_table(tmp_path, CLAIMS_TABLE, CLAIMS_TABLE.frame(claims))
    write_table(tmp_path, SEARCH_RANDOM_TABLE, SEARCH_RANDOM_TABLE.frame(variants))
    assert experiment.verdict(tmp_path) == (
        "Modules as trained here: it is undecided whether searching finds wirings that are more accurate than wirings "
        "drawn at random. Top-1 accuracy of 3 searches differs by -0.20 points [-3.50, +3.10] from that of 8 random "
        "wirings (random); the margin is 0.5 points."
    )
