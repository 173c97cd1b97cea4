"""Grad-CAM and guided backpropagation beside other libraries, in one process."""

from __future__ import annotations

import torch

from benchmarks.saliency import BOTH, GRAD_CAM, LIMITS, contender
from benchmarks.saliency import Setting as Sizes
from benchmarks.small.measuring import Setting, alternate, installed, print_rates, print_ratios

PACKAGES = {
    "captum": "captum",
    "captum-both": "captum",
    "torch-cam": "torchcam",
    "pytorch-grad-cam": "pytorch_grad_cam",
}


def print_table(setting: Setting) -> None:
    """Measure Grad-CAM at the last stage, and with guided backpropagation."""
    side, batch = setting.size(tiny=(64, 2), cpu=(224, 4), cuda=(224, 64))
    backbone = "resnet18" if setting.tiny else "resnet50"
    sizes = Sizes(backbone, side, batch, torch.get_num_threads(), setting.device)
    names = installed({name: PACKAGES.get(name, "") for name in (*GRAD_CAM, *BOTH)})
    # The same arithmetic for all: torch alone allows convolutions in TF32.
    torch.backends.cudnn.allow_tf32 = False
    try:
        seconds = alternate({name: contender(name, sizes) for name in names}, setting)
    finally:
        torch.backends.cudnn.allow_tf32 = True
    print_rates(f"saliency of {backbone}, batch {batch} at {side} px", seconds, batch)
    print_ratios(seconds, [(what, over) for what, over, _ in LIMITS])
