"""What the benchmark makes of a short and a long run, and the networks that it measures."""

import pytest
import torch

from autola_analysis.backbones import create_model
from autola_analysis.inference.run import Settings, run
from autola_analysis.inference.running import Job
from autola_analysis.inference.stream import open_stream
from benchmarks.small.selectivity import InMemory, print_lines, settled
from tests.inference.test_run import Recorder


def test_fixed_seconds_and_rates_are_those_of_the_line_through_two_runs(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {
        "ours, 2 batches": [0.9, 0.7, 5.0],  # 0.5 + 20 / 50
        "ours, 6 batches": [1.7, 1.7, 1.7],
        "bare, 2 batches": [0.2],  # 20 / 100
        "bare, 6 batches": [0.6],
    }
    print_lines(seconds, [("ours", "bare")], 10, (2, 6))
    out = capsys.readouterr().out
    assert "| ours | 0.500 | 50 | 2.00 | 2.00 |" in out
    assert "| bare | 0.000 | 100 | | |" in out


def test_settled_networks_have_a_faster_copy() -> None:
    torch.manual_seed(0)
    model = settled(create_model("resnet20", "hoga", 10, width=8), 32)
    recorder = Recorder("layer3")
    record = run([Job(model, [recorder])], open_stream(InMemory(8, 1, 32, False), None), Settings("cpu", quiet=True))
    assert record.networks[0].folded > 0
    assert not model.training
