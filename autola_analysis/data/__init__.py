"""Image sources, preprocessing, the embedded ClutteredDigits."""

from autola_analysis.data.bad_images import drop_unreadable
from autola_analysis.data.cifar import Cifar10Source, Cifar100Source
from autola_analysis.data.cluttered_digits import ClutteredDigits
from autola_analysis.data.dataset import DecodedImages, collate, decoded_batches
from autola_analysis.data.folder import ImageFolderSource
from autola_analysis.data.imagenet import ImageNetSource, imagenet_classes
from autola_analysis.data.open import SOURCES, default_source_for, open_source
from autola_analysis.data.preprocessing import NORMALIZATIONS, Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import Subset, limit

__all__ = [
    "NORMALIZATIONS",
    "SOURCES",
    "Cifar10Source",
    "Cifar100Source",
    "ClutteredDigits",
    "DecodedImages",
    "ImageFolderSource",
    "ImageNetSource",
    "ImageSource",
    "Preprocessing",
    "Subset",
    "collate",
    "decoded_batches",
    "default_source_for",
    "drop_unreadable",
    "imagenet_classes",
    "limit",
    "open_source",
]
