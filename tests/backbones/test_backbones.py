import pytest
import torch
import torchvision
from torch import nn

from autola_analysis.attention import SqueezeExcitation, list_attentions
from autola_analysis.backbones import ModelSpec, create_model, list_backbones
from autola_analysis.core.errors import OptionError, UnknownNameError


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("attention", "options", "count"),
    [("none", {}, 272474), ("hoga", {"authors_rounding": True}, 333707), ("hoga", {}, 333731)],
)
def test_resnet20_has_the_published_number_of_parameters(attention: str, options: dict[str, bool], count: int) -> None:
    assert parameters(create_model("resnet20", attention, 10, attention_options=options)) == count


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("resnet18", "resnet18"), ("resnet34", "resnet34"), ("resnet50", "resnet50"), ("wide_resnet50_2",) * 2],
)
def test_networks_without_attention_are_torchvisions(ours: str, theirs: str) -> None:
    reference = torchvision.models.get_model(theirs, weights=None).eval()
    model = create_model(ours).eval()
    assert list(model.state_dict()) == list(reference.state_dict())
    model.load_state_dict(reference.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images), reference(images))


@pytest.mark.parametrize("name", [name for name in list_backbones() if name not in ("resnet152", "resnet101")])
def test_every_stage_ends_after_a_relu(name: str) -> None:
    side = 32 if ModelSpec(name).input_side == 32 else 64
    model = create_model(name, num_classes=3).eval()
    smallest = []
    for stage in [child for child_name, child in model.named_children() if child_name.startswith("layer")]:
        stage.register_forward_hook(lambda module, inputs, output: smallest.append(float(output.min())))
    with torch.no_grad():
        model(torch.randn(1, 3, side, side))
    assert len(smallest) in (3, 4)
    assert min(smallest) >= 0


@pytest.mark.parametrize("attention", list_attentions())
@pytest.mark.parametrize("backbone", ["resnet20", "resnet18", "resnet50"])
def test_every_attention_fits_every_kind_of_block(backbone: str, attention: str) -> None:
    spec = ModelSpec(backbone, attention, num_classes=5)
    with torch.no_grad():
        assert spec.build().eval()(torch.randn(2, 3, 32, 32)).shape == (2, 5)


@pytest.mark.parametrize(("attention", "channels"), [("se", 256), ("cbam", 256), ("hoga", 64)])
def test_bottlenecks_hold_se_and_cbam_on_the_output_and_hoga_on_the_planes(attention: str, channels: int) -> None:
    seen = []
    block = create_model("resnet50", attention, 2).layer1[1]
    block.attention.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[1]))
    block(torch.randn(2, 256, 8, 8))
    assert seen == [channels]


def test_the_outer_position_moves_hoga_behind_the_last_norm() -> None:
    block = create_model("resnet50", "hoga", 2, position="outer").layer1[0]
    seen = []
    block.bn3.register_forward_hook(lambda module, inputs, output: seen.append("bn3"))
    block.attention.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1]))
    block(torch.randn(2, 64, 8, 8))
    assert seen == ["bn3", 256]


def test_basic_blocks_hold_attention_between_the_last_norm_and_the_addition() -> None:
    block = create_model("resnet20", "none", 2).layer2[0].eval()
    x = torch.randn(2, 16, 8, 8)

    class Zeros(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x)

    block.attention = Zeros()
    with torch.no_grad():
        torch.testing.assert_close(block(x), torch.relu(block.downsample(x)))


def test_shortcut_a_subsamples_and_pads_with_zeros_on_both_sides() -> None:
    shortcut = create_model("resnet20", num_classes=10, shortcut="A").layer2[0].downsample
    x = torch.randn(2, 16, 8, 8)
    y = shortcut(x)
    assert not list(shortcut.parameters())
    assert y.shape == (2, 32, 4, 4)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any()
    assert not y[:, 24:].any()


@pytest.mark.parametrize(("name", "width"), [("wide_resnet18_1.5", 96), ("wide_resnet18_2", 128)])
def test_wide_resnet18_is_wider_throughout(name: str, width: int) -> None:
    model = create_model(name, num_classes=2)
    assert model.conv1.out_channels == width
    assert model.layer4[1].conv2.out_channels == 8 * width


