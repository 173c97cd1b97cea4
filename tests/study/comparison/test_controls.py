"""Controls that a study holds or lacks."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis.attention import Genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.statistics.compare import COMPARISON_TABLE
from autola_analysis.study.comparison.controls import CONTROLS_TABLE, Control, ControlledNetwork, controls_of
from autola_analysis.study.comparison.searched import SEARCH_RANDOM_TABLE
from autola_analysis.study.comparison.section import claims_section

HOGA = ModelSpec("resnet20", "hoga", 10, {"width": 8})
PLAIN = ModelSpec("resnet20", "none", 10, {"width": 8})


def network(
    name: str, spec: ModelSpec | None, accuracy: float | None = 0.9, parameters: int | None = None, macs: int = 100
) -> ControlledNetwork:
    if parameters is None:
        parameters = 1000 if spec is None else spec.parameters
    return ControlledNetwork(name, spec, parameters, macs, accuracy)


def random_hoga(seed: int) -> ModelSpec:
    return ModelSpec("resnet20", "hoga-random", 10, {"width": 8}, {"genotype_seed": seed})


def control(name: str, *networks: ControlledNetwork, candidate: str = "HOGA") -> Control:
    (found,) = [each for each in controls_of(candidate, networks) if each.name == name]
    return found


def test_detectors_need_no_equal_accuracy_and_are_trained_in_one_size() -> None:
    ours = replace(network("HOGA", HOGA, None, parameters=2000), classifies=False)
    plain = replace(network("none", PLAIN, None, parameters=PLAIN.parameters), classifies=False)
    assert [each.name for each in controls_of("HOGA", [ours, plain])] == ["random wirings", "equal parameters"]
    lacking = control("equal parameters", ours, plain)
    assert not lacking.held
    assert lacking.what.startswith("no variant without the module has as many parameters (within 2%) as HOGA, 2,000 (")
    assert "--match-parameters" not in lacking.what
    assert control("equal parameters", ours, replace(plain, parameters=2000)).held


def test_random_wirings_are_held_from_three_on() -> None:
    ours = network("HOGA", HOGA)
    rand = [network("Rand", random_hoga(seed)) for seed in range(5)]
    assert control("random wirings", ours, *rand) == Control("random wirings", True, "5 other wirings of HOGA (Rand)")
    apart = [network(f"R{seed}", random_hoga(seed)) for seed in range(3)]
    assert control("random wirings", ours, *apart).what == "3 other wirings of HOGA (R0, R1, R2)"
    few = control("random wirings", ours, *rand[:1])
    assert not few.held
    assert few.what == (
        "1 other wiring of HOGA; a population has 3 or more, trained with --attention hoga-random --attention-option "
        "genotype_seed=N"
    )
    assert control("random wirings", ours, network("none", PLAIN)).what.startswith("no other wiring of HOGA; ")


def test_the_candidates_own_wiring_and_the_same_one_twice_are_no_population() -> None:
    by_file = ModelSpec("resnet20", "hoga", 10, {"width": 8}, {"genotype": Genotype.random(1).to_pairs()})
    same = [network(f"R{run}", spec) for run, spec in enumerate([random_hoga(1), by_file, random_hoga(2), HOGA])]
    assert not control("random wirings", network("HOGA", HOGA), *same).held


@pytest.mark.parametrize(("parameters", "held"), [(1020, True), (980, True), (1021, False), (979, False)])
def test_parameters_are_equal_within_two_per_cent(parameters: int, held: bool) -> None:
    ours = network("HOGA", HOGA, parameters=1000)
    wide = network("wide", None, parameters=parameters, macs=110)
    assert not control("equal parameters", ours, wide).held  # what it is made of is not known
    plain = network("wide", PLAIN, parameters=parameters, macs=110)
    if not held:
        ours, plain = (replace(each, parameters=100 * each.parameters) for each in (ours, plain))
    found = control("equal parameters", ours, plain)
    assert found.held is held
    assert f"wide: parameters {parameters / 10 - 100:+.1f}%, multiply-adds +10.0%" in found.what


def test_the_nearest_width_is_as_equal_as_can_be() -> None:
    ours = network("HOGA", HOGA)
    nearest = PLAIN.matched(HOGA.parameters)
    far = ModelSpec("resnet20", "none", 10, {"width": nearest.options["width"] + 1})
    tight = network("HOGA", HOGA, parameters=round(nearest.parameters * 1.03))
    assert PLAIN.matched(tight.parameters) == nearest
    assert control("equal parameters", ours, network("wide", nearest)).held
    assert control("equal parameters", tight, network("wide", nearest)).held
    assert not control("equal parameters", tight, network("wide", far)).held
    assert not control("equal parameters", network("HOGA", HOGA, parameters=500), network("wide", far)).held
    lacking = control("equal parameters", ours, network("none", PLAIN))
    assert not lacking.held
    assert lacking.what.startswith(
        "no variant without the module has as many parameters (within 2%, or the nearest width) as HOGA, "
        f"{HOGA.parameters:,} (none: parameters -"
    )
    assert lacking.what.endswith(f"; train one with --match-parameters {HOGA.parameters}")


def test_another_module_of_the_same_size_is_no_control_for_size() -> None:
    ours, se = network("HOGA", HOGA, parameters=1000), network("SE", ModelSpec("resnet20", "se", 10), parameters=1000)
    assert not control("equal parameters", ours, se).held


def test_accuracy_is_that_of_all_runs_and_equal_within_a_point() -> None:
    ours = [network("HOGA", HOGA, accuracy) for accuracy in (0.90, 0.92)]
    others = [network("SE", PLAIN, 0.92), network("none", PLAIN, 0.89), network("none", PLAIN, 0.88)]
    assert control("equal accuracy", *ours, *others) == Control(
        "equal accuracy", True, "within 1 point of HOGA: SE +1.00; further away: none -2.50"
    )
    assert control("equal accuracy", *ours, *others[1:]) == Control(
        "equal accuracy", False, "no variant is within 1 point of HOGA (none -2.50); train with --keep-at-accuracy and "
        "compare the checkpoints that are kept",
    )  # fmt: skip
    unknown = network("SE", PLAIN, None)
    assert control("equal accuracy", *ours, unknown) == Control("equal accuracy", False, "accuracy was not measured")


def test_a_candidate_without_a_module_is_asked_for_accuracy_alone() -> None:
    found = controls_of("none", [network("none", PLAIN), network("HOGA", HOGA)])
    assert [each.name for each in found] == ["equal accuracy"]
    se = controls_of("SE", [network("SE", ModelSpec("resnet20", "se", 10)), network("none", PLAIN)])
    assert [each.name for each in se] == ["equal parameters", "equal accuracy"]


def test_the_page_shows_all_controls_and_names_the_lacking_ones_among_its_limits(tmp_path: Path) -> None:
    rows = [["HOGA", "random wirings", True, "5 wirings"], ["HOGA", "equal accuracy", False, "no variant is near"]]
    controls = CONTROLS_TABLE.frame(rows)
    comparison, claims, searched = COMPARISON_TABLE.frame(), CLAIMS_TABLE.frame(), SEARCH_RANDOM_TABLE.frame()
    section = claims_section(comparison, claims, Sheet(tmp_path, "data"), controls, searched)
    (table,) = section.tables.values()
    pd.testing.assert_frame_equal(table, controls)
    assert section.limits == ["A control is lacking for HOGA, equal accuracy: no variant is near."]
