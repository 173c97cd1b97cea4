"""The package as a whole: light to import, its public names, what it ships."""

import subprocess
import sys

import pytest

import autola_analysis


def test_importing_the_package_loads_neither_torch_nor_matplotlib() -> None:
    script = "import sys, autola_analysis; print([m for m in ('torch', 'matplotlib', 'pandas') if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_using_the_package_does_not_load_pyplot() -> None:
    """The metric is left out: torchmetrics itself loads pyplot."""
    script = (
        "import sys, autola_analysis as a; [getattr(a, name) for name in a.__all__ if name != 'ClassSelectivity']; "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "False"


@pytest.mark.parametrize("name", autola_analysis.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(autola_analysis, name).__doc__
    assert name in dir(autola_analysis)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'measure_everything'"):
        autola_analysis.measure_everything  # noqa: B018
