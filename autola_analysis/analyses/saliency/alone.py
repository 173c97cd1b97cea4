"""Functions that must not see what other threads run, nor the arithmetic that a caller has chosen for other code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

from autola_analysis.core.device import check_memory
from autola_analysis.inference.precision import precision_of
from autola_analysis.inference.turns import TURN

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


def by_itself(function: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Return a function that runs in one thread at a time, and in float32 whatever the caller's autocast says."""

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        check_memory()
        with TURN, ExitStack() as stack:
            for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
                stack.enter_context(precision_of("float32", torch.device(device)))
            return function(*args, **kwargs)

    return alone
