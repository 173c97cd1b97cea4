"""What an analysis needs to know of a network: its name, its run, its preprocessing, its classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.stem import input_channels
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.errors import DataError, LayerError, OptionError, UnknownNameError
from autola_analysis.core.output_kind import OutputKind
from autola_analysis.core.text import apart, title_of
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.preprocessing import IMAGENET_STATISTICS, Geometry, Preprocessing
from autola_analysis.data.source import Source
from autola_analysis.inference.copies import copied, unwrapped
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.stream import ImageData
from autola_analysis.inference.tasks import Classification, Detection, Keypoints, Task
from autola_analysis.inference.tasks.detection import input_of, is_detector
from autola_analysis.inference.tasks.keypoints import finds_joints


@dataclass(frozen=True)
class Variant:
    """One training run of one network variant.

    Attributes:
        model: The network.
        name: Name of the variant; several runs may share it.
        run: Name of the training run within the variant.
        preprocessing: What the network was trained with; None where that is not recorded.
        classes: Names of the head's outputs; None where they are not recorded.
        has_head: Whether the outputs are logits.
        input_side: Side in pixels of the images it was made for; None where that is not known.
        geometry: What the user says of resize and crop.
        spec: What the network is, of a detector its backbone; None where that is not known.
        output: What the outputs are, see `OutputKind`; None: the first forward shows it.
        recorded_accuracy: Top-1 accuracy that its file records, a share; None where it records none.
        usual_classes: Names that the outputs of such a head usually have, for where nothing else names them; they do
            not decide whether labels fit.
    """

    model: nn.Module
    name: str = "model"
    run: str = "1"
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] | None = None
    has_head: bool = True
    input_side: int | None = None
    geometry: Geometry = field(default_factory=Geometry)
    spec: ModelSpec | None = None
    output: OutputKind | None = None
    recorded_accuracy: float | None = None
    usual_classes: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        """Name and run, for messages."""
        return title_of(self.name, self.run)

    @property
    def recorded_outputs(self) -> int:
        """Number of classes that the network is known to tell apart, two by a single logit; 0 where it is not known."""
        outputs = self.spec.num_classes if self.spec else len(self.classes or ())
        return 2 if outputs == 1 else outputs

    @property
    def finds_objects(self) -> bool:
        """Whether it is a detector."""
        return is_detector(self.model)

    @property
    def finds_joints(self) -> bool:
        """Whether it finds the joints of one person in a crop."""
        return finds_joints(self.model)

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width in pixels of the crops that a network for joints takes."""
        size: tuple[int, int] = self.model.input_size  # type: ignore[assignment]  # a network for joints has it
        return size


def task_of(variant: Variant) -> Task:
    """Return what the outputs of a network mean; pooled features, where there is no head, are taken as they are."""
    if variant.finds_joints:
        return Keypoints()
    return Detection() if variant.finds_objects else classification_of(variant)


def classification_of(variant: Variant) -> Classification:
    """Return the task of a network that is known to find neither objects nor joints."""
    return Classification(variant.output if variant.has_head else "softmax")


def check_task(analysis: str, tasks: Collection[str], variants: Sequence[Variant], data: ImageData) -> None:
    """Refuse networks that an analysis does not look at, and images that a network has no use for.

    Args:
        analysis: Name of the analysis.
        tasks: Of the networks that it looks at.
        variants: The networks.
        data: The images.

    Raises:
        OptionError: Naming the network.
    """
    objects = isinstance(data, ObjectSource)
    for variant in variants:
        if variant.finds_objects and not objects:
            raise OptionError(
                f"{variant.title} finds objects, and the data have none; give a source of objects, such as "
                "--data coco:ROOT, objects:FILE.json or cluttered-scenes."
            )
        if variant.finds_joints and not objects:
            raise OptionError(
                f"{variant.title} finds joints, and the data have none; give people with joints, such as "
                "--data coco-keypoints:ROOT, objects:FILE.json or digit-puppets."
            )
        if objects and not (variant.finds_objects or variant.finds_joints):
            raise OptionError(
                f"{variant.title} is no detector, and the data are images of several objects; give images with a "
                "label each, such as --data imagenet:ROOT or folder:PATH."
            )
        task = task_of(variant).name
        if task not in tasks:
            raise OptionError(
                f"{analysis} does not look at networks for {task}, such as {variant.title}; leave it out."
            )


