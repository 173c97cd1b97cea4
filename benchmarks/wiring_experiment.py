"""The honest experiment: are searched wirings better than wirings drawn at random?

python -m benchmarks.wiring_experiment DIR           run or go on; what lies in DIR already is not done again
python -m benchmarks.wiring_experiment DIR --jobs 4  the same, four commands at once
python -m benchmarks.wiring_experiment DIR --plan    show the commands and which of them are done

Every search has a seed of its own, every wiring is trained once, and all trainings follow one recipe: its last epoch is
kept, and nothing is chosen on the test split. The unit is a wiring: the searched ones stand for the search, the random
ones for chance. Killed at any moment and started again, it goes on with the last whole epoch of every command; so it
does where ``--seconds`` ends it. Nothing is compared before all trainings are finished.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autola_analysis.core.tables import read_table
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.study.comparison.readings import wiring_verdicts
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE
from benchmarks.steps import Step, last_line, run

SEARCHES, RANDOM, RELEASED = 3, 8, 3
RECIPE, BACKBONE = "cluttered-digits", "resnet8"
SEARCHING = ("epochs=6", "batch_size=128", "evaluated_images=1000")
"""What a search is told beside its recipe. A GPU takes the same time for a step with 64 images: it starts some 5,600
kernels, whatever their size."""
REPORT = "report"


@dataclass(frozen=True)
class How:
    """Where the experiment runs, and what a rehearsal changes.

    Attributes:
        device: Of all commands.
        data: Source of the images.
        epochs: Of searches and trainings alike; None takes those of the protocol.
        values: ``KEY=VALUE`` of both recipes.
    """

    device: str = "cpu"
    data: str = RECIPE
    epochs: int | None = None
    values: tuple[str, ...] = ()

    def recipe(self, protocol: Sequence[str] = ()) -> list[str]:
        """Return what a search or a training is told of its recipe: the protocol, and what a rehearsal changes."""
        values = [*protocol, *self.values, *([] if self.epochs is None else [f"epochs={self.epochs}"])]
        return ["--backbone", BACKBONE, "--data", self.data, *(word for each in values for word in ("--set", each))]

    def step(self, output: Path, arguments: Sequence[str], needs: Sequence[str] = ()) -> Step:
        """Return the step of a command."""
        command = [sys.executable, "-m", "autola_analysis", *arguments, "--out", str(output), "--device", self.device]
        return Step(output.stem, output, (*command, "--quiet"), tuple(needs))


def plan(folder: Path, how: How = How()) -> list[Step]:
    """Return all steps, in turns, so that both sides grow alike and searches, which take longest, begin early."""
    turns: list[list[Step]] = [[] for _ in range(max(SEARCHES, RANDOM, RELEASED))]
    for seed in range(SEARCHES):
        found = folder / f"search-{seed}"
        turns[seed].append(how.step(found, ["search", RECIPE, "--seed", str(seed), *how.recipe(SEARCHING)]))
        wiring = ["hoga", "--genotype", str(found / "genotype.json")]
        turns[seed].append(_training(folder, "searched", seed, wiring, how, needs=[found.name]))
    for seed in range(RANDOM):
        wiring = ["hoga-random", "--attention-option", f"genotype_seed={seed}"]
        turns[seed].append(_training(folder, "random", seed, wiring, how))
    for seed in range(RELEASED):
        turns[seed].append(_training(folder, "released", seed, ["hoga"], how))
    steps = [step for turn in turns for step in turn]
    return [*steps, _evaluation(folder, [step.output for step in steps if step.output.suffix], how)]


def _training(
    folder: Path, variant: str, seed: int, wiring: Sequence[str], how: How, needs: Sequence[str] = ()
) -> Step:
    output = folder / f"{variant}-{seed}.safetensors"
    return how.step(output, ["train", RECIPE, "--attention", *wiring, "--seed", str(seed), *how.recipe()], needs)


def _evaluation(folder: Path, checkpoints: Sequence[Path], how: How) -> Step:
    named = [text for path in checkpoints for text in ("--ckpt", f"{path.stem.rpartition('-')[0]}={path}")]
    mixed = ["--wirings", "searched=mixed", "--wirings", "random=mixed", "--runs", "searched=searches"]
    images = ["--data", how.data, "--split", "test", "--no-cache"]
    command = ["evaluate", *named, *mixed, "--candidate", "searched", *images]
    return how.step(folder / REPORT, command, [path.stem for path in checkpoints])


def verdict(report: Path) -> str:
    """Say what the experiment has shown, as the page does.

    Args:
        report: Of the evaluation.
    """
    tables = (read_table(report, table) for table in (CLAIMS_TABLE, SEARCH_RANDOM_TABLE))
    (sentence,) = wiring_verdicts(*tables)
    return sentence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=1, help="commands at once")
    parser.add_argument("--seconds", type=float, help="end all commands after this time; they go on in the next call")
    parser.add_argument("--data", default=RECIPE, metavar="SOURCE", help="other images, to rehearse")
    parser.add_argument("--epochs", type=int, help="of searches and trainings alike, to rehearse")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of both recipes, to rehearse")
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    steps = plan(folder, How(asked.device, asked.data, asked.epochs, tuple(asked.set)))
    if asked.plan:
        for step in steps:
            print("done" if step.done else "    ", "autola-analyze", *step.command[3:])
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended; it goes on in the next call"))
    if failed := run(steps, folder, asked.jobs, asked.seconds):
        sys.exit("\n".join(f"{name} failed: {last_line(folder, name)}" for name in failed))
    left = [step.name for step in steps if not step.done]
    if left:
        print(f"{len(steps) - len(left)} of {len(steps)} steps are done; to go on: {', '.join(left)}")
    else:
        print(verdict(folder / REPORT))


if __name__ == "__main__":
    main()
