"""What detectors do to images themselves, in the words of a report."""

import torch
from torch import nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.input_area import InputArea, done_inside
from autola_analysis.report.preprocessing import preprocessing_sentence
from tests.detectors.helpers import torchvisions_faster_rcnn


def test_methods_say_to_which_size_a_detector_brings_images_itself() -> None:
    model = torchvisions_faster_rcnn(2)
    model.transform = GeneralizedRCNNTransform(96, 160, [0.5, 0.4, 0.3], [0.2, 0.2, 0.25])
    inside = done_inside(model)
    made, _ = model.transform.eval()([torch.rand(3, 120, 90)])
    assert min(made.image_sizes[0]) == 96
    assert inside == "resize 96 (the longer side at most 160), mean (0.5, 0.4, 0.3), std (0.2, 0.2, 0.25)"
    record = {"model": "a", "run": "1", "preprocessing": Preprocessing(mean=(0,) * 3, std=(1,) * 3).to_dict()}
    sentence = preprocessing_sentence([{**record, "inside": inside}])
    assert f"values from 0 to 1, then by the network itself {inside}." in sentence
    assert "itself" not in preprocessing_sentence([{**record, "inside": done_inside(nn.Conv2d(3, 4, 1))}])
    assert "itself" not in preprocessing_sentence([record])


def test_a_transform_to_one_size_stretches() -> None:
    model = nn.Module()
    model.transform = GeneralizedRCNNTransform(300, 300, [0.0], [1.0], size_divisible=1, fixed_size=(320, 300))
    made, _ = model.transform.eval()([torch.rand(1, 50, 90)])
    assert tuple(made.tensors.shape[-2:]) == (300, 320)
    assert done_inside(model) == "stretch 320 x 300, mean (0), std (1)"  # width x height


def test_the_side_of_the_input_counts_what_pads_an_image() -> None:
    model = nn.Module()
    model.transform = GeneralizedRCNNTransform(96, 160, [0.0] * 3, [1.0] * 3)
    assert InputArea(model).side(60, 64) == 128  # 96 x 102, padded to 96 x 128
    assert InputArea(nn.Conv2d(3, 4, 1)).side(60, 64) == 64
