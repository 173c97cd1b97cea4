"""Parts of a source of objects, and images that are stretched."""

import numpy as np
import pytest
from PIL import Image

from autola_analysis.core.errors import OptionError
from autola_analysis.data.bad_images import drop_unreadable
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.decoding import bad_image
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.subset import ObjectSubset, limit


def test_a_sample_keeps_images_objects_and_order() -> None:
    source = ClutteredScenes("test", 9)
    part = limit(source, 4, seed=1)
    assert isinstance(part, ObjectSubset)
    assert part.indices.tolist() == sorted(part.indices.tolist())
    for place, index in enumerate(part.indices.tolist()):
        assert (part.ids[place], part.image_ids[place]) == (source.ids[index], source.image_ids[index])
        np.testing.assert_array_equal(part.objects(place).boxes, source.objects(index).boxes)
        np.testing.assert_array_equal(part.object_mask(place, 0), source.object_mask(index, 0))
        np.testing.assert_array_equal(np.asarray(part.image(place)), np.asarray(source.image(index)))
    assert (part.classes, part.category_ids, part.sizes.shape) == (source.classes, source.category_ids, (4, 2))
    assert part.fingerprint() != source.fingerprint()
    assert limit(source, 4, seed=1).fingerprint() == part.fingerprint() != limit(source, 4, seed=2).fingerprint()
    assert limit(source, 9) is source


def test_images_that_cannot_be_decoded_are_left_out_with_their_objects() -> None:
    class Broken(ClutteredScenes):
        def image(self, index: int) -> Image.Image:
            if index == 1:
                raise bad_image("b.png", "it is broken")
            return super().image(index)

    kept, left_out = drop_unreadable(Broken("test", 3))
    assert isinstance(kept, ObjectSubset)
    assert (kept.indices.tolist(), left_out) == ([0, 2], ("b.png",))


def test_a_stretched_image_is_square_whatever_its_shape() -> None:
    image = Image.fromarray(np.arange(8 * 4 * 3, dtype=np.uint8).reshape(4, 8, 3))
    stretched = Preprocessing(stretch=5)
    assert stretched.geometry(image).shape == (3, 5, 5)
    np.testing.assert_array_equal(
        stretched.geometry(image).permute(1, 2, 0), np.asarray(image.resize((5, 5), Image.Resampling.BILINEAR))
    )
    assert stretched.has_geometry
    assert stretched.described() == "stretch 5, values from 0 to 1"
    assert stretched.shared_key != Preprocessing().shared_key
    assert Preprocessing.from_dict(stretched.to_dict()) == stretched
    with pytest.raises(OptionError, match="stretch of a preprocessing is from 1"):
        Preprocessing(stretch=0)
