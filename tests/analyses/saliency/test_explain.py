"""Saliency maps: against captum, against the papers' formulas, and what must not matter."""

import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop, IntegratedGradients, LayerAttribution, LayerGradCam
from torch import Tensor, nn

from autola_analysis.analyses.saliency.cam import grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, upsample
from autola_analysis.analyses.saliency.explain import explain, explained_classes
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.methods import METHODS
from autola_analysis.analyses.variants import Variant
from autola_analysis.attention import list_attentions
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import AutolaError, DataError, LayerError, OptionError, UnknownNameError
from autola_analysis.data import Preprocessing
from autola_analysis.inference.gradients import gradients
from tests.analyses.saliency import naive
from tests.inference.networks import Fails, ReusedReLU, Tiny
from tests.inference.state import state_of

IMAGES = torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
ALL = [*METHODS.names(), "captum:IntegratedGradients", "captum:GradientShap", "captum:LayerGradCam"]


def lively(model: nn.Module) -> nn.Module:
    """Give every batch norm statistics of its own, as training does."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.3)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
    return model.eval()


def captum_grad_cam(model: nn.Module, layer: str, images: Tensor, targets: Tensor) -> Tensor:
    small = LayerGradCam(model, model.get_submodule(layer)).attribute(images, target=targets, relu_attributions=True)
    return LayerAttribution.interpolate(small, tuple(images.shape[2:]), "bilinear")[:, 0].detach()


def captum_guided(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GuidedBackprop(model).attribute(images.clone().requires_grad_(), target=targets).detach()


def assert_like_captum(model: nn.Module, images: Tensor, layers: list[str]) -> None:
    found = explain(model, images, layers=layers)
    for layer in layers:
        expected = captum_grad_cam(model, layer, images, found.targets)
        assert expected.max() > 0
        assert (found.maps["grad-cam", layer] - expected).abs().max() <= 1e-5 * expected.abs().max()
    ours, expected = found.maps["guided-backprop", None], captum_guided(model, images, found.targets)
    assert (ours - expected).norm() <= 1e-3 * expected.norm()
    assert ((ours - expected).abs() <= 1e-5 * expected.abs().max()).float().mean() >= 0.999


@pytest.mark.parametrize("attention", list_attentions())
def test_maps_equal_captums_with_every_attention(attention: str) -> None:
    model = lively(create_model("resnet20", attention, 10))
    assert_like_captum(model, torch.randn(3, 3, 32, 32), ["layer1", "layer2", "layer3"])


def test_maps_equal_captums_on_resnet50() -> None:
    model = lively(create_model("resnet50", "hoga", 20))
    assert_like_captum(model, torch.randn(1, 3, 96, 96), ["layer3", "layer4"])


CAMS: dict[str, Any] = {
    "grad-cam": lambda a, g, s: naive.naive_grad_cam(a, g),
    "grad-cam++": naive.naive_grad_cam_plus_plus,
    "hires-cam": lambda a, g, s: naive.naive_hires_cam(a, g),
    "layer-cam": lambda a, g, s: naive.naive_layer_cam(a, g),
}


@pytest.mark.parametrize("method", CAMS)
@pytest.mark.parametrize("layer", ["layer1", "layer2", "layer2.1"])
def test_every_map_is_its_papers_formula(method: str, layer: str) -> None:
    model = Tiny().eval()
    found = explain(model, IMAGES, method, layer)
    largest = 0.0
    for index, target in enumerate(found.targets.tolist()):
        a, g, score = naive.activation_and_gradient(model, layer, IMAGES[index].clone(), target)
        expected = naive.naive_bilinear(CAMS[method](a, g, score), (24, 24))
        ours = found.maps[method, layer][index].numpy()
        if method == "grad-cam++":  # ours leaves out exp(score), one number per image
            expected = expected / np.exp(score)
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5 * expected.max())
        largest = max(largest, expected.max())
    assert largest > 0


def test_formulas_by_hand() -> None:
    a = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    g = torch.tensor([[[[1.0, 3.0]], [[-2.0, 1.0]]]])
    assert grad_cam(a, g).tolist() == [[[0.5, 4.0]]]  # alpha = 2, -1/2
    assert hires_cam(a, g).tolist() == [[[0.0, 6.0]]]  # 1 - 6, 6 + 0
    assert layer_cam(a, g).tolist() == [[[1.0, 6.0]]]
    # sums 3, 3; weights 1/(2+3) + 3/(2+9) and 1/(2+3)
    w = (1 / 5 + 3 / 11, 1 / 5)
    torch.testing.assert_close(grad_cam_plus_plus(a, g), torch.tensor([[[w[0] + 3 * w[1], 2 * w[0]]]]))


def test_small_gradients_do_not_vanish_in_grad_cam_plus_plus() -> None:
    a, g = torch.rand(1, 2, 3, 3), torch.rand(1, 2, 3, 3)
    torch.testing.assert_close(
        grad_cam_plus_plus(a, g * 1e-30) * 1e30, 0.5 * torch.einsum("bkhw,bk->bhw", a, g.sum((2, 3)))
    )


def test_guided_grad_cam_is_the_product_and_the_gradient_is_the_gradient() -> None:
    found = explain(Tiny(), IMAGES, ("guided-grad-cam", "guided-backprop", "grad-cam", "gradient"), "layer1")
    product = found.maps["guided-backprop", None] * found.maps["grad-cam", "layer1"][:, None]
    assert torch.equal(found.maps["guided-grad-cam", "layer1"], product)
    images = IMAGES.clone().requires_grad_()
    Tiny.forward(model := Tiny().eval(), images).amax(1).sum().backward()
    torch.testing.assert_close(explain(model, IMAGES, "gradient").maps["gradient", None], images.grad)


def test_every_method_and_layer_comes_from_one_forward() -> None:
    model = Tiny()
    forwards: list[int] = []
    model.register_forward_hook(lambda m, i, o: forwards.append(len(o)))
    found = explain(model, IMAGES, METHODS.names(), ["layer1", "layer2"])
    assert forwards == [3]
    assert len(found.maps) == 2 * 5 + 2
    explain(model, IMAGES, METHODS.names(), ["layer1"], batch_size=2)
    assert forwards == [3, 2, 1]


@pytest.mark.parametrize("method", [*METHODS.names(), "captum:IntegratedGradients"])
def test_a_batch_gives_the_maps_of_single_calls(method: str) -> None:
    model = lively(create_model("resnet20", "hoga", 10, width=8))
    options = {"method_options": {method: {"n_steps": 3}}} if method.startswith("captum") else {}
    for batch_size in (3, 2):
        (key, found), *_ = explain(model, IMAGES, method, batch_size=batch_size, **options).maps.items()
        single = torch.cat([explain(model, image[None], method, **options).maps[key] for image in IMAGES])
        assert (found - single).norm() <= 1e-4 * single.norm()


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("network", [Tiny, Fails])
def test_everything_of_the_callers_is_as_before(method: str, network: type[Tiny]) -> None:
    model = network().train()
    model.layer1[1].eval()
    model.fc.weight.requires_grad_(False)
    model.fc.bias.grad = torch.ones(10)
    images = IMAGES.clone()
    before, numpy_before = state_of(model), np.random.get_state()[1].tolist()  # noqa: NPY002
    if network is Fails:
        with pytest.raises(RuntimeError, match="broken on purpose"):
            explain(model, images, method, "layer1")
    else:
        explain(model, images, method, "layer1")
        with pytest.raises(OptionError, match="out of range"):
            explain(model, images, method, "layer1", target=99)
    assert state_of(model) == before
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002
    assert torch.equal(images, IMAGES)
    assert not images.requires_grad


@pytest.mark.parametrize("method", [*METHODS.names(), "captum:IntegratedGradients"])
def test_many_calls_do_not_grow_memory(method: str) -> None:
    model = Tiny()
    images = IMAGES[:1, :, :8, :8]

    def tensors_alive(calls: int) -> int:
        for _ in range(calls):
            explain(model, images, method, "layer1", **options)
        gc.collect()
        return sum(issubclass(type(item), Tensor) for item in gc.get_objects())

    options: dict[str, Any] = {"method_options": {method: {"n_steps": 2}}} if method.startswith("captum") else {}
    before = tensors_alive(3)
    assert tensors_alive(200 if not options else 30) <= before


def test_captums_other_attributions_are_captums() -> None:
    model = Tiny().eval()
    name = "captum:IntegratedGradients"
    found = explain(model, IMAGES, name, target=2, method_options={name: {"n_steps": 7}})
    expected = IntegratedGradients(model).attribute(IMAGES, target=2, n_steps=7).float()
    torch.testing.assert_close(found.maps[name, None], expected, rtol=1e-5, atol=1e-9)
    maps = explain(model, IMAGES, ("grad-cam", "captum:LayerGradCam"), "layer1", target=2).maps
    torch.testing.assert_close(maps["grad-cam", "layer1"], maps["captum:LayerGradCam", "layer1"])


class Normalises(nn.Module):
    """Normalises its input, in place in a way that counts as no change of the tensor, or not in place."""

    def __init__(self, network: nn.Module, in_place: bool) -> None:
        super().__init__()
        self.network = network
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        if self.in_place:
            x.data.sub_(0.5).div_(0.2)
        return self.network(x if self.in_place else (x - 0.5) / 0.2)


def test_a_network_that_works_in_place_on_its_input_is_explained_as_one_that_does_not() -> None:
    network, images = Tiny().eval(), IMAGES.clone()
    methods = ("grad-cam", "guided-backprop", "captum:FeatureAblation", "captum:LayerGradCam", "captum:Saliency")
    layer = "network.layer2"
    expected = explain(Normalises(network, False), images, methods, layer, target=2).maps
    found = explain(Normalises(network, True), images, methods, layer, target=2).maps
    assert torch.equal(images, IMAGES)
    # The derivative of what is written into `.data` is not in the graph: gradients are those of the normalised input.
    scale = {"captum:Saliency": 0.2, "guided-backprop": 0.2}
    for (method, where), maps in found.items():
        torch.testing.assert_close(maps * (1 / scale.get(method, 1)), expected[method, where], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["Saliency", "InputXGradient", "DeepLift", "GradientShap", "Occlusion", "FeatureAblation", "GuidedGradCam"]
)
def test_captum_methods_run_with_what_they_need(name: str) -> None:
    (key, maps), *_ = explain(Tiny(), IMAGES[:1], f"captum:{name}").maps.items()
    assert maps.shape == (1, 3, 24, 24)
    assert key == (f"captum:{name}", "layer2" if name == "GuidedGradCam" else None)


def test_targets_choose_the_class() -> None:
    model = Tiny().eval()
    logits = model(IMAGES).detach()
    assert torch.equal(explain(model, IMAGES, "gradient").targets, logits.argmax(1))
    assert explain(model, IMAGES, "gradient", target=3).targets.tolist() == [3, 3, 3]
    for classes in ([1, 2, 3], np.array([1, 2, 3]), torch.tensor([1, 2, 3])):
        found = explain(model, IMAGES, "gradient", target=classes)
        assert found.targets.tolist() == [1, 2, 3]
        assert explain(model, IMAGES, "gradient", target=classes, batch_size=2).targets.tolist() == [1, 2, 3]
        torch.testing.assert_close(found.scores, logits[range(3), [1, 2, 3]])
        torch.testing.assert_close(found.probabilities, logits.softmax(1)[range(3), [1, 2, 3]])
    assert explain(model, IMAGES, "gradient", target="label", labels=[1, 2, 3]).targets.tolist() == [1, 2, 3]


def test_uint8_images_get_the_networks_preprocessing() -> None:
    statistics = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))
    pixels = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    model = Tiny()
    found = explain(Variant(model, preprocessing=statistics), pixels, "gradient")
    expected = explain(model, statistics.normalize(pixels), "gradient")
    assert torch.equal(found.maps["gradient", None], expected.maps["gradient", None])
    assert explain(Tiny().double(), IMAGES, "gradient").maps["gradient", None].dtype == torch.float32


def test_relus_in_gates_are_guided_unless_told_otherwise() -> None:
    model = lively(create_model("resnet20", "se", 10, width=8))
    guided = explain(model, IMAGES, "guided-backprop")
    ordinary = explain(model, IMAGES, "guided-backprop", guide_gates=False)
    assert (guided.settings["guided_relus"], ordinary.settings["guided_relus"]) == (28, 19)
    assert (guided.settings["guide_gates"], ordinary.settings["guide_gates"]) == (True, False)
    assert not torch.equal(guided.maps["guided-backprop", None], ordinary.maps["guided-backprop", None])
    plain = create_model("resnet20", "none", 10, width=8)
    for with_gates in (True, False):
        assert explain(plain, IMAGES, "guided-backprop", guide_gates=with_gates).settings["guided_relus"] == 19


def smooth() -> nn.Module:
    """Return a network without ReLUs."""
    model = Tiny()
    model.layer1[2], model.layer2[2] = nn.GELU(), nn.GELU()
    return model.eval()


def test_of_a_network_without_relus_the_other_methods_go_on_with_a_warning() -> None:
    found = explain(smooth(), IMAGES, ("grad-cam", "guided-backprop", "guided-grad-cam"), "layer2", batch_size=2)
    assert list(found.maps) == [("grad-cam", "layer2")]
    alone = explain(smooth(), IMAGES, "grad-cam", "layer2")
    assert found.maps["grad-cam", "layer2"].shape == alone.maps["grad-cam", "layer2"].shape
    assert found.settings["methods"] == ["grad-cam"]
    (warning,) = found.warnings
    assert "this network ran none; met instead: gelu. guided-backprop, guided-grad-cam is left out; --method" in warning
    with pytest.raises(LayerError, match="this network ran none; met instead: gelu"):
        explain(smooth(), IMAGES, "guided-backprop")


def test_relus_that_run_under_no_grad_are_said_to() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.fc = Tiny(), nn.Linear(10, 2)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                features = self.backbone(x)
            return self.fc(features)

    with pytest.raises(LayerError, match="this network ran its 2 under no_grad"):
        explain(Frozen(), IMAGES, "guided-backprop")


class Tokens(Tiny):
    """Brings its features into the shape of a transformer's tokens, one of them extra."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(x)).flatten(2).transpose(1, 2)
        x = self.tokens(torch.cat((x.mean(1, keepdim=True), x), 1))
        return self.fc(x.mean(1))


