"""The machine, and which packages it lacks: what `gpu.sh` prints first."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import torch

from benchmarks.results import machine_facts

WANTED = {
    "torchvision": "everything",
    "safetensors": "everything",
    "sklearn": "everything",
    "PIL": "everything",
    "torchmetrics": "tests, selectivity",
    "pydantic": "tests, selectivity, saliency, neighbours, profile",
    "pandas": "tests, selectivity, saliency, neighbours, profile",
    "scipy": "tests, selectivity, saliency, neighbours, profile",
    "bokeh": "tests",
    "threadpoolctl": "tests of the embedding",
    "openTSNE": "tests of the embedding",
    "pytest": "tests",
    "pytorch_lightning": "the test of training, training",
    "captum": "captum's rows of saliency",
    "torchcam": "torch-cam's row of saliency",
    "pytorch_grad_cam": "pytorch-grad-cam's row of saliency",
}
"""package -> what is skipped without it"""


def main() -> int:
    device = sys.argv[1] if len(sys.argv) > 1 else "cuda"
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA device here.")
        return 1
    print(machine_facts(device))
    for package, what in WANTED.items():
        if find_spec(package) is None:
            print(f"{package} is not installed: {what} left out.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