def test_cifar_depths_and_width() -> None:
    model = create_model("resnet56", num_classes=100, width=64)
    convolutions = [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d) and "downsample" not in name]
    assert len(convolutions) + 1 == 56
    assert model.layer3[-1].conv2.out_channels == 256


def test_without_a_head_the_network_returns_pooled_features() -> None:
    assert create_model("resnet20", num_classes=0)(torch.randn(2, 3, 32, 32)).shape == (2, 64)


def test_a_class_and_a_function_are_attentions_too() -> None:
    by_class = create_model("resnet20", SqueezeExcitation, 10)
    by_function = create_model("resnet20", lambda channels: SqueezeExcitation(channels), 10)
    assert parameters(by_class) == parameters(by_function) == parameters(create_model("resnet20", "se", 10))


def test_a_spec_builds_the_same_network_again_after_json() -> None:
    spec = ModelSpec("resnet20", "se", 10, {"shortcut": "A", "width": 8}, {"reduction": 4})
    again = ModelSpec.from_dict(spec.to_dict())
    assert again == spec
    assert {k: v.shape for k, v in again.build().state_dict().items()} == {
        k: v.shape for k, v in spec.build().state_dict().items()
    }


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"backbone": "resnet21"}, UnknownNameError, "unknown backbone 'resnet21'; the nearest known: .*resnet20"),
        ({"backbone": "resnet20", "shortcut": "C"}, OptionError, "shortcut is 'A'.*found 'C'"),
        ({"backbone": "resnet50", "position": "middle"}, OptionError, "position is 'inner' or 'outer'"),
        ({"backbone": "resnet50", "shortcut": "A"}, OptionError, "cannot build resnet50 with these options"),
        ({"backbone": "resnet20", "attention": SqueezeExcitation(16)}, OptionError, "all blocks would share"),
        ({"backbone": "resnet18", "stages": 5}, OptionError, "stages is a number from 1 to 4; found 5"),
        ({"backbone": "resnet18", "stages": 2, "stage_strides": [1, 2, 2]}, OptionError, "each of the 2 stages"),
        ({"backbone": "resnet18", "stage_strides": [1, 2, 2, 4]}, OptionError, r"1 or 2 .* found \[1, 2, 2, 4\]"),
        ({"backbone": "resnet18", "stag": 3}, OptionError, "cannot build resnet18 with these options.*stag"),
        ({"backbone": "resnet20", "genotype": []}, OptionError, "of its attention go into attention_options"),
    ],
)
def test_impossible_networks_are_refused(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        create_model(**arguments)


def test_the_stages_hand_out_what_leads_to_the_logits() -> None:
    model = create_model("resnet18", num_classes=3, width=8).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        stages = model.stages(images)
        logits = model(images)
    shapes = {name: tuple(each.shape) for name, each in stages.items()}
    assert shapes == {f"layer{n}": (2, 8 * 2 ** (n - 1), 32 // 2**n, 32 // 2**n) for n in (1, 2, 3, 4)}
    assert model.stage_channels == (8, 16, 32, 64)
    torch.testing.assert_close(model.fc(stages["layer4"].mean((2, 3))), logits)


@pytest.mark.parametrize("name", ["resnet50", "resnet18"])
def test_a_trunk_of_three_stages_shares_its_tensors_and_keeps_the_resolution_asked_for(name: str) -> None:
    trunk = ModelSpec(name, num_classes=0, options={"stages": 3, "stage_strides": [1, 2, 1]}).build().eval()
    whole = create_model(name)
    missing = trunk.load_state_dict(whole.state_dict(), strict=False)
    assert not missing.missing_keys
    assert {key.split(".")[0] for key in missing.unexpected_keys} == {"layer4", "fc"}
    with torch.no_grad():
        sides = [each.shape[-1] for each in trunk.stages(torch.randn(1, 3, 300, 300)).values()]
    assert sides == [75, 38, 38]
