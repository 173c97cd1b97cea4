"""Networks for joints by their joints: planted selectivity, naive numbers, folds and neighbours by stored image."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.analyses.embedding.analysis import EmbeddingAnalysis, EmbeddingResults
from autola_analysis.analyses.embedding.embed import embed
from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.options import EmbeddingOptions
from autola_analysis.analyses.embedding.words import embedding_methods
from autola_analysis.analyses.gates.analysis import GateResults, Gates
from autola_analysis.analyses.gates.contrast_figure import plot_contrast
from autola_analysis.analyses.gates.measure import measure_gates
from autola_analysis.analyses.gates.objects import HeldObjects
from autola_analysis.analyses.gates.section import gates_methods
from autola_analysis.analyses.group_folds import group_folds
from autola_analysis.analyses.joint_items import JointItems
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.selectivity.analysis import Selectivity
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.section import selectivity_caption, selectivity_methods
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import AutolaError, OptionError
from autola_analysis.core.objects import Objects
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.data.joint_crops import JointCrops
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.detectors import create_detector
from autola_analysis.inference.stream import Batch
from tests.analyses.evaluate.keypoints.planted import AS_IT_IS, READING, Dots
from tests.analyses.objects import Shapes, detector
from tests.analyses.selectivity.naive import naive_means, naive_selectivity
from tests.inference.state import state_of

SIZE = (64, 64)
LAYER = "deconvs.1"


class Colours(nn.Module):
    """A network whose last deconvolution has a channel per colour, hence per joint of `Dots`."""

    task, joints, input_size = "keypoints", 3, SIZE

    def __init__(self) -> None:
        super().__init__()
        self.deconvs = nn.Sequential(nn.Conv2d(3, 3, 9, stride=2, padding=4, bias=False), nn.ReLU())
        across = torch.arange(-4.0, 5) ** 2
        blob = torch.exp(-(across[:, None] + across) / 8)
        self.deconvs[0].weight.data = torch.eye(3)[..., None, None] * blob / 10

    def forward(self, images: Tensor) -> Tensor:
        return self.deconvs(images)


class Many(Dots):
    """Dots in many images, whose last has people with joints too; those of every third image are hidden in part."""

    def __init__(self, length: int = 24) -> None:
        super().__init__(length)
        self.sizes = np.tile(np.array([[140, 90]], dtype=np.int64), (length, 1))

    def objects(self, index: int) -> Objects:
        found = Dots.objects(Dots(9), index % 8)
        if index % 3 == 0:
            found.keypoints[0, 1, 2] = 1
        return found


def planted(name: str = "model") -> Variant:
    return Variant(Colours().eval(), name, preprocessing=AS_IT_IS)


def mixing() -> Variant:
    """A network whose channels answer several colours."""
    variant = planted()
    generator = torch.Generator().manual_seed(0)
    variant.model.deconvs[0].weight.data += 0.02 * torch.rand(3, 3, 9, 9, generator=generator)
    return variant


def naive_activity(variant: Variant, crops: JointCrops, items: JointItems) -> np.ndarray:
    """Return the layer at every joint, by torch's own sampling in float64."""
    found = []
    for crop, joint in zip(items.images.tolist(), items.labels.tolist(), strict=True):
        pixels = torch.from_numpy(np.asarray(crops.image(crop)).copy()).permute(2, 0, 1)[None].double() / 255
        with torch.no_grad():
            maps = variant.model.double()(pixels)
        variant.model.float()
        person = super(JointCrops, crops).objects(crop)
        place = torch.from_numpy(2 * (person.keypoints[0, joint, :2] + 0.5) / 64 - 1)
        found.append(F.grid_sample(maps, place[None, None, None], padding_mode="border", align_corners=False).flatten())
    return torch.stack(found).numpy()


