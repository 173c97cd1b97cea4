"""A search that is killed at any moment goes on and ends as it would have, to the last bit."""

import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autola_analysis.checkpoints import load_model
from autola_analysis.search.result import SearchResult
from tests.data.conftest import write_image

from .commands import Command, completed
from .conftest import EVERYTHING

KILLS = 12 if EVERYTHING else 2
ORDERS = ("1", "2") if EVERYTHING else ("2",)
SMALL = ["--set", "epochs=3", "--set", "batch_size=8", "--set", "normalize=none", "--set", "width=4"]
SEARCH = ["search", "cluttered-digits", "--data", "folder:images", *SMALL, "--device", "cpu", "--quiet"]


def found(out: Path) -> dict[str, Any]:
    """Return all that a search found, but the seconds that it took."""
    result = SearchResult.load(out)
    weights = load_model(out / "supernet.safetensors", device="cpu").model.state_dict()
    return {
        "alphas": result.alphas.tobytes(),
        "genotype": (out / "genotype.json").read_bytes(),
        "epochs": result.epochs.drop(columns="seconds").to_csv(),
        "gaps": result.gaps.to_csv(),
        **{name: tensor.numpy().tobytes() for name, tensor in weights.items()},
    }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("order", ORDERS)
def test_a_search_that_is_killed_at_any_moment_ends_as_it_would_have(order: str, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    for split in ("train", "test"):
        for number in range(32):
            colour = (7 * number, 80, 250 - 7 * number)
            write_image(folder / "images" / split / "ab"[number % 2] / f"{number}.png", colour, (16, 16))
    arguments = [*SEARCH, "--order", order, "--out", "found"]
    completed(["list", "search-recipes"], folder)  # starts what commands are forked from
    seconds = completed([*arguments[:-1], "whole"], folder)
    expected, out = found(folder / "whole"), folder / "found"
    for number, share in enumerate(np.random.default_rng(0).uniform(0, 1.1, KILLS)):
        command = Command(arguments, folder)
        if number == 0:  # at least one goes on from an epoch
            command.wait_until(lambda _: (folder / "found.search" / "last.ckpt").exists())
        else:
            time.sleep(share * seconds)
        command.send(signal.SIGKILL, to_all=False)
        assert command.status() in (0, 2, -signal.SIGKILL), command.said()  # 2: it had ended before
        assert not out.exists() or found(out) == expected
    if not out.exists():
        completed(arguments, folder)
    assert found(out) == expected
    assert [path.name for path in folder.rglob("*") if ".partial-" in path.name or path.suffix == ".tmp"] == []
    assert "Traceback" not in command.said()
