"""In which arithmetic networks run; what TF32 itself changes only a GPU shows, see tests/gpu."""

import pytest
import torch
from torch import Tensor

from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.inference.run import Settings, run
from autola_analysis.inference.running import Job
from autola_analysis.inference.stream import open_stream
from tests.inference.networks import Tiny
from tests.inference.test_run import Recorder

SEEN: list[bool] = []


class Noting(Tiny):
    """Notes at every forward whether convolutions may round to TF32."""

    def forward(self, x: Tensor) -> Tensor:
        SEEN.append(torch.backends.cudnn.allow_tf32)
        return super().forward(x)


@pytest.mark.parametrize(("precision", "batches"), [("float32", False), ("tf32", True)])
def test_networks_are_verified_in_float32_and_run_in_what_was_asked_for(precision: str, batches: bool) -> None:
    SEEN.clear()
    assert torch.backends.cudnn.allow_tf32  # as torch starts
    job = Job(Noting(), [Recorder("layer1")], Preprocessing())
    run([job], open_stream(ClutteredDigits("test", 4), None, batch_size=2), Settings("cpu", precision, quiet=True))
    assert torch.backends.cudnn.allow_tf32
    assert len(SEEN) > 2
    assert not any(SEEN[:-2])
    assert SEEN[-2:] == [batches, batches]
