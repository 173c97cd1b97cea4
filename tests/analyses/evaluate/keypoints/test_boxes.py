"""Poses in boxes that a detector found: the same as annotated ones where they are the same, scores, suppression."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autola_analysis.analyses.evaluate.analysis import Evaluate, EvaluationResults
from autola_analysis.analyses.evaluate.keypoints.section import keypoint_section
from autola_analysis.analyses.evaluate.measure import evaluate
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.objects import Objects
from autola_analysis.report.sheet import Sheet
from tests.analyses.evaluate.keypoints.planted import AS_IT_IS, READING, Dots, FindsDots


def boxes(source: Dots, score: float = 1.0) -> list[dict[str, object]]:
    """Return the annotated boxes of people with joints, as a detector would, and one of something else."""
    found = [
        {"image_id": int(source.image_ids[index]), "category_id": 1, "score": score}
        | {"bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}
        for index in range(len(source) - 1)
        for box in source.objects(index).boxes
    ]
    return [*found, {"image_id": 50, "category_id": 7, "bbox": [0, 0, 9, 9], "score": 0.9}]


def written(folder: Path, content: object) -> str:
    (folder / "boxes.json").write_text(json.dumps(content))
    return str(folder / "boxes.json")


def network(off: int = 0) -> Variant:
    return Variant(FindsDots(off).eval(), preprocessing=AS_IT_IS)


def test_annotated_boxes_from_a_file_give_the_same_numbers(tmp_path: Path) -> None:
    given, means = evaluate(network(2), Dots(), reading=READING, boxes=written(tmp_path, boxes(Dots(), 0.5)))
    annotated, means_of_annotated = evaluate(network(2), Dots(), reading=READING)
    for found, expected in ((given, annotated), (means, means_of_annotated)):
        np.testing.assert_allclose(found.numbers.metrics, expected.numbers.metrics)
        np.testing.assert_allclose(found.found.joints, expected.found.joints)
        assert found.per_joint.equals(expected.per_joint)
    np.testing.assert_allclose(given.found.scores, 0.5 * annotated.found.scores)
    assert (given.settings["boxes"], given.settings["in_own_box"]) == ("boxes.json", 6)
    assert annotated.settings["boxes"] == "annotated"


def test_a_box_of_nobody_costs_precision_and_a_missing_one_recall(tmp_path: Path) -> None:
    content = boxes(Dots())[1:]  # nobody is found in the first image
    nobody = {"image_id": 50, "category_id": 1, "bbox": [85, 30, 40, 40], "score": 1.0}
    result, _ = evaluate(network(), Dots(), reading=READING, boxes=written(tmp_path, [nobody, *content]))
    values = result.metrics.set_index("metric")["value"]
    assert values["ar"] == pytest.approx(5 / 6)
    assert (result.settings["people"], result.settings["in_own_box"], result.settings["crops"]) == (6, 5, 6)
    assert result.per_joint["labelled"].tolist() == [5, 5, 4, 14]


def test_a_person_who_was_found_twice_goes_or_is_less_sure(tmp_path: Path) -> None:
    content = boxes(Dots())
    path = written(tmp_path, [{**content[0], "score": 0.9}, *content])
    hard, _ = evaluate(network(), Dots(), reading=READING, boxes=path)
    soft, _ = evaluate(network(), Dots(), reading=READING, boxes=path, soft_nms=True)
    surest, other = (np.flatnonzero(hard.found.images == 0)[place] for place in hard.found.kept[:2].argsort()[::-1])
    assert hard.found.kept.tolist().count(False) == 1
    assert soft.found.kept.all()
    assert soft.found.scores[surest] == hard.found.scores[surest]
    # both find the same joints, so that their OKS is 1
    assert soft.found.scores[other] == pytest.approx(hard.found.scores[other] * np.exp(-1 / 0.9))
    assert soft.per_joint["labelled"].tolist() == hard.per_joint["labelled"].tolist() == [6, 6, 5, 17]


def test_the_page_says_where_boxes_come_from(tmp_path: Path) -> None:
    results = evaluate(network(), Dots(), reading=READING, boxes=written(tmp_path, boxes(Dots())), soft_nms=True)
    section = keypoint_section(results, Sheet(tmp_path, "dots"))
    assert "a box that a detector found" in section.methods
    assert "decayed" in section.methods
    assert any("Boxes come from a detector" in sentence for sentence in section.reading)
    assert Evaluate().settings(EvaluationResults(poses=results))[0]["soft_nms"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "has no box of a person in the images of dots"),
        (boxes(Dots())[-1:], "has no box of a person"),
        ([{**boxes(Dots())[0], "image_id": 3}], "holds detections of other images"),
        ([{**boxes(Dots())[0], "bbox": [1, 2, -3, 4]}], "has the bbox"),
        ({}, "holds no list of detections"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_a_sentence(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(AutolaError, match=message):
        evaluate(network(), Dots(), reading=READING, boxes=written(tmp_path, content))


class Unlabelled(Dots):
    """Dots of which no joint is labelled, and whose images nobody may read."""

    def image(self, index: int) -> Image.Image:
        raise AssertionError("the pass has begun")

    def objects(self, index: int) -> Objects:
        found = super().objects(index)
        found.keypoints[:] = 0
        return found


def test_people_without_a_labelled_joint_are_refused_before_the_pass(tmp_path: Path) -> None:
    with pytest.raises(AutolaError, match="nobody in dots has a labelled joint; give other data"):
        evaluate(network(), Unlabelled(), reading=READING, boxes=written(tmp_path, boxes(Dots())))


def test_people_are_cut_out_once_for_all_networks_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    objects = Dots.objects

    def noted(source: Dots, index: int) -> Objects:
        asked.append(index)
        return objects(source, index)

    monkeypatch.setattr(Dots, "objects", noted)
    monkeypatch.setattr(Dots, "image", lambda source, index: Image.new("RGB", (140, 90)))
    evaluate([network(), network(2)], Dots(), reading=READING)
    assert asked == list(range(len(Dots())))