def as_variant(
    model: LoadedModel | LoadedDetector | nn.Module | Variant, name: str = "model", run: str = "1"
) -> Variant:
    """Return a network of any accepted kind as a variant, without what compiles it or spreads it over devices.

    Raises:
        OptionError: If it is none of them, such as the path or the tensors of a checkpoint.
    """
    if isinstance(model, Variant):
        inner = unwrapped(model.model)
        return model if inner is model.model else replace(model, model=inner)
    if isinstance(model, LoadedModel):
        has_head = model.spec is None or model.spec.num_classes > 0
        return Variant(
            unwrapped(model.model),
            name,
            run,
            preprocessing=model.preprocessing,
            classes=None if model.classes is None else apart(model.classes),
            has_head=has_head,
            input_side=model.input_side,
            geometry=model.geometry,
            spec=model.spec,
            output=model.output,
            recorded_accuracy=model.recorded_accuracy,
            usual_classes=model.usual_classes,
        )
    if isinstance(model, LoadedDetector):
        return Variant(unwrapped(model.model), name, run, classes=model.classes, spec=model.spec.backbone)
    if not isinstance(model, nn.Module):
        raise OptionError(
            f"a model is a network (nn.Module) or what load_model returns; found {type(model).__name__} "
            "(load_model reads a checkpoint file)."
        )
    return Variant(unwrapped(model), name, run)


def check_layer_names(variants: Sequence[Variant], layers: Sequence[str] | None) -> None:
    """Refuse layers that a network does not have, or None, the stages, where it has none.

    Raises:
        UnknownNameError: Naming the network and the nearest layers.
        LayerError: If a network has no stages, or a layer is named twice.
    """
    for variant in variants:
        try:
            resolve_layers(variant.model, layers)
        except (LayerError, UnknownNameError) as error:
            raise type(error)(f"{variant.title}: {error}") from error


def preprocessing_for(variant: Variant, data: ImageData) -> Preprocessing | None:
    """Return what to do to the images of `data` for a network: what it records, else what the data is known by.

    What the user says of resize and crop comes first. A geometry that the network records is kept. Otherwise the data's
    is taken where it fits the network's input side, else the customary one of that side: 224 pixels are the centre of
    an image whose shorter side is 256. A network of one channel gets grey images. None for data that hands out ready
    tensors.

    Raises:
        DataError: If neither side says.
    """
    if not isinstance(data, Source):
        return None
    if variant.finds_objects:
        return variant.preprocessing or input_of(variant.model)
    if variant.finds_joints:
        return variant.preprocessing or IMAGENET_STATISTICS
    preprocessing = variant.preprocessing or data.preprocessing
    if preprocessing is None:
        raise DataError(
            f"neither {variant.title} nor {data.name} says how images are preprocessed; "
            "give --normalize imagenet, cifar10, cifar100, none or MEAN/STD "
            "(in Python: load_model(..., normalize=...))."
        )
    if variant.preprocessing is None or not variant.preprocessing.has_geometry:
        geometry = data.preprocessing
        if geometry is None or variant.input_side not in (None, geometry.crop):
            geometry = customary_geometry(variant.input_side)
        preprocessing = geometry.with_statistics_of(preprocessing)
    return variant.geometry.applied_to(preprocessing).with_channels(input_channels(variant.model))


def customary_geometry(input_side: int | None) -> Preprocessing:
    """Return the usual resize and centre crop for a network's input side; none where that is not known."""
    if input_side is None:
        return Preprocessing()
    return Preprocessing(resize=round(input_side * 8 / 7) if input_side >= 64 else input_side, crop=input_side)


def grouped_by_geometry(
    variants: Sequence[Variant], data: ImageData
) -> list[list[tuple[Variant, Preprocessing | None]]]:
    """Return the variants in groups that can share decoded images, each with its preprocessing."""
    groups: dict[object, list[tuple[Variant, Preprocessing | None]]] = defaultdict(list)
    for variant in variants:
        preprocessing = preprocessing_for(variant, data)
        groups[preprocessing and preprocessing.shared_key].append((variant, preprocessing))
    return list(groups.values())


def placed(variant: Variant, device: torch.device) -> Variant:
    """Return a variant on a device: with a copy of its network where that is elsewhere."""
    weight = next(variant.model.parameters(), None)
    if weight is None or weight.device.type == device.type:
        return variant
    return replace(variant, model=copied(variant.model, device))
