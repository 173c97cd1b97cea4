import hashlib
import json

import pytest
import torch
from torch import nn

from autola_analysis.attention import register_attention
from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.core.errors import CheckpointError, OptionError, UnknownNameError
from autola_analysis.data.preprocessing import NORMALIZATIONS, Preprocessing

from .helpers import logits, randomise


@pytest.fixture
def file(saved, tiny):
    return saved(tiny.state_dict())


def test_loaded_model_is_ready_and_says_where_it_is_from(file) -> None:
    loaded = load_model(file, device="cpu")
    assert not loaded.model.training
    assert all(parameter.requires_grad for parameter in loaded.model.parameters())
    assert loaded.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert loaded.path == file
    assert (loaded.preprocessing, loaded.classes, loaded.source, loaded.metadata) == (None, None, None, {})


def test_weights_survive_the_file(file, tiny) -> None:
    loaded = load_model(file)
    file.write_bytes(b"\0" * file.stat().st_size)
    assert torch.equal(logits(loaded.model), logits(tiny))


def test_loading_leaves_the_random_number_generator_alone(file) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model(file)
    assert torch.equal(torch.rand(3), expected)


def test_normalization_by_name(file) -> None:
    assert load_model(file, normalize="cifar10").preprocessing == NORMALIZATIONS.get("cifar10")
    with pytest.raises(UnknownNameError, match="cifar100"):
        load_model(file, normalize="cifar1000")


def test_named_statistics_keep_the_recorded_geometry(tmp_path, tiny) -> None:
    recorded = Preprocessing(resize=40, crop=32, mean=(0.1, 0.2, 0.3))
    spec = ModelSpec("resnet20", num_classes=10, options={"width": 4})
    path = save_model(tmp_path / "m.safetensors", tiny, spec, preprocessing=recorded)
    assert load_model(path).preprocessing == recorded
    other = load_model(path, normalize="imagenet").preprocessing
    assert (other.resize, other.crop, other.mean) == (40, 32, NORMALIZATIONS.get("imagenet").mean)


def test_another_number_of_classes_is_refused(file) -> None:
    assert load_model(file, num_classes=10).spec.num_classes == 10
    with pytest.raises(CheckpointError, match="head of 10 classes, 100 were asked for"):
        load_model(file, num_classes=100)


def test_named_backbone_has_to_be_the_one_in_the_file(file) -> None:
    assert load_model(file, arch="resnet20").spec.backbone == "resnet20"
    with pytest.raises(CheckpointError, match=r"--arch names resnet32, but .* holds a resnet20"):
        load_model(file, arch="resnet32")


@pytest.fixture
def twins():
    register_attention("twin")(nn.PReLU)
    register_attention("other-twin")(lambda channels: nn.PReLU(channels))
    yield
    for name in ("twin", "other-twin"):
        ATTENTIONS._items.pop(name)


def test_a_whole_spec_decides_what_tensors_leave_open(saved, tmp_path, twins) -> None:
    spec = ModelSpec("resnet20", "twin", 3)
    model = randomise(spec.build())
    path = saved(model.state_dict())
    with pytest.raises(CheckpointError, match=r"several modules or places: .*SPEC\.json"):
        load_model(path)
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_dict()))
    for arch in (spec, str(tmp_path / "spec.json")):
        loaded = load_model(path, arch=arch)
        assert loaded.spec == spec
        assert torch.equal(logits(loaded.model), logits(model))


@pytest.mark.parametrize("content", ["{", '["resnet20"]', '{"depth": 20}'])
def test_spec_file_that_describes_nothing_is_refused(file, tmp_path, content: str) -> None:
    (tmp_path / "spec.json").write_text(content)
    with pytest.raises(OptionError, match="does not describe a network"):
        load_model(file, arch=str(tmp_path / "spec.json"))
    with pytest.raises(OptionError, match="cannot read the spec file"):
        load_model(file, arch=str(tmp_path / "absent.json"))


def test_unknown_device_is_refused(file) -> None:
    with pytest.raises(OptionError, match="device"):
        load_model(file, device="gpu")


def test_genotype_file_reaches_the_network(saved, tmp_path) -> None:
    pairs = [["skip_connect", source] for node in range(4) for source in range(node + 1)]
    model = randomise(create_model("resnet20", "hoga", 10, attention_options={"genotype": pairs}))
    path = saved(model.state_dict())
    (tmp_path / "genotype.json").write_text(str(pairs).replace("'", '"'))
    with pytest.raises(CheckpointError, match=r"released genotype has sep_conv_3x3_spatial; .*--genotype FILE\.json"):
        load_model(path)
    loaded = load_model(path, genotype=tmp_path / "genotype.json")
    assert loaded.spec.attention_options == {"genotype": pairs}
    assert torch.equal(logits(loaded.model), logits(model))
