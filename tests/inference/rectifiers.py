"""The forms in which networks write a ReLU, and guided backpropagation written by hand."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.inference.networks import Tiny


class HandWrittenReLU(torch.autograd.Function):
    """Springenberg et al.: a gradient passes where the input was positive and the gradient is positive."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * (x > 0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * (ctx.saved_tensors[0] > 0) * (gradient > 0)


def statement(x: Tensor) -> Tensor:
    x.relu_()
    return x


def twice_in_a_row(x: Tensor) -> Tensor:
    x.relu_()
    F.relu(x, inplace=True)
    x.clamp_(min=0)
    return x


def through_a_view(x: Tensor) -> Tensor:
    x[:, :4].relu_()
    x[:, 4:].clamp_min_(0)
    return x


def clamp_then_add(x: Tensor) -> Tensor:
    x.clamp_(min=0)
    return x.add_(0.0)


def with_an_integer_clamp(x: Tensor) -> Tensor:
    place = torch.arange(-2, x.shape[1] - 2).clamp(min=0)
    return torch.relu(x) + 0 * place[None, :, None, None]


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu in place by position": lambda x: F.relu(x, True),
    "F.relu by name": lambda x: F.relu(input=x),
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "x.relu()": lambda x: x.relu(),
    "x.relu_()": lambda x: x.relu_(),
    "x.relu_() as a statement": statement,
    "twice in a row": twice_in_a_row,
    "through a view": through_a_view,
    "x.clamp(min=0)": lambda x: x.clamp(min=0),
    "x.clamp(0)": lambda x: x.clamp(0),
    "x.clamp_(min=0)": lambda x: x.clamp_(min=0),
    "x.clamp(min=tensor(0))": lambda x: x.clamp(min=torch.zeros(())),
    "torch.clamp": lambda x: torch.clamp(x, min=0.0),
    "clamp, then in place": clamp_then_add,
    "x.clamp_min(0)": lambda x: x.clamp_min(0),
    "x.clamp_min_(0)": lambda x: x.clamp_min_(0),
    "torch.clamp_min": lambda x: torch.clamp_min(x, 0),
    "x.clip(min=0)": lambda x: x.clip(min=0),
    "x.clip_(0)": lambda x: x.clip_(0),
    "F.threshold": lambda x: F.threshold(x, 0, 0),
    "F.threshold in place": lambda x: F.threshold(x, 0.0, 0.0, True),
    "F.threshold by name": lambda x: F.threshold(x, value=0, threshold=0),
    "F.threshold_": lambda x: F.threshold_(x, 0, 0),
    "nn.Threshold": nn.Threshold(0, 0),
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU(inplace=True)": nn.ReLU(inplace=True),
    "aten.relu": lambda x: torch.ops.aten.relu(x),
    "aten.relu.default": lambda x: torch.ops.aten.relu.default(x),
    "beside an integer clamp": with_an_integer_clamp,
}


class Rectified(Tiny):
    """One ReLU, whatever its form, at three places."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(*self.layer1[:2])
        self.layer2 = nn.Sequential(*self.layer2[:2])
        self.layer3 = nn.Conv2d(8, 8, 3)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.layer1(x))
        x = self.relu(self.layer2(x))
        return self.fc(self.relu(self.layer3(x)).mean((2, 3)))
