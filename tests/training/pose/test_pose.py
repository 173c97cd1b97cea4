"""Networks for joints trained: crops that follow their seed, heat maps of them, a checkpoint that evaluates."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.observation import Reading
from autola_analysis.checkpoints.detector_loading import load_detector
from autola_analysis.core.errors import AutolaError
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.coco_export import export_coco
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.data.person_crops import PersonCrops, crop_map
from autola_analysis.data.preprocessing import IMAGENET_STATISTICS
from autola_analysis.detectors import create_detector
from autola_analysis.detectors.heat_maps import encode_joints
from autola_analysis.inference.run import Settings
from autola_analysis.training.batches import BatchPlan
from autola_analysis.training.pose.images import AugmentedPeople, drawn_map
from autola_analysis.training.pose.module import PoseTraining
from autola_analysis.training.pose.recipes import PoseRecipe
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Machine, Training
from autola_analysis.training.trainer import run_training
from tests.analyses.evaluate.keypoints.planted import Dots

SIZE = (64, 64)
BOX, IMAGE = np.array([10.0, 10, 61, 61]), (90, 140)
SMALL = {"width": "4", "batch_size": "4", "epochs": "1", "options": '{"channels": 8, "height": 64, "width": 64}'}


def recipe(**values: object) -> PoseRecipe:
    return replace(RECIPES.get("puppets-pose"), **values)


def test_a_crop_follows_from_its_random_numbers_and_stays_within_the_recipe() -> None:
    drawn = [drawn_map(BOX, IMAGE, SIZE, recipe(), np.random.default_rng(seed)) for seed in range(400)]
    again, flipped = drawn_map(BOX, IMAGE, SIZE, recipe(), np.random.default_rng(7))
    np.testing.assert_array_equal(again.matrix, drawn[7][0].matrix)
    assert flipped == drawn[7][1]
    straight = crop_map(BOX, IMAGE, SIZE)
    zooms = np.array([straight.scale / place.scale for place, _ in drawn])
    assert zooms.min() == pytest.approx(0.75)
    assert zooms.max() == pytest.approx(1.25)
    mirrored = np.array([flip for _, flip in drawn])
    assert 160 < mirrored.sum() < 240
    assert all((np.linalg.det(place.matrix[:, :2]) < 0) == flip for place, flip in drawn)
    angles = np.array([np.degrees(np.arctan2(*place.matrix[0, 1::-1])) for place, flip in drawn if not flip])
    assert np.abs(angles).max() <= 60 + 1e-9
    assert 0.3 < (np.abs(angles) < 1e-9).mean() < 0.5


def test_without_augmentation_the_crop_is_that_of_evaluation() -> None:
    plain = recipe(scale=0.0, rotation=0.0, flip=False)
    place, flipped = drawn_map(BOX, IMAGE, SIZE, plain, np.random.default_rng(0))
    np.testing.assert_allclose(place.matrix, crop_map(BOX, IMAGE, SIZE).matrix)
    assert not flipped


def test_joints_move_with_their_pixels_and_change_sides_with_the_mirror() -> None:
    """Green is the left hand; in a mirrored crop the right hand, and blue the left."""
    crops = PersonCrops(Dots(), SIZE)
    people = AugmentedPeople(crops, recipe(rotation=20.0), 2**20)
    seen = set()
    for seed in range(20):
        batch = people[BatchPlan([0, 1, 2], seed)]
        for image, joints, labelled in zip(batch.images.numpy(), batch.joints.numpy(), batch.labelled, strict=True):
            at = [image[:, round(float(y)), round(float(x))] > 60 for x, y in joints]
            assert at[0].tolist() == [True, False, False]
            flipped = bool(at[1][2])
            seen.add(flipped)
            assert at[1].tolist() == ([False, False, True] if flipped else [False, True, False])
            if labelled[2]:
                assert at[2].tolist() == ([False, True, False] if flipped else [False, False, True])
    assert seen == {True, False}
    again = people[BatchPlan([0, 1, 2], 19)]
    torch.testing.assert_close(again.images, batch.images)


@pytest.mark.parametrize("encode", ["exact", "quantised"])
def test_the_loss_is_that_of_the_heat_maps_of_the_batch_and_falls(encode: str) -> None:
    crops = PersonCrops(Dots(), SIZE)
    torch.manual_seed(0)
    model = create_detector(
        "pose", "resnet18", "none", 3, backbone_options={"width": 4}, channels=8, height=64, width=64
    )
    training = PoseTraining(model, IMAGENET_STATISTICS, recipe(encode=encode), 1, crops)
    batch = AugmentedPeople(crops, recipe(scale=0.0, rotation=0.0, flip=False), 2**20)[BatchPlan([0, 1, 2, 3], 0)]
    with torch.no_grad():
        maps = model(IMAGENET_STATISTICS.normalize(batch.images))
    targets, counts = encode_joints(batch.joints, batch.labelled, (16, 16), exact=encode == "exact")
    expected = ((maps - targets) ** 2 * counts[..., None, None]).mean() / 2
    torch.testing.assert_close(training.loss(batch), expected, rtol=1e-3, atol=1e-6)
    optimizer = training.plan.optimizer_of(model)
    losses = []
    for _ in range(30):
        loss = training.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six images to train on and three to test on, in COCO's format."""
    folder = tmp_path_factory.mktemp("puppets")
    files = [export_coco(DigitPuppets(split, length), folder / split) for split, length in (("train", 6), ("test", 3))]
    return f"objects:{files[0]},{files[1]}"


