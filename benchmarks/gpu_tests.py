"""Run the tests that need a GPU, as far as their packages are there: what `gpu.sh` calls."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

NEEDED = ("pytest", "pydantic", "pandas", "scipy", "sklearn", "torchmetrics", "torchvision", "safetensors", "bokeh")
SKIPPED = 77


def main() -> int:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"skipped: the tests need {', '.join(missing)}, not installed here.")
        return SKIPPED
    options = ["-q", "-p", "no:cacheprovider", "--durations=10", "-m", "gpu"]
    if find_spec("pytest_timeout") is None:
        options += ["-o", "addopts=-ra"]  # strict about an option that only this plugin knows
    return subprocess.run([sys.executable, "-m", "pytest", "tests/gpu", *options, *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