def test_tokens_are_refused_without_reshape_and_explained_with_it() -> None:
    model = Tokens()
    with pytest.raises(LayerError, match=r"'tokens' puts out shape \(3, 145, 8\).*or give reshape"):
        explain(model, IMAGES, "grad-cam", "tokens")
    with pytest.raises(LayerError, match=r"which reshape made \(3, 144, 8\)"):
        explain(model, IMAGES, "grad-cam", "tokens", reshape=lambda x: x[:, 1:])
    found = explain(
        model, IMAGES, "grad-cam", "tokens", reshape=lambda x: x[:, 1:].transpose(1, 2).unflatten(2, (12, 12))
    )
    assert found.maps["grad-cam", "tokens"].shape == (3, 24, 24)


def test_maps_that_say_nothing_are_finite_and_flagged() -> None:
    model = Tiny()
    with torch.no_grad():
        model.layer2[1].weight.zero_()
        model.layer2[1].bias.fill_(-1)  # every unit is dead
    found = explain(model, IMAGES, ("grad-cam", "grad-cam++", "guided-backprop", "guided-grad-cam"))
    assert all((maps == 0).all() for maps in found.maps.values())
    assert set(found.status.values()) == {("zero",) * 3}
    assert "3 of 3 maps of grad-cam at layer2 are zero" in found.warnings[0]
    with torch.no_grad():
        model.layer2[1].bias.fill_(1)  # the same everywhere
        model.fc.weight[0] = 1
    found = explain(model, IMAGES, ("grad-cam", "hires-cam"), target=0)
    assert all(torch.isfinite(maps).all() and maps.max() > 0 for maps in found.maps.values())
    assert set(found.status.values()) == {("constant",) * 3}
    with torch.no_grad():
        model.fc.weight[0] = torch.nan
    found = explain(model, IMAGES, "grad-cam", target=0)
    assert found.status["grad-cam", "layer2"] == ("non-finite",) * 3
    assert found.summary["non-finite"].tolist() == [3]


