"""Single people as images: the part around each box, brought to the size that a network for joints takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.affine import Affine
from autola_analysis.core.errors import DataError
from autola_analysis.core.objects import JointSet, Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import hash_of

PADDING = 1.25
"""Sides of a crop over those of the box, which is widened to the shape of the crop before"""
Size = tuple[int, int]
"""Height and width, in pixels"""


def crop_map(box: NDArray[np.float64], image: Size, crop: Size, zoom: float = 1.0, degrees: float = 0.0) -> Affine:
    """Return where the pixels of an image lie in the crop around a box.

    The box is cut to the image and widened, about its middle, to the shape of the crop; a margin comes around it. Its
    middle is brought to half the crop's width and height.

    Args:
        box: x1, y1, x2, y2; pixel i covers [i, i + 1).
        image: Height and width of the image.
        crop: Height and width of the crop.
        zoom: What the sides of what is cut out are multiplied by.
        degrees: By how much it is turned in the image, clockwise, so that its content turns the other way.

    References:
        Xiao, Wu and Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, and their code.
    """
    low = np.clip(box[:2], 0, [image[1] - 1, image[0] - 1])
    high = np.clip(box[2:] - 1, low, [image[1] - 1, image[0] - 1])
    middle, sides = (low + high) / 2, np.maximum(high - low, 1e-3)
    height, width = crop
    across = max(sides[0], sides[1] * width / height) * PADDING * zoom
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * width / across
    return Affine(np.concatenate([turn, (np.array([width, height]) / 2 - turn @ middle)[:, None]], 1))


def warped(
    image: Image.Image, place: Affine, crop: Size, filter: Image.Resampling = Image.Resampling.BILINEAR
) -> Image.Image:
    """Return a crop of an image; black where that has no pixels.

    Args:
        image: The whole image.
        place: Where its pixels lie in the crop.
        crop: Height and width of the crop.
        filter: How it is sampled; it is not smoothed where the crop is smaller.
    """
    back = place.inverse().matrix.copy()
    back[:, 2] += 0.5 - back[:, :2].sum(1) / 2  # Pillow's first pixel is centred at a half
    return image.transform((crop[1], crop[0]), Image.Transform.AFFINE, tuple(back.flatten()), filter)


def mirrored_crop_map(
    box: NDArray[np.float64], image: Size, crop: Size, zoom: float = 1.0, degrees: float = 0.0
) -> Affine:
    """Return where the pixels of an image lie in the crop of its mirror image; left and right joints change names.

    Arguments as of `crop_map`.
    """
    width = image[1]
    mirror = Affine(np.array([[-1.0, 0.0, width - 1], [0.0, 1.0, 0.0]]))
    mirrored = np.array([width - box[2], box[1], width - box[0], box[3]])
    return crop_map(mirrored, image, crop, zoom, degrees).after(mirror)


def exchanged(keypoints: NDArray[np.float64], joints: JointSet) -> NDArray[np.float64]:
    """Return keypoints ``(..., J, 3)`` with left and right exchanged."""
    order = np.arange(len(joints.names))
    for left, right in joints.pairs:
        order[[left, right]] = right, left
    return np.asarray(keypoints[..., order, :])


class PersonCrops(ObjectSource):
    """The people of a source, each as an image with one object, whose box and joints are in pixels of its crop.

    Crowds and people without a labelled joint are left out. Joints outside of their crop stay labelled.

    Args:
        source: Images with people.
        size: Height and width of a crop.

    Attributes:
        places: Number of the image, and of the object in it, of every person, ``(N, 2)``.
        maps: Where the pixels of its image lie in the crop, of every person.
        people: The objects of every image of the source, as they are.

    Raises:
        DataError: If the objects have no joints, or nobody is left.
    """

    joints: JointSet

    def __init__(self, source: ObjectSource, size: Size) -> None:
        self.source, self.size = source, size
        self.name, self.split, self.classes = source.name, source.split, source.classes
        self.category_ids, self.preprocessing = source.category_ids, source.preprocessing
        self.joints = joints_of(source)
        self.people: Sequence[Objects] = [source.objects(index) for index in range(len(source))]
        self.places = np.concatenate([np.empty((0, 2), np.int64), *map(_labelled, range(len(source)), self.people)])
        if not len(self.places):
            raise DataError(f"nobody in {source.name} has a labelled joint; give other data.")
        self.maps = [
            crop_map(self.people[image].boxes[number], (int(height), int(width)), size)
            for image, number in self.places
            for width, height in [source.sizes[image]]
        ]
        self.ids = [f"{source.ids[image]}#{self.people[image].ids[number]}" for image, number in self.places]
        self.image_ids = np.arange(1, len(self.places) + 1)
        self.sizes = np.tile(np.array([[size[1], size[0]]], dtype=np.int64), (len(self.places), 1))

    def image(self, index: int) -> Image.Image:
        """Decode one image and cut the person out."""
        return warped(self.source.image(int(self.places[index, 0])).convert("RGB"), self.maps[index], self.size)

    def objects(self, index: int) -> Objects:
        """Return the person, in pixels of the crop."""
        image, number = self.places[index]
        everybody, place = self.people[image], self.maps[index]
        assert everybody.keypoints is not None
        keypoints = everybody.keypoints[[number]].copy()
        labelled = keypoints[..., 2] > 0
        keypoints[labelled, :2] = place(keypoints[labelled, :2])
        corners = place(everybody.boxes[number].reshape(2, 2) - 0.5) + 0.5
        return Objects(
            corners.reshape(1, 4),
            everybody.labels[[number]],
            everybody.areas[[number]] * place.scale**2,
            everybody.crowd[[number]],
            everybody.ids[[number]],
            keypoints,
        )

    def object_mask(self, index: int, number: int) -> NDArray[np.bool_] | None:
        """Return where the person is in the crop; None where only the box is annotated."""
        mask = self.source.object_mask(*self.places[index].tolist())
        if mask is None:
            return None
        image = Image.fromarray(mask.astype(np.uint8))
        return np.asarray(warped(image, self.maps[index], self.size, Image.Resampling.NEAREST)) > 0

    def fingerprint(self) -> str:
        """Return a hash of the source's own and of how crops are made."""
        return hash_of(self.source.fingerprint(), f"person crops {PADDING} {self.size}")

    def listing(self) -> str:
        """Return the same of the source's listing."""
        return hash_of(self.source.listing(), f"person crops {PADDING} {self.size}")

    def origin(self) -> str:
        """Return the source's own."""
        return self.source.origin()

    def check_unchanged(self) -> None:
        """Check the source."""
        self.source.check_unchanged()