def test_a_channel_that_draws_a_joint_is_selective_for_it() -> None:
    variant = planted()
    before = state_of(variant.model)
    result = measure_selectivity(variant, Many(), layers=[LAYER], folds=4, reading=READING)
    assert result.units["preferred_class"].tolist() == ["head", "left_hand", "right_hand"]
    assert result.units["selectivity"].min() > 0.95
    assert set(result.units["items"]) == {"joints"}
    assert result.settings["joints_per_class"] == {"head": 36, "left_hand": 28, "right_hand": 33}
    assert result.settings["images"] == 24
    assert state_of(variant.model) == before


def test_every_number_equals_the_naive_one_and_folds_are_of_stored_images() -> None:
    source, variant = Many(), mixing()
    crops = JointCrops(source, SIZE)
    items = JointItems.of_people(crops)
    result = measure_selectivity(variant, source, layers=[LAYER], folds=5, permutations=2, seed=3, reading=READING)
    activity = naive_activity(variant, crops, items)
    np.testing.assert_allclose(result.units["selectivity"], naive_selectivity(activity, items.labels), atol=1e-6)
    stored = np.array([source.ids.index(name) for name in items.names])
    assert (stored == crops.places[items.images, 0]).all()
    plain, corrected, _ = naive_means(activity, items.labels, group_folds(items.labels, stored, 5, 3), range(5))
    row = result.summary.iloc[0]
    assert (row["mean"], row["mean_corrected"]) == (pytest.approx(plain, abs=1e-6), pytest.approx(corrected, abs=1e-5))
    assert row["subcell"] == 0
    alone = measure_selectivity(
        variant, source, layers=[LAYER], folds=5, permutations=2, seed=3, reading=replace(READING, batch_size=1)
    )
    np.testing.assert_allclose(alone.summary["mean_corrected"], row["mean_corrected"], atol=1e-6)


