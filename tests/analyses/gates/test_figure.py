import numpy as np
import pytest
from torch import nn

from autola_analysis.analyses.gates.figure import chosen_classes, plot_gates, stage_gates
from autola_analysis.analyses.gates.measure import measure_gates
from autola_analysis.analyses.gates.result import GateResult
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.attention.squeeze_excitation import SqueezeExcitation
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings


@pytest.fixture(scope="module")
def results() -> list[GateResult]:
    source = ClutteredDigits("test", 20)
    reading = Reading(Settings(device="cpu", quiet=True))
    return [
        measure_gates(Variant(create_model("resnet20", name, 10), name), source, reading=reading)
        for name in ("se", "cbam", "hoga")
    ]


def test_the_widest_channel_gate_of_a_stages_last_module_is_shown(results: list[GateResult]) -> None:
    se, cbam, hoga = map(stage_gates, results)
    assert se == {f"layer{stage}": f"layer{stage}.2.attention/gate" for stage in (1, 2, 3)}
    assert cbam["layer3"] == "layer3.2.attention/channel_gate"
    assert hoga["layer2"] == "layer2.2.attention/se_b.gate"


def test_a_row_per_network_and_a_column_per_stage(results: list[GateResult]) -> None:
    figure = plot_gates(results, classes=["3", "7"])
    assert len(figure.axes) == 9
    panel = figure.axes[3]
    means = results[1].class_means["layer1.2.attention/channel_gate"]
    order = np.argsort(means.mean(0))
    three, seven, overall = (np.asarray(line.get_ydata()) for line in panel.lines)
    np.testing.assert_allclose(three, means[3][order])
    np.testing.assert_allclose(seven, means[7][order])
    np.testing.assert_allclose(overall, np.sort(means.mean(0)))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["all classes", "3", "7"]


def test_of_a_network_without_stages_modules_spread_over_its_depth_are_shown() -> None:
    network = nn.Sequential(*[SqueezeExcitation(3, 1) for _ in range(6)], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    result = measure_gates(network, ClutteredDigits("test", 20), reading=Reading(Settings(device="cpu", quiet=True)))
    assert stage_gates(result) == {f"{place}.gate": f"{place}.gate/gate" for place in (0, 2, 3, 5)}
    titles = [ax.get_title() for ax in plot_gates([result, result]).axes]
    assert titles == 2 * [f"{place}.gate (gate)" for place in (0, 2, 3, 5)]


def test_classes_are_evenly_spaced_unless_named() -> None:
    assert chosen_classes([str(number) for number in range(10)], None) == [0, 3, 6, 9]
    assert chosen_classes(["a", "b"], None) == [0, 1]
    with pytest.raises(OptionError, match="the data has no class 'z'"):
        chosen_classes(["a", "b"], ["z"])


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(OptionError, match="no gate result to draw"):
        plot_gates([])