def test_an_explanation_is_saved_and_loaded(tmp_path: Path) -> None:
    found = explain(Tiny(), IMAGES, ("grad-cam", "gradient"), ["layer1", "layer2"], target=1)
    found.save(tmp_path / "saved")
    loaded = Explanation.load(tmp_path / "saved")
    assert list(loaded.maps) == list(found.maps)
    for key, maps in found.maps.items():
        assert torch.equal(loaded.maps[key], maps)
    for name in ("targets", "scores", "logits"):
        assert torch.equal(getattr(loaded, name), getattr(found, name))
    assert (loaded.status, loaded.settings, loaded.warnings) == (found.status, found.settings, found.warnings)
    assert "grad-cam" in found._repr_html_()
    (tmp_path / "saved" / "result.json").unlink()
    with pytest.raises(DataError, match="no saved explanation"):
        Explanation.load(tmp_path / "saved")


IG = "captum:IntegratedGradients"
NO_HEAD = Variant(Tiny(), has_head=False)


@pytest.mark.parametrize(
    ("model", "arguments", "error", "message"),
    [
        (Tiny(), {"target": "label"}, OptionError, "target 'label' explains each image's own class, and no labels"),
        (Tiny(), {"target": "best"}, OptionError, "target is 'predicted', 'label', .* found 'best'"),
        (Tiny(), {"target": [1, 2]}, OptionError, r"one class number per image: 3 images, targets \(2,\)"),
        (Tiny(), {"target": "label", "labels": [1]}, OptionError, r"3 images, labels \(1,\)"),
        (Tiny(), {"target": [0.5, 1, 2]}, OptionError, "whole class numbers; found float32"),
        (Tiny(), {"target": 10}, OptionError, "class 10 is out of range: the network has 10 outputs, 0 to 9"),
        (Tiny(), {"target": [0, -1, 0]}, OptionError, "class -1 is out of range"),
        (Tiny(), {"target": None}, OptionError, "found None"),
        (
            Tiny(),
            {"methods": "grad-cm"},
            UnknownNameError,
            "unknown saliency method 'grad-cm'; the nearest known: grad-cam",
        ),
        (
            Tiny(),
            {"methods": "captum:Integrated"},
            UnknownNameError,
            "no attribution 'Integrated'; .*IntegratedGradients",
        ),
        (Tiny(), {"methods": ()}, OptionError, "one or more names, each once; found none"),
        (Tiny(), {"methods": ("gradient", "gradient")}, OptionError, "each once; found gradient, gradient"),
        (Tiny(), {"method_options": {"grad-cam": {}}}, OptionError, "'grad-cam', which is no captum: method"),
        (ReusedReLU(), {"methods": "captum:DeepLift"}, OptionError, "DeepLift cannot explain this .* more than once"),
        (Tiny(), {"methods": IG, "method_options": {IG: {"steps": 1}}}, OptionError, "unexpected keyword .*'steps'"),
        (Tiny(), {"layers": "layer7"}, UnknownNameError, "no layer 'layer7'"),
        (Tiny(), {"layers": []}, OptionError, "the list of layers is empty"),
        (Tiny(), {"layers": "fc"}, LayerError, r"'fc' puts out shape \(3, 10\); a saliency map needs a feature map"),
        (Tiny(), {"images": IMAGES[0]}, DataError, r"found shape \(3, 24, 24\) \(images\[None\] makes a batch"),
        (Tiny(), {"images": [IMAGES]}, DataError, "found list"),
        (Tiny(), {"images": IMAGES[:0]}, DataError, "there is no image to explain"),
        (Tiny(), {"images": IMAGES.byte()}, DataError, "uint8 and the network's preprocessing is not known"),
        (Tiny(), {"images": IMAGES.long()}, DataError, "floating point or uint8"),
        (NO_HEAD, {}, DataError, "has no head, so that there is no class score"),
        (nn.Sequential(nn.Conv2d(3, 4, 1)), {}, LayerError, "no stages named layer1"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    model: nn.Module, arguments: dict[str, Any], error: type[AutolaError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        explain(model, **({"images": IMAGES} | arguments))
    assert "\n" not in str(raised.value)


def test_gradient_methods_run_on_the_network_itself() -> None:
    model = lively(create_model("resnet20", "none", 10, width=8))
    found = explain(model, IMAGES, "guided-backprop")
    again = gradients(model, IMAGES, lambda logits: logits.amax(1), guided=True)
    assert torch.equal(found.maps["guided-backprop", None], again.guided)
    assert torch.equal(found.logits, model(IMAGES).detach())


class Heads(Tiny):
    """Puts out its logits in the way that a test asks for."""

    def __init__(self, pack: Callable[[Tensor], Any], outputs: int = 10) -> None:
        super().__init__(outputs)
        self.pack = pack

    def forward(self, x: Tensor) -> Any:
        return self.pack(super().forward(x))


OUTPUTS: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Tensor], int]] = {
    "tuple": (lambda logits: (logits.sum(), logits), lambda output: output[1][:, 3], 10),
    "dict": (lambda logits: {"logits": logits}, lambda output: output["logits"][:, 3], 10),
    "several labels": (lambda logits: logits.sigmoid(), lambda output: output[:, [1, 4]].sum(1), 10),
    "a column": (lambda logits: logits, lambda output: output[:, 0], 1),
    "a number": (lambda logits: logits[:, 0], lambda output: output, 1),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_score_is_explained_of_any_output(kind: str, tmp_path: Path) -> None:
    pack, score, outputs = OUTPUTS[kind]
    model = Heads(pack, outputs).eval()
    forwards: list[int] = []
    model.register_forward_hook(lambda m, i, o: forwards.append(1))
    found = explain(model, IMAGES, ("grad-cam", "gradient"), "layer1", target=score, batch_size=2)
    assert len(forwards) == 2
    images = IMAGES.clone().requires_grad_()
    activation = model.layer1(images)
    scores = score(pack(model.fc(model.layer2(activation).mean((2, 3)))))
    image, gradient = torch.autograd.grad(scores.sum(), [images, activation])
    torch.testing.assert_close(found.maps["gradient", None], image)
    torch.testing.assert_close(found.maps["grad-cam", "layer1"], grad_cam(activation, gradient).detach())
    torch.testing.assert_close(found.scores, scores.detach())
    assert found.targets.tolist() == [-1, -1, -1]
    assert found.settings["target"] == "function <lambda>"
    found.save(tmp_path)
    for each in (found, Explanation.load(tmp_path)):
        assert each.logits.shape == (3, 0)
        with pytest.raises(DataError, match=r"a function read the scores .* no logits, predictions or probabilities"):
            _ = each.predicted
        with pytest.raises(DataError, match="a function read the scores"):
            _ = each.probabilities


def test_captum_explains_the_same_score_at_the_image_and_at_a_layer() -> None:
    torch.manual_seed(0)
    pack, score, _ = OUTPUTS["dict"]
    named, plain = Heads(pack).eval(), Tiny().eval()
    named.load_state_dict(plain.state_dict())
    methods = ("captum:IntegratedGradients", "captum:LayerGradCam", "captum:GuidedBackprop")
    options = {"captum:IntegratedGradients": {"n_steps": 4}, "captum:LayerGradCam": {"relu_attributions": False}}
    found = explain(named, IMAGES, methods, "layer1", target=score, method_options=options)
    expected = explain(plain, IMAGES, methods, "layer1", target=3, method_options=options)
    assert found.maps.keys() == expected.maps.keys()
    for key, maps in expected.maps.items():
        assert maps.abs().max() > 0
        torch.testing.assert_close(found.maps[key], maps)


def test_a_run_of_a_layer_is_explained_and_captum_refuses_it() -> None:
    model = ReusedReLU().eval()
    found = explain(model, IMAGES, "grad-cam", ["relu#1", "relu#2"]).maps
    first = model.layer1(IMAGES)
    second = model.layer2(first)
    score = model.fc(second.mean((2, 3))).amax(1).sum()
    for place, activation, gradient in zip(
        ("relu#1", "relu#2"), (first, second), torch.autograd.grad(score, [first, second]), strict=True
    ):
        expected = upsample(grad_cam(activation, gradient), (24, 24)).detach()
        torch.testing.assert_close(found["grad-cam", place], expected)
    with pytest.raises(OptionError, match="LayerGradCam explains at a whole layer; 'relu#1' names a part of one"):
        explain(model, IMAGES, "captum:LayerGradCam", "relu#1")


def test_a_network_without_a_head_may_have_a_score() -> None:
    found = explain(NO_HEAD, IMAGES, "gradient", target=lambda output: output.norm(dim=1))
    assert found.scores.shape == (3,)


def test_a_class_of_a_network_without_logits_is_refused_with_the_way_out() -> None:
    model = Heads(OUTPUTS["dict"][0])
    with pytest.raises(LayerError, match=r"this one puts out dict: give as target a function that reads a score"):
        explain(model, IMAGES, "gradient", target=3)


def test_a_given_class_costs_no_forward_and_a_prediction_one_without_a_backward_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Tiny()
    forwards: list[bool] = []
    model.register_forward_hook(lambda m, i, o: forwards.append(o.requires_grad))
    assert explained_classes(model, IMAGES, 4).tolist() == [4, 4, 4]
    assert explained_classes(model, IMAGES, [1, 2, 3]).tolist() == [1, 2, 3]
    assert explained_classes(model, IMAGES, "label", labels=[3, 2, 1]).tolist() == [3, 2, 1]
    assert forwards == []
    monkeypatch.setattr(torch.autograd, "grad", None)
    predicted = explained_classes(model, IMAGES)
    assert forwards == [False]  # and no graph
    assert torch.equal(explained_classes(model, IMAGES, batch_size=2), predicted)
    assert forwards == [False] * 3
    assert torch.equal(predicted, model.eval()(IMAGES).argmax(1))
