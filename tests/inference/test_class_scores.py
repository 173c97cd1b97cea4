"""What the numbers of a classifier are taken for, and what becomes of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.core.output_kind import OutputKind, checked_output_kind
from autola_analysis.inference.class_scores import class_scores, found_output_kind, kind_of_output, log_probabilities
from autola_analysis.inference.tasks import Classification
from tests.inference.state import state_of


class Ends(nn.Module):
    """A convolution and a linear layer, then some ending."""

    def __init__(self, outputs: int, ending: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, outputs)
        self.ending = ending

    def forward(self, x: Tensor) -> Tensor:
        return self.ending(self.fc(self.relu(self.conv(x)).mean((2, 3))))


class WithoutGraph(Ends):
    """A network whose author switched gradients off."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x)


class LeavesTorch(Ends):
    """A network that goes through NumPy, which nothing that takes a gradient can."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(super().forward(x).numpy())


IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("outputs", "ending", "expected"),
    [
        (5, lambda x: x, "softmax"),
        (5, nn.ReLU(), "softmax"),
        (5, nn.LogSoftmax(dim=1), "softmax"),
        (5, nn.Softmax(dim=1), "probabilities"),
        (5, lambda x: functional.softmax(x.float(), 1), "probabilities"),
        (5, lambda x: x.log_softmax(1).exp(), "probabilities"),
        (5, nn.Sigmoid(), "probabilities"),
        (5, nn.Hardsigmoid(), "probabilities"),
        (5, lambda x: x.sigmoid().clamp(1e-6, 1 - 1e-6), "probabilities"),
        (5, lambda x: 0.01 * x.relu(), "softmax"),
        (1, lambda x: x, "sigmoid"),
        (1, lambda x: 0.01 * x.abs(), "sigmoid"),  # within 0 and 1, and no probability
        (1, lambda x: x.squeeze(1), "sigmoid"),
        (1, nn.Sigmoid(), "probabilities"),
        (1, lambda x: torch.sigmoid(x).squeeze(1), "probabilities"),
        (1, lambda x: torch.sigmoid(x[:, 0]), "probabilities"),
        (1, lambda x: functional.hardsigmoid(x).view(-1).unsqueeze(1), "probabilities"),
    ],
)
def test_the_ending_of_a_network_says_what_its_outputs_are(
    outputs: int, ending: Callable[[Tensor], Tensor], expected: OutputKind
) -> None:
    model = Ends(outputs, ending).train()
    before = state_of(model)
    random = torch.get_rng_state()
    with torch.inference_mode():
        assert found_output_kind(model, IMAGES, model(IMAGES)) == expected
    assert state_of(model) == before
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("kind", [WithoutGraph, LeavesTorch])
def test_values_decide_where_there_is_no_graph(kind: type[Ends]) -> None:
    for ending, expected in ((nn.Softmax(dim=1), "probabilities"), (nn.Identity(), "softmax")):
        model = kind(5, ending)
        with torch.no_grad():
            assert found_output_kind(model, IMAGES, model(IMAGES)) == expected


def test_logits_are_known_without_another_forward() -> None:
    def refuse(model: nn.Module, inputs: object) -> None:
        raise AssertionError("ran again")

    model = Ends(5)
    output = model(IMAGES)
    model.register_forward_pre_hook(refuse)
    assert found_output_kind(model, IMAGES, output) == "softmax"


def test_scores_and_probabilities_by_hand() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.25]])
    assert class_scores(logits, "softmax") is logits
    e = torch.tensor([[2.0, -1.0], [0.5, 0.25]]).double().exp()
    torch.testing.assert_close(log_probabilities(logits, "softmax").exp().double(), e / e.sum(1, keepdim=True))
    torch.testing.assert_close(log_probabilities(logits, "sigmoid").exp().double(), e / (1 + e))
    shares = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    torch.testing.assert_close(log_probabilities(shares, "probabilities").exp(), shares)


@pytest.mark.parametrize("shape", [(3, 1), (3,)])
def test_a_single_number_speaks_for_class_1_and_against_class_0(shape: tuple[int, ...]) -> None:
    logits = torch.tensor([-2.0, 0.5, 0.0])
    scores = class_scores(logits.reshape(shape), "sigmoid")
    assert scores.tolist() == [[2.0, -2.0], [-0.5, 0.5], [0.0, 0.0]]
    positive = 1 / (1 + (-logits.double()).exp())
    expected = torch.stack([1 - positive, positive], 1)
    torch.testing.assert_close(log_probabilities(scores, "sigmoid").exp().double(), expected, rtol=1e-6, atol=0)
    shares = torch.tensor([0.2, 1.0, 0.5])
    scores = class_scores(shares.reshape(shape), "probabilities")
    torch.testing.assert_close(scores, torch.tensor([[0.8, 0.2], [0.0, 1.0], [0.5, 0.5]]))
    torch.testing.assert_close(log_probabilities(scores, "probabilities").exp(), scores)
    assert Classification("sigmoid").score(torch.tensor([0, 1, 0]))(logits.reshape(shape)).tolist() == [2.0, 0.5, 0.0]


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(OptionError, match="a single output has no softmax"):
        class_scores(torch.zeros(3, 1), "softmax")
    with pytest.raises(LayerError, match=r"this one puts out shape \(3, 4, 5\)"):
        class_scores(torch.zeros(3, 4, 5), "softmax")
    with pytest.raises(OptionError, match="--output is one of softmax, sigmoid, probabilities; found 'logits'"):
        checked_output_kind("logits")
    assert kind_of_output({"logits": torch.zeros(3, 4)}) == "softmax"