@pytest.mark.parametrize("networks", [[planted()], [detector()]], ids=["joints", "objects"])
def test_items_are_found_once_for_check_pass_and_result(
    networks: list[Variant], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[type[ObjectSource]] = []
    found_in = ObjectItems.of

    def noted(source: ObjectSource) -> ObjectItems:
        looked_at.append(type(source))
        return found_in(source)

    monkeypatch.setattr(ObjectItems, "of", noted)
    joints = networks[0].finds_joints
    source, layers = (Many(), [LAYER]) if joints else (Shapes(30), ["layer1"])
    measure_selectivity(networks, source, layers=layers, reading=READING)
    assert looked_at == [JointCrops if joints else Shapes]


@pytest.mark.parametrize(("asked", "said"), [({"by": "images"}, "--by images"), ({"background": True}, "--background")])
def test_what_only_objects_have_is_refused_of_joints(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=f"{said} looks at objects, and model finds joints; leave it out"):
        measure_selectivity(planted(), Many(), layers=[LAYER], reading=READING, **asked)


def test_words_speak_of_joints(tmp_path: Path) -> None:
    results = [measure_selectivity(planted(), Many(), layers=[LAYER], reading=READING)]
    text = selectivity_caption(results, "dots") + selectivity_methods(results)
    for words in ("97 joints of 3 classes in 24 images", "at the annotated place of a joint", "with their joints"):
        assert words in text
    assert "object" not in text
    assert Selectivity().statistics(results)[0][0].name == "corrected_mean_selectivity by joints"
    write_stored(tmp_path, Selectivity.format, Selectivity().store(results))
    assert Selectivity().accuracies(results) == {("model", "1"): results[0].accuracy}
    assert (results[0].accuracy.images, results[0].accuracy.top1) == (36, None)
    (restored,) = Selectivity().restore(read_stored(tmp_path, Selectivity.format))
    assert restored.items == "joints"


def test_features_of_joints_know_their_stored_image() -> None:
    source, variant = Many(), mixing()
    crops = JointCrops(source, SIZE)
    items = JointItems.of_people(crops)
    features = extract_features(variant, source, layer=[LAYER], reading=READING)
    np.testing.assert_allclose(features.values, naive_activity(variant, crops, items), atol=1e-6)
    assert (features.items, features.pool) == ("joints", "joint")
    assert features.images == items.names
    assert len(set(features.ids)) == len(features) == 97
    assert features.ids[:2] == ("image 0 person 0 joint 1", "image 0 person 0 joint 3")
    np.testing.assert_array_equal(features.groups, np.unique(items.names, return_inverse=True)[1])
    found = embed(features, method="pca", probe=False)
    assert "values at annotated joints" in embedding_methods([found])
    assert "object" not in embedding_methods([found])
    knn, *_ = EmbeddingAnalysis().statistics(EmbeddingResults(embeddings=[found]))[0]
    assert knn.values["model"].shape == (1, 24)
    assert EmbeddingAnalysis().accuracies(EmbeddingResults(embeddings=[found])) == {("model", "1"): features.accuracy}


def test_a_gate_at_joints_is_held_against_what_no_joint_lies_on() -> None:
    crops = JointCrops(Many(), SIZE)
    objects = HeldObjects(JointItems.of_people(crops), crops, planted().model)
    objects.begin(Batch(torch.zeros(2, 3, *SIZE), None, torch.tensor([2, 1])))
    gate = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = []
    for crop, values in zip((2, 1), gate[:, 0].double().numpy(), strict=True):
        at, apart = [], np.ones((64, 64))
        for x, y in crops.objects(crop).boxes[:, :2]:
            across, down = (np.clip(1 - np.abs(np.arange(64) - place), 0, None) for place in (x, y))
            at.append((np.outer(down, across) * values).sum())
            apart *= 1 - np.outer(down, across)
        expected += [each - (apart * values).sum() / apart.sum() for each in at]
    np.testing.assert_allclose(objects.contrasts(gate).numpy(), expected, atol=1e-5)


def test_gates_of_a_network_for_joints() -> None:
    torch.manual_seed(0)
    model = create_detector(
        "pose", "resnet18", "cbam", 3, backbone_options={"width": 8}, channels=4, deconvs=1, height=64, width=64
    ).eval()
    result = measure_gates(Variant(model, preprocessing=AS_IT_IS), Many(), reading=READING)
    spatial = result.gates.dropna(subset=["object_contrast"])
    assert len(spatial) == 8
    assert (spatial["object_contrast_low"] <= spatial["object_contrast"]).all()
    assert set(result.gates["items"]) == {"joints"}
    assert result.settings["joints"] == 97
    assert Gates().accuracies(GateResults([result])) == {("model", "1"): result.accuracy}
    assert "97 annotated joints" in gates_methods([result])
    assert plot_contrast([result]).axes[0].get_ylabel() == "gate at joints\nless beside them"


@pytest.mark.parametrize(
    ("networks", "source", "values", "message"),
    [
        ([planted()], Many(), {"region": "mask"}, "no mask"),
        ([planted()], Many(), {"auc": True}, "auc is measured on images with a label each"),
        ([planted()], Dots(), {}, "has 0 classes with 10"),
        ([planted()], ClutteredScenes("test", 2), {}, "have no joints"),
        ([planted()], DigitPuppets("test", 2), {}, "finds 3 joints, and the people of digit-puppets have 9"),
        ([planted("a"), detector(name="b")], Many(), {}, "b finds objects, and a joints; analyse them one by one"),
        ([planted()], Many(), {"layers": ["deconvs.7"]}, "deconvs.7"),
    ],
)
def test_what_cannot_be_is_refused_before_the_pass(
    networks: list[Variant], source: ObjectSource, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(AutolaError, match=message):
        measure_selectivity(networks, source, reading=READING, **{"layers": [LAYER], **values})


def test_crops_of_other_sizes_and_flattened_features_are_refused() -> None:
    other = planted("b")
    other.model.input_size = (64, 32)
    with pytest.raises(AutolaError, match="a and b take crops of 64 x 64 and 64 x 32 pixels"):
        measure_selectivity([planted("a"), other], Many(), layers=[LAYER], reading=READING)
    with pytest.raises(AutolaError, match="taken at their places; leave out --pool flatten"):
        extract_features(planted(), Many(), EmbeddingOptions(layer=[LAYER], pool="flatten"), READING)
