"""The package as a whole: light to import, its public names, what it ships."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import autola_analysis
from tests.annotations import types_named_by


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
    assert isinstance(getattr(autola_analysis, name), ModuleType) == (name == "columns")
    assert name in dir(autola_analysis)


def test_a_public_name_is_a_module_only_where_that_is_meant() -> None:
    """Functions live in files of the same name: `explain` in ``saliency/explain.py``."""
    modules = [name for name in autola_analysis.__all__ if isinstance(getattr(autola_analysis, name), ModuleType)]
    assert modules == ["columns"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'measure_everything'"):
        autola_analysis.measure_everything  # noqa: B018


def test_type_checkers_see_exactly_the_public_names_where_they_are() -> None:
    tree = ast.parse(Path(autola_analysis.__file__).read_text())
    (block,) = (each for each in tree.body if isinstance(each, ast.If) and "TYPE_CHECKING" in ast.unparse(each.test))
    shown = {}
    for line in block.body:
        assert isinstance(line, ast.ImportFrom)
        for name in line.names:
            assert name.asname == name.name  # `X as X` is what offers a name to others
            module = import_module(str(line.module))
            shown[name.name] = getattr(module, name.name, module)
    assert sorted(shown) == autola_analysis.__all__
    assert [name for name, value in shown.items() if value is not getattr(autola_analysis, name)] == []


@pytest.mark.parametrize("name", autola_analysis.__all__)
def test_every_type_that_a_public_signature_names_is_public(name: str) -> None:
    public = {id(getattr(autola_analysis, other)) for other in autola_analysis.__all__}
    hidden = [kind.__qualname__ for kind in types_named_by(getattr(autola_analysis, name)) if id(kind) not in public]
    assert hidden == []
