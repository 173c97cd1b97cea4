"""How often 95% intervals hold the truth and verdicts are right, in simulated studies.

python -m benchmarks.coverage                             1,000 studies of every population
python -m benchmarks.coverage --only selectivity --replicates 200
python -m benchmarks.coverage --out benchmarks/COVERAGE.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from benchmarks import simulations
from benchmarks.results import write_section
from benchmarks.simulations.simulation import Rate, Simulation, rates

COLUMNS = ("population", "outcome", "share", "binomial 95% interval", "target", "inside")


def questions() -> dict[str, Sequence[Simulation]]:
    """Return the simulations by the name of their file."""
    names = [each.name for each in iter_modules(simulations.__path__)]
    modules = {name: import_module(f"{simulations.__name__}.{name}") for name in names}
    return {name: module.SIMULATIONS for name, module in modules.items() if hasattr(module, "SIMULATIONS")}


def table(name: str, replicates: int, seed: int, processes: int) -> str:
    """Return the rates of a question's simulations as a Markdown table."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for simulation in questions()[name]:
        for outcome, rate in rates(simulation, replicates, seed, processes).items():
            low, high = rate.interval()
            least, most = simulation.targets[outcome]
            cells = [
                simulation.name,
                outcome,
                f"{rate.share:.3f}",
                f"{low:.3f} to {high:.3f}",
                "none" if (least, most) == (0, 1) else f"{least:g} to {most:g}",
                _verdict(rate, least, most),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdict(rate: Rate, least: float, most: float) -> str:
    if least <= rate.share <= most:
        return "yes"
    return "within simulation error" if rate.allows(least, most) else "no"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulations and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(questions()), help="repeat for more")
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="Markdown file whose sections are replaced")
    asked = parser.parse_args(arguments)
    for name in asked.only or questions():
        start = time.perf_counter()
        found = table(name, asked.replicates, asked.seed, asked.processes)
        minutes = (time.perf_counter() - start) / 60
        facts = f"{asked.replicates:,} studies of every population, seed {asked.seed}, {minutes:.1f} minutes."
        print(f"## {name}\n\n{facts}\n\n{found}\n", flush=True)
        if asked.out:
            write_section(asked.out, name, found, facts, "Coverage of intervals, and verdicts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
