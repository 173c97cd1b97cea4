"""The experiment on searched and random wirings: its protocol, that it goes on, and its verdict."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autola_analysis.attention import Genotype
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError
from benchmarks import wiring_experiment as experiment


def test_all_trainings_follow_one_protocol_and_every_wiring_is_trained_once(tmp_path: Path) -> None:
    steps = experiment.plan(tmp_path)
    trainings = [step for step in steps if step.arguments[0] == "train"]
    own = {"--seed", "--out", "--attention", "--attention-option", "--genotype"}
    protocols = set()
    for step in trainings:
        words = list(step.arguments)
        protocols.add(
            tuple(word for before, word in zip(["", *words], words, strict=False) if not {before, word} & own)
        )
    assert len(protocols) == 1
    kinds = [step.name.partition("-")[0] for step in trainings]
    assert {kind: kinds.count(kind) for kind in kinds} == {"searched": 3, "random": 8, "released": 3}
    random = {
        step.arguments[step.arguments.index("--attention-option") + 1] for step in trainings if "random" in step.name
    }
    assert random == {f"genotype_seed={seed}" for seed in range(8)}
    for step in trainings:
        if step.name.startswith("searched"):
            search = next(each for each in steps if each.name == step.name.replace("searched", "search"))
            assert str(search.output / "genotype.json") in step.arguments
            assert steps.index(search) < steps.index(step)
    assert steps[-1].arguments.count("--ckpt") == len(trainings)


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
            entry._run(list(step.arguments), debug=True)
    assert called == ["Search", "Training", "Training", "Training"]
    with pytest.raises(AutolaError, match="searched-0"):
        entry._run(list(experiment.plan(tmp_path)[-1].arguments), debug=True)


def test_what_is_there_is_not_done_again_and_a_failure_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Any] = []

    def ran(command: list[str], **options: Any) -> None:
        commands.append(command[3])
        if len(commands) == 3:
            raise subprocess.CalledProcessError(2, command)
        Path(command[command.index("--out") + 1]).touch()

    monkeypatch.setattr("benchmarks.wiring_experiment.subprocess.run", ran)
    with pytest.raises(subprocess.CalledProcessError):
        experiment.run(experiment.plan(tmp_path), tmp_path)
    steps = experiment.plan(tmp_path)
    assert [step.done for step in steps[:3]] == [True, True, False]
    experiment.run(steps, tmp_path)
    assert len(commands) == 1 + len(steps)
    times = [json.loads(line)["step"] for line in (tmp_path / "times.jsonl").read_text().splitlines()]
    assert times == [step.name for step in steps]


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        ((0.006, 0.02), "supported"),
        ((-0.03, -0.006), "contradicted"),
        ((-0.004, 0.003), "equivalent"),
        ((0, 0.02), "undecided"),
    ],
)
def test_the_verdict_is_that_of_the_interval_and_the_margin(interval: tuple[float, float], word: str) -> None:
    rows = [
        ("evaluate", "searched", "random", "nll", 1.0, 0.5, 2.0),
        ("accuracy", "searched", "released", "top1", -1.0, -2.0, -0.5),
        ("accuracy", "searched", "random", "top1", sum(interval) / 2, *interval),
    ]
    table = pd.DataFrame(rows, columns=["analysis", "model", "against", "statistic", "value", "ci_low", "ci_high"])
    said = experiment.verdict(table.assign(runs="3 v 8", scope="modules"))
    assert said.startswith(f"searched wiring beats random wiring: {word}; difference of top-1 accuracy ")
    assert f"95% interval {100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}, margin 0.5 points (runs 3 v 8" in said