def test_a_trained_network_is_written_and_evaluated(data: str, tmp_path: Path) -> None:
    training = Training("puppets-pose", RECIPES.get("puppets-pose").overridden(SMALL), "se", data=data)
    out = tmp_path / "pose.safetensors"
    metrics = run_training(training, out, Machine("cpu", quiet=True))
    assert {"ap", "ap50", "ap75", "ar"} <= metrics.keys()
    assert training.recipe.outcome({"ap": 0.5, "ap75": 0.25}) == "test AP 50.0, at an OKS of 0.75 25.0"
    loaded = load_detector(out, device="cpu")
    assert loaded.spec.options == {"channels": 8, "height": 64, "width": 64}
    assert loaded.classes == DigitPuppets.joints.names
    assert loaded.model.input_size == SIZE
    test = CocoObjects(data.rpartition(",")[2])
    reading = Reading(Settings(device="cpu", quiet=True))
    result, _ = evaluate(loaded, test, reading=reading, flip_test=False)
    assert result.metrics.set_index("metric")["value"]["ap"] == pytest.approx(metrics["ap"], abs=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encode": "rounded"}, "encode is one of exact, quantised; found 'rounded'"),
        ({"scale": 1.0}, "a share of the size of a crop, below 1"),
        ({"rotation": -1.0}, "rotation cannot be negative"),
    ],
)
def test_impossible_recipes_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(AutolaError, match=message):
        recipe(**values)


def test_data_without_joints_are_refused(tmp_path: Path) -> None:
    training = Training("puppets-pose", RECIPES.get("puppets-pose").overridden(SMALL), data="cluttered-scenes")
    with pytest.raises(AutolaError, match="the objects of cluttered-scenes have no joints"):
        run_training(training, tmp_path / "pose.safetensors", Machine("cpu", quiet=True))


def test_data_that_do_not_say_how_precisely_joints_can_be_placed_are_refused(data: str, tmp_path: Path) -> None:
    files = []
    for file in data.removeprefix("objects:").split(","):
        path = Path(file).with_name(f"plain_{Path(file).name}")
        path.write_text(Path(file).read_text().replace('"sigmas"', '"unknown"'))
        files.append(str(path))
    for pair, message in ((files, "does not say how precisely"), ([files[0], file], "have different joints")):
        training = Training(
            "puppets-pose", RECIPES.get("puppets-pose").overridden(SMALL), data=f"objects:{','.join(pair)}"
        )
        with pytest.raises(AutolaError, match=message):
            run_training(training, tmp_path / "pose.safetensors", Machine("cpu", quiet=True))


def test_the_recipe_of_the_supplement() -> None:
    pose = RECIPES.get("pose")
    assert (pose.epochs, pose.batch_size, pose.learning_rate, pose.milestones) == (140, 128, 1e-3, (90, 120))
    assert (pose.optimizer, pose.weight_decay, pose.data, pose.backbone) == ("adam", 0, "coco-keypoints", "resnet50")
    assert (pose.scale, pose.rotation, pose.flip) == (0.3, 40, True)
    steps = [pose.rate_at(step, 10) for step in (0, 899, 900, 1199, 1200)]
    assert steps == pytest.approx([1, 1, 0.1, 0.1, 0.01])
