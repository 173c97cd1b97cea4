"""Networks that take an attention module: CIFAR ResNets, ImageNet ResNets, wide ResNets."""

from autola_analysis.backbones import cifar, imagenet
from autola_analysis.backbones.registry import ModelSpec, create_model, list_backbones

__all__ = ["ModelSpec", "cifar", "create_model", "imagenet", "list_backbones"]
