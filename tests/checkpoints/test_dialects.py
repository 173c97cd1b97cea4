import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from autola_analysis.attention import RELEASED, Genotype
from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.checkpoints import load_model
from autola_analysis.checkpoints.dialects import DIALECTS, translate
from autola_analysis.core.errors import CheckpointError

from .helpers import logits, randomise, rename


@pytest.mark.parametrize(
    ("name", "backbone", "top1"),
    [
        ("resnet20-12fca82f.th", "resnet20", 91.78),
        ("resnet32-d509ac18.th", "resnet32", 92.78),
        ("resnet56-4bfd9763.th", "resnet56", 93.62),
    ],
)
def test_cifar_networks_with_parameter_free_shortcuts(real_files: Path, name: str, backbone: str, top1: float) -> None:
    loaded = load_model(real_files / name)
    assert loaded.spec == ModelSpec(backbone, "none", 10, {"shortcut": "A"})
    assert any(line.startswith(f"left over: best_prec1: {top1}") for line in loaded.evidence)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("autola_authors_resnet20", ModelSpec("resnet20", "hoga", 10, {}, {"authors_rounding": True})),
        ("senet_pytorch_se_resnet20", ModelSpec("resnet20", "se", 10)),
    ],
)
def test_networks_of_other_projects_give_their_own_logits(real_files: Path, name: str, spec: ModelSpec) -> None:
    expected = np.load(real_files / f"{name}.expected.npz")
    loaded = load_model(real_files / f"{name}.pth")
    with torch.no_grad():
        found = loaded.model(torch.from_numpy(expected["images"])).numpy()
    assert loaded.spec == spec
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)


