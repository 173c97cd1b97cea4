"""The honest experiment: are searched wirings better than wirings drawn at random?

python -m benchmarks.wiring_experiment DIR           run or go on; what lies in DIR already is not done again
python -m benchmarks.wiring_experiment DIR --plan    show the commands and which of them are done

Every search has a seed of its own, every wiring is trained once, and all trainings follow one recipe: its last epoch is
kept, and nothing is chosen on the test split. The unit is a wiring: the searched ones stand for the search, the random
ones for chance. Killed at any moment and started again, it goes on with the last whole epoch of the step it was at.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autola_analysis.statistics.claims import Claim

CLAIM = Claim(
    "searched wiring beats random wiring",
    "The searched module outperforms wirings drawn at random (our words for the paper's rebuttal).",
    "accuracy",
    "top1",
    stage="last",
    direction=1,
    margin=0.005,
)
"""Fixed before the first training: half a point of accuracy, since two seeds of one network differ by as much."""
SEARCHES, RANDOM, RELEASED = 3, 8, 3
RECIPE, BACKBONE = "cluttered-digits", "resnet8"
SEARCH_EPOCHS = 8
REPORT = "report"


@dataclass(frozen=True)
class Step:
    """A command and what it leaves.

    Attributes:
        name: Of its log.
        output: File or folder that is there when it is done.
        arguments: Of ``autola-analyze``.
    """

    name: str
    output: Path
    arguments: tuple[str, ...]

    @property
    def done(self) -> bool:
        """Whether its output is there: every command writes it whole or not at all."""
        return self.output.exists()


def plan(folder: Path) -> list[Step]:
    """Return all steps, in turns, so that both sides grow alike and a look at any time is fair."""
    turns: list[list[Step]] = [[] for _ in range(max(SEARCHES, RANDOM, RELEASED))]
    for seed in range(SEARCHES):
        found = folder / f"search-{seed}"
        set_epochs = ("--set", f"epochs={SEARCH_EPOCHS}")
        turns[seed].append(
            _step(f"search-{seed}", found, "search", RECIPE, "--seed", seed, "--backbone", BACKBONE, *set_epochs)
        )
        turns[seed].append(_training(folder, "searched", seed, "hoga", "--genotype", found / "genotype.json"))
    for seed in range(RANDOM):
        drawn = ("--attention-option", f"genotype_seed={seed}")
        turns[seed].append(_training(folder, "random", seed, "hoga-random", *drawn))
    for seed in range(RELEASED):
        turns[seed].append(_training(folder, "released", seed, "hoga"))
    steps = [step for turn in turns for step in turn]
    return [*steps, _evaluation(folder, [step.output for step in steps if step.output.suffix])]


def _training(folder: Path, variant: str, seed: int, attention: str, *more: object) -> Step:
    name = f"{variant}-{seed}"
    kind = ("--attention", attention, *more, "--seed", seed, "--backbone", BACKBONE)
    return _step(name, folder / f"{name}.safetensors", "train", RECIPE, *kind)


def _evaluation(folder: Path, checkpoints: Sequence[Path]) -> Step:
    named = [text for path in checkpoints for text in ("--ckpt", f"{path.stem.rpartition('-')[0]}={path}")]
    mixed = ("--wirings", "searched=mixed", "--wirings", "random=mixed", "--candidate", "searched")
    return _step(REPORT, folder / REPORT, "evaluate", *named, *mixed, "--data", RECIPE, "--no-cache")


def _step(name: str, output: Path, *arguments: object) -> Step:
    return Step(name, output, (*map(str, arguments), "--out", str(output), "--device", "cpu", "--quiet"))


def run(steps: Sequence[Step], folder: Path) -> None:
    """Run what is not done, one after the other; ``times.jsonl`` gets the seconds of each.

    Raises:
        subprocess.CalledProcessError: If a command fails; its log says why.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    for step in steps:
        if step.done:
            continue
        start = time.time()
        with (folder / "logs" / f"{step.name}.log").open("a") as log:
            command = [sys.executable, "-m", "autola_analysis", *step.arguments]
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)
        with (folder / "times.jsonl").open("a") as times:
            times.write(json.dumps({"step": step.name, "seconds": round(time.time() - start)}) + "\n")


def verdict(comparison: pd.DataFrame) -> str:
    """Say what the experiment has shown.

    Args:
        comparison: The table ``comparison.csv`` of the report.
    """
    rows = comparison[(comparison["analysis"] == CLAIM.analysis) & (comparison["statistic"] == CLAIM.statistic)]
    row = rows[(rows["model"] == "searched") & (rows["against"] == "random")].iloc[0]
    interval = float(row["ci_low"]), float(row["ci_high"])
    return (
        f"{CLAIM.name}: {CLAIM.verdict([interval], [interval], CLAIM.margin)}; difference of top-1 accuracy "
        f"{100 * row['value']:+.2f} points, 95% interval {100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}, margin "
        f"{100 * CLAIM.margin:g} points (runs {row['runs']}, {row['scope']})."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plan", action="store_true")
    asked = parser.parse_args()
    steps = plan(asked.folder.absolute())
    if asked.plan:
        for step in steps:
            print("done" if step.done else "    ", "autola-analyze", *step.arguments)
        return
    run(steps, asked.folder)
    print(verdict(pd.read_csv(asked.folder / REPORT / "tables" / "comparison.csv")))


if __name__ == "__main__":
    main()
