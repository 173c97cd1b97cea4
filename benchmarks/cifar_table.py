"""The test accuracies of a folder of checkpoints as a Markdown table: what `gpu-cifar.sh` prints."""

from __future__ import annotations

import sys
from pathlib import Path

from autola_analysis.checkpoints import load_model


def main() -> None:
    print("| training | test accuracy |\n|---|---|")
    for file in sorted(Path(sys.argv[1]).glob("*.safetensors")):
        metrics = load_model(file, device="cpu").metadata["metrics"]
        print(f"| {file.stem} | {100 * metrics['accuracy']:.2f} % |")


if __name__ == "__main__":
    main()
