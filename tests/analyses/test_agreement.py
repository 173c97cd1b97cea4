"""What processes compare before a pass; two threads with a store in memory stand for two processes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses.agreement import LAWFUL, check_same_pass, versions
from autola_analysis.analyses.gates.measure import measure_gates
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.pass_cache import pass_inputs
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.core.distributed import ProcessError, enter
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.inference.distributed import Launched
from autola_analysis.inference.run import Settings

READING = Reading(Settings(device="cpu", quiet=True), batch_size=8)
DIGITS = ClutteredDigits("test", 16)


def network(seed: int) -> Variant:
    torch.manual_seed(seed)
    return Variant(create_model("resnet20", "se", 10, width=4).eval(), "SE")


NETWORK, TWIN, OTHER = network(0), network(0), network(1)


def together(*calls: Callable[[], Any]) -> list[str]:
    """Make each call as a process of one run; return the sentences that they end in."""
    store = torch.distributed.HashStore()

    def process(rank: int) -> str:
        processes = Launched(store, rank, len(calls))
        enter(processes)
        try:
            with pytest.raises(ProcessError) as caught:
                calls[rank]()
            return str(caught.value)
        finally:
            processes.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(process, range(len(calls))))


def loader(classes: int) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.zeros(8, 3, 32, 32), torch.arange(8) % classes), batch_size=4)


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "weights": (lambda: measure_selectivity(OTHER, DIGITS, reading=READING), "network of SE"),
    "classes": (
        lambda: measure_selectivity(replace(TWIN, classes=tuple("abcdefghij")), DIGITS, reading=READING),
        "classes of SE",
    ),
    "options": (
        lambda: measure_selectivity(TWIN, DIGITS, reading=READING, permutations=2),
        "options of selectivity for SE",
    ),
    "images": (
        lambda: measure_selectivity(TWIN, ClutteredDigits("test", 17), reading=READING),
        "names, sizes or classes of the images of cluttered-digits",
    ),
    "batch size": (
        lambda: measure_selectivity(TWIN, DIGITS, reading=replace(READING, batch_size=4)),
        "batch size of SE (4, not 8)",
    ),
    "analysis": (
        lambda: measure_gates(TWIN, DIGITS, reading=READING),
        "options of selectivity for SE, options of top images for SE, options of gates for SE",
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_pass_of_processes_that_differ_is_refused(name: str) -> None:
    other, found = CASES[name]
    said = together(lambda: measure_selectivity(NETWORK, DIGITS, reading=READING), other)
    assert said[0] == said[1]
    assert said[0].partition(": ")[2] == f"{found}; give all processes of a run the same files, options and versions."


STREAM = SimpleNamespace(fingerprint="f", batch_size=8)
INPUTS: dict[str, dict[str, Any]] = {
    "network": {"variant": OTHER},
    "spec": {"variant": replace(TWIN, spec=ModelSpec("resnet20", "se", 10, {"width": 8}))},
    "classes": {"variant": replace(TWIN, classes=tuple("abcdefghij"))},
    "outputs": {"variant": replace(TWIN, output="sigmoid")},
    "preprocessing": {"preprocessing": Preprocessing(crop=24)},
    "precision": {"settings": Settings(device="cpu", precision="bfloat16")},
    "decoder": {"settings": Settings(device="cpu", decoder="gpu")},
    "channel axis": {"settings": Settings(device="cpu", channel_axis="last")},
    "folding": {"settings": Settings(device="cpu", fold=False)},
    "compiling": {"settings": Settings(device="cpu", compile=True)},
    "batch size": {"stream": SimpleNamespace(fingerprint="f", batch_size=4)},
}
"""One changed input of a pass each."""


def checked(
    variant: Variant = TWIN,
    preprocessing: Preprocessing | None = None,
    stream: Any = STREAM,
    settings: Settings = READING.settings,
    asked: str = "",
) -> Callable[[], None]:
    return lambda: check_same_pass([(variant, preprocessing)], stream, settings, [{"gates": {"option": asked}}])


def test_every_input_of_a_pass_is_tried() -> None:
    inputs = pass_inputs(NETWORK, "address", None, cast(Any, STREAM), READING.settings)
    assert INPUTS.keys() == inputs.keys() - {*LAWFUL, "processes"}  # whose number is one for all


@pytest.mark.parametrize("name", list(INPUTS))
def test_a_pass_with_any_one_input_different_is_refused(name: str) -> None:
    said = together(checked(NETWORK), checked(**INPUTS[name]))
    assert said[0] == said[1]
    assert f"{name} of SE" in said[0]
    assert "options of gates for SE" in together(checked(NETWORK), checked(asked="x"))[0]


def test_maps_of_processes_that_differ_are_refused() -> None:
    said = together(
        *(
            lambda network=network, guided=guided: measure_saliency(
                network, DIGITS, reading=READING, guide_gates=guided
            )
            for network, guided in ((NETWORK, True), (TWIN, False))
        )
    )
    assert "options of saliency for SE" in said[0]
    assert said[0] == said[1]


def test_loaders_with_other_labels_are_refused() -> None:
    said = together(
        *(lambda count=count: measure_selectivity(NETWORK, loader(count), reading=READING) for count in (2, 4))
    )
    assert "labels, classes or batches of the loader" in said[0]


def test_versions_are_those_of_all_that_numbers_depend_on() -> None:
    assert {"version of Python", "version of torch", "version of autola-analysis"} <= versions().keys()