def joints_of(source: ObjectSource) -> JointSet:
    """Return the joints of a source.

    Raises:
        DataError: If its objects have none.
    """
    if source.joints is None:
        raise DataError(
            f"the objects of {source.name} have no joints; give data with joints, such as --data coco-keypoints:ROOT, "
            "objects:FILE.json or digit-puppets."
        )
    return source.joints


def placed_joints_of(source: ObjectSource, needs: str) -> JointSet:
    """Return the joints of a source that says how precisely they can be placed.

    Args:
        source: Images with people.
        needs: What asks for it: the end of "..., which ...".

    Raises:
        DataError: If its objects have no joints, or the source does not say.
    """
    joints = joints_of(source)
    if joints.sigmas is None:
        raise DataError(
            f"{source.name} does not say how precisely its joints can be placed, which {needs}; give its category "
            '"sigmas", a number per joint.'
        )
    return joints


def _labelled(image: int, people: Objects) -> NDArray[np.int64]:
    """Return the numbers of the image and of its people that are no crowd and have a labelled joint, ``(n, 2)``."""
    assert people.keypoints is not None
    kept = np.flatnonzero(~people.crowd & (people.keypoints[..., 2] > 0).any(1))
    return np.stack([np.full(len(kept), image), kept], 1).astype(np.int64)