@pytest.mark.parametrize(
    ("build", "spec"),
    [
        (torchvision.models.resnet18, ModelSpec("resnet18")),
        (torchvision.models.resnet50, ModelSpec("resnet50")),
        (torchvision.models.wide_resnet50_2, ModelSpec("wide_resnet50_2")),
        (lambda: timm.create_model("resnet34", num_classes=5), ModelSpec("resnet34", num_classes=5)),
        (lambda: timm.create_model("resnet18", num_classes=0), ModelSpec("resnet18", num_classes=0)),
        (
            lambda: timm.create_model("seresnet50", num_classes=7),
            ModelSpec("resnet50", "se", 7, {}, {"bias": True}),
        ),
        (
            lambda: timm.create_model("seresnet18", num_classes=7),
            ModelSpec("resnet18", "se", 7, {}, {"bias": True, "divisor": 8}),
        ),
    ],
    ids=["resnet18", "resnet50", "wide_resnet50_2", "timm", "timm-headless", "seresnet50", "seresnet18"],
)
def test_library_networks_give_the_librarys_logits(saved, build, spec: ModelSpec) -> None:
    torch.manual_seed(0)
    theirs = randomise(build())
    loaded = load_model(saved(theirs.state_dict()))
    assert loaded.spec == spec
    torch.testing.assert_close(logits(loaded.model, 64), logits(theirs, 64), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("network", ["resnet18", "resnet50"])
def test_cbam_networks_of_the_attention_module_project(real_files: Path, saved, network: str) -> None:
    shapes = json.loads((real_files / "attention_module_cbam.keys.json").read_text())[f"{network}_cbam_imagenet"]
    state = {name: torch.rand(shape) if shape else torch.tensor(1) for name, shape in shapes.items()}
    loaded = load_model(saved({"epoch": 1, "state_dict": state}))
    assert loaded.spec == ModelSpec(network, "cbam", 1000)
    assert "reduction 16: " in " ".join(loaded.evidence)
    own = loaded.model.layer2[1].attention
    assert torch.equal(own.channel_gate.mlp.fc2.bias, state["module.layer2.1.cbam.ChannelGate.mlp.3.bias"])
    assert torch.equal(own.spatial_gate.conv.weight, state["module.layer2.1.cbam.SpatialGate.spatial.conv.weight"])
    assert torch.equal(
        own.spatial_gate.bn.running_var, state["module.layer2.1.cbam.SpatialGate.spatial.bn.running_var"]
    )


SE_NAMES = (("attention.gate.fc1", "se.fc.0"), ("attention.gate.fc2", "se.fc.2"))


@pytest.mark.parametrize("convolutions", [False, True], ids=["linear", "1x1 convolutions"])
@pytest.mark.parametrize(("backbone", "options"), [("resnet18", {}), ("resnet50", {"inner_width": 16})])
def test_imagenet_networks_of_senet_pytorch(saved, backbone: str, options, convolutions: bool) -> None:
    ours = randomise(create_model(backbone, "se", 11, **options))
    state = rename(ours.state_dict(), *SE_NAMES)
    if convolutions:
        state = {n: t[..., None, None] if ".se." in n else t for n, t in state.items()}
    loaded = load_model(saved(state))
    assert loaded.spec == ModelSpec(backbone, "se", 11, options)
    assert torch.equal(logits(loaded.model, 64, 1), logits(ours, 64, 1))


ECA_NET_SIZES = {
    "resnet18": [[64, 3], [128, 5], [256, 7], [512, 7]],
    "resnet50": [[256, 3], [512, 5], [1024, 5], [2048, 7]],
}


@pytest.mark.parametrize("backbone", ECA_NET_SIZES)
def test_networks_of_eca_net_whose_kernels_were_chosen_by_stage(saved, backbone: str) -> None:
    options = {"kernel_size": ECA_NET_SIZES[backbone]}
    ours = randomise(create_model(backbone, "eca", 11, attention_options=options))
    loaded = load_model(saved({"state_dict": rename(ours.state_dict(), ("attention.", "eca."))}))
    assert loaded.spec == ModelSpec(backbone, "eca", 11, {}, options)
    assert any("layer" in line and "a name that ECA-Net writes" in line for line in loaded.evidence)
    assert torch.equal(logits(loaded.model, 64, 1), logits(ours, 64, 1))


@pytest.mark.parametrize("name", ["ecaresnet26t", "gcresnext26ts"])
def test_networks_of_timm_with_other_stems_are_refused_with_the_way_to_load_them(saved, name: str) -> None:
    with torch.device("meta"):
        shapes = timm.create_model(name, num_classes=2).state_dict()
    state = {key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in shapes.items()}
    with pytest.raises(CheckpointError, match=r"(another stem|holds no ResNet) .*--arch timm:NAME"):
        load_model(saved(state))


def test_option_b_shortcuts_of_pytorch_resnet_cifar10(saved) -> None:
    ours = randomise(create_model("resnet20", "none", 10))
    loaded = load_model(saved(rename(ours.state_dict(), ("fc.", "linear."), ("downsample", "shortcut"))))
    assert loaded.spec == ModelSpec("resnet20", "none", 10)
    assert torch.equal(logits(loaded.model), logits(ours))


AUTHORS_NAMES = (
    (".gate.mlp.fc1", ".fc.0"),
    (".gate.mlp.fc2", ".fc.2"),
    ("attention.se_a.gate.fc1", "attention.se.fc.0"),
    ("attention.se_a.gate.fc2", "attention.se.fc.2"),
    ("attention.se_b.gate.fc1", "attention.se2.fc.0"),
    ("attention.se_b.gate.fc2", "attention.se2.fc.2"),
    (".gate.fc1", ".fc.0"),
    (".gate.fc2", ".fc.2"),
    ("channel_gate.mlp.fc1", "ChannelGate.mlp.1"),
    ("channel_gate.mlp.fc2", "ChannelGate.mlp.3"),
    ("spatial_gate", "SpatialGate.spatial"),
    (".gate.", ".op."),
    ("attention.ops", "attention._ops"),
    ("attention.fuse", "attention.channel_back"),
)


def as_authors_write(model: nn.Module) -> dict[str, torch.Tensor]:
    state = rename(model.state_dict(), *AUTHORS_NAMES)
    aliases = {name.replace("layer3.", "layers."): t for name, t in state.items() if name.startswith("layer3.")}
    return {f"model.{name}": tensor for name, tensor in {**state, **aliases}.items()}


EVERY_OPERATION = Genotype(
    (
        ("SE_A_M", 0),
        ("SE", 0),
        ("dil_conv_3x3_spatial", 1),
        ("none", 0),
        ("CBAM", 1),
        ("sep_conv_3x3_spatial", 2),
        ("dil_conv_3x3", 0),
        ("skip_connect", 1),
        ("sep_conv_3x3", 2),
        ("SE_A_M", 3),
    )
)


def test_authors_network_with_another_genotype_asks_for_it_and_then_gives_its_logits(saved) -> None:
    options = {"genotype": EVERY_OPERATION.to_pairs()}
    ours = randomise(create_model("resnet20", "hoga", 10, attention_options=options, width=32))
    path = saved(as_authors_write(ours))
    with pytest.raises(
        CheckpointError, match=r"looks like SE or SE_A_M, .*released genotype has skip_connect.*--genotype"
    ):
        load_model(path)
    loaded = load_model(path, genotype=EVERY_OPERATION)
    assert loaded.spec == ModelSpec("resnet20", "hoga", 10, {"width": 32}, options)
    assert loaded.warnings == ()
    assert torch.equal(logits(loaded.model), logits(ours))


def test_authors_network_whose_copies_of_layer3_differ_is_refused(saved) -> None:
    state = as_authors_write(randomise(create_model("resnet20", "hoga", 10)))
    state["model.layers.1.bn1.bias"] = state["model.layers.1.bn1.bias"] + 1
    with pytest.raises(CheckpointError, match=r"layer3\.1\.bn1\.bias is different"):
        load_model(saved(state))


def test_authors_network_with_a_copy_of_a_block_that_is_not_there_is_refused(saved) -> None:
    state = as_authors_write(randomise(create_model("resnet20", "hoga", 10)))
    state["model.layers.7.bn1.bias"] = torch.ones(3)
    with pytest.raises(CheckpointError, match=r"layer3\.7\.bn1\.bias is absent"):
        load_model(saved(state))


def test_names_of_two_projects_in_one_file_are_ambiguous() -> None:
    state = {"layer1.0.se.fc1.weight": torch.ones(1), "layer1.0.cbam.ChannelGate.mlp.1.weight": torch.ones(1)}
    with pytest.raises(CheckpointError, match=r"mixes the names of several projects: .*attention-module.*timm-se"):
        translate(state, Path("file"))


def test_two_names_for_one_tensor_are_refused() -> None:
    state = {"linear.weight": torch.ones(1), "fc.weight": torch.ones(1)}
    with pytest.raises(CheckpointError, match=r"two tensors for fc\.weight"):
        translate(state, Path("file"))


def test_no_tensor_of_ours_is_taken_for_another_projects() -> None:
    state = create_model("resnet20", "hoga", 10, attention_options={"genotype": EVERY_OPERATION}).state_dict()
    translation = translate(state, Path("file"), RELEASED)
    assert translation.dialect == "autola-analysis"
    assert translation.state.keys() == state.keys()
    assert len(DIALECTS.names()) == 8
