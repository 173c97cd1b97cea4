"""The house: an analysis is one folder and one registration, and everything else follows."""

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import autola_analysis
from autola_analysis.analyses.registry import GROUP, registrations
from autola_analysis.core.cache import cache_folder
from tests import processes
from tests.extending import examples, installed_package
from tests.processes import Finished

ROOT = Path(autola_analysis.__file__).parent


def run(arguments: list[object], folder: Path, cwd: Path, cache: Path | None = None) -> Finished:
    """Run the command line of the package in a folder's import path."""
    variables = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT.parent)])}
    if cache is not None:
        variables["AUTOLA_CACHE"] = str(cache)
    return processes.run(["autola_analysis", *arguments], cwd, variables)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "installed"
    folder.mkdir()
    return installed_package(folder, "sparsity")


def test_an_analysis_of_another_package_appears_in_help_with_its_flags(package: Path, tmp_path: Path) -> None:
    assert "  sparsity " in run(["--help"], package, tmp_path).stdout
    text = " ".join(run(["sparsity", "--help"], package, tmp_path).stdout.split())
    assert "--below X Activations up to here count as zero. Default: 0.0." in text
    assert "--layers, --layer A,B Layers." in text
    assert "Example: autola-analyze sparsity --ckpt" in text
    assert "sparsity: How many activations" in run(["list", "analyses"], package, tmp_path).stdout


def test_an_analysis_of_another_package_is_measured_compared_kept_shown_and_redrawn(
    package: Path, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    files = [f"none={checkpoint('none')}", f"HOGA={checkpoint('hoga')}"]
    flags = ["--ckpt", files[0], "--ckpt", files[1], "--limit", 20, "--below", "0.01", "--device", "cpu"]
    out, cache = tmp_path / "out", tmp_path / "cache"
    first = run(["sparsity", *flags, "--out", out], package, tmp_path, cache)
    assert first.returncode == 0, first.stderr
    assert "HOGA/1/layer3" in first.stdout
    table = pd.read_csv(out / "tables" / "sparsity.csv")
    assert table[["model", "layer", "images"]].to_numpy().tolist() == [
        [model, layer, 20] for model in ("none", "HOGA") for layer in ("layer1", "layer2", "layer3")
    ]
    assert ((table["ci_low"] <= table["share"]) & (table["share"] <= table["ci_high"])).all()
    comparison = pd.read_csv(out / "tables" / "comparison.csv").set_index(["statistic", "layer"])
    difference = comparison.loc[("share", "layer3")]
    shares = table[table["layer"] == "layer3"].set_index("model")["share"]
    assert difference["value"] == pytest.approx(shares["HOGA"] - shares["none"], abs=1e-7)
    assert difference["ci_low"] < difference["value"] < difference["ci_high"]
    assert "sparser in depth" in pd.read_csv(out / "tables" / "claims.csv")["claim"].tolist()
    assert (out / "tables" / "sparsity.tex").exists()
    page = (out / "index.html").read_text()
    assert '<section id="sparsity"' in page
    assert "Share of activations that are zero" in page
    before = (out / "figures" / "sparsity.png").read_bytes()
    (out / "figures" / "sparsity.png").unlink()
    again = run(["redraw", out], package, tmp_path, cache)
    assert again.returncode == 0, again.stderr
    assert (out / "figures" / "sparsity.png").read_bytes() == before
    passes = [path.stat().st_mtime_ns for path in cache_folder(cache, "passes").glob("*/entry.json")]
    second = run(["sparsity", *flags, "--out", tmp_path / "second"], package, tmp_path, cache)
    assert second.returncode == 0, second.stderr
    assert [path.stat().st_mtime_ns for path in cache_folder(cache, "passes").glob("*/entry.json")] == passes
    assert (tmp_path / "second" / "tables" / "sparsity.csv").read_text() == (
        out / "tables" / "sparsity.csv"
    ).read_text()
    assert json.loads((tmp_path / "second" / "run.json").read_text())["passes"] == []


def test_an_analysis_of_another_package_stands_in_a_study(
    package: Path, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    study = tmp_path / "study.toml"
    study.write_text(
        f'[data.d]\nsource = "cluttered-digits"\nlimit = 20\n[models.a]\npath = "{checkpoint("se")}"\n'
        '[[analyses]]\nkind = "gates"\n[[analyses]]\nkind = "sparsity"\nbelow = 0.1\n'
    )
    done = run(["study", study, "--out", tmp_path / "out"], package, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in (tmp_path / "out" / "tables").glob("*.csv")} >= {"gates", "sparsity"}
    study.write_text(study.read_text().replace("below", "bellow"))
    refused = run(["study", study, "--out", tmp_path / "other"], package, tmp_path)
    assert refused.returncode == 2
    assert "unknown key analyses.1.bellow; did you mean below?" in refused.stderr


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import nothing_of_this_name", "which cannot be imported (No module named 'nothing_of_this_name')"),
        ("REGISTRATION = 'sparsity'", "but sparsity:REGISTRATION is a str where a Registration is needed"),
    ],
)
def test_a_broken_analysis_of_another_package_is_named_in_one_sentence(
    code: str, complaint: str, package: Path, tmp_path: Path
) -> None:
    (package / "sparsity.py").write_text(code)
    done = run(["--help"], package, tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        f"autola-analyze: the package sparsity offers the analysis 'sparsity', {complaint}; update the package or "
        "uninstall it.\n",
    )


class PackageWithout:
    """A copy of the package that lacks the folder of an analysis."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        copy = folder / "copy" / "autola_analysis"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("*.safetensors"))
        (copy / "analyses" / registrations()[name].options.split(".")[2]).rename(folder / "away")

    def call(self, module: str, *arguments: object) -> Finished:
        """Run a module of it, or of the folder."""
        return processes.run([module, *arguments], self.folder, {"PYTHONPATH": str(self.folder / "copy")})


@pytest.mark.parametrize("name", list(registrations()))
def test_moving_a_folder_away_removes_the_analysis_everywhere(
    name: str, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    registration = registrations()[name]
    others = [each for each in registrations().values() if each.name != name]
    wanted = "".join(f'[[analyses]]\nkind = "{each.name}"\n' for each in others)
    models = "".join(f'[models.{key}]\npath = "{checkpoint(key)}"\n' for key in ("se", "hoga"))
    possible, impossible = tmp_path / "possible.toml", tmp_path / "impossible.toml"
    possible.write_text(f'[data.d]\nsource = "cluttered-digits"\nlimit = 12\n{models}{wanted}')
    impossible.write_text(f'{possible.read_text()}[[analyses]]\nkind = "{name}"\n')

    (tmp_path / "names.py").write_text(
        "import autola_analysis as a\nprint(*(name for name in a.__all__ if hasattr(a, name)))\n"
    )
    package = PackageWithout(name, tmp_path)
    listed, public = package.call("autola_analysis", "--help"), package.call("names")
    planned, refused = (package.call("autola_analysis", "study", path, "--dry-run") for path in (possible, impossible))
    assert f"  {registration.command_name} " not in listed.stdout
    assert all(f"  {each.command_name} " in listed.stdout for each in others)
    assert {each for other in others for each in other.public} <= set(public.stdout.split())
    assert set(registration.public).isdisjoint(public.stdout.split())
    assert planned.returncode == 0, planned.stderr
    assert refused.returncode == 2
    assert f"found '{name}'" in refused.stderr


def test_without_an_analysis_the_others_are_run_and_drawn_again(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    package = PackageWithout("selectivity", tmp_path)
    flags = ["--ckpt", f"SE={checkpoint('se')}", "--ckpt", f"HOGA={checkpoint('hoga')}", "--limit", 12, "--quiet"]
    done = package.call("autola_analysis", "compare", *flags, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    kinds = [each.name for each in registrations().values() if each.by_default and each.name != "selectivity"]
    assert [each["kind"] for each in record["study"]["analyses"]] == kinds
    assert package.call("autola_analysis", "redraw", tmp_path / "out").returncode == 0


def test_the_guide_offers_its_analysis_by_the_entry_points_that_are_read() -> None:
    assert list(tomllib.loads(examples()["pyproject.toml"])["project"]["entry-points"]) == [GROUP]


@pytest.mark.parametrize("name", ["attention", "source"])
def test_an_example_of_the_guide_runs_as_it_stands(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text(examples()[f"{name}.py"])
    done = processes.run([name], tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_backbone_of_the_guide_is_measured_by_the_command_that_stands_below_it(tmp_path: Path) -> None:
    (tmp_path / "backbone.py").write_text(examples()["backbone.py"])
    script = "import torch, backbone; torch.manual_seed(0); torch.save(backbone.tiny().state_dict(), 'tiny.pth')"
    (tmp_path / "write.py").write_text(script)
    processes.run(["write"], tmp_path).check_returncode()
    flags = ["--ckpt", "tiny.pth", "--arch", "backbone.py:tiny", "--normalize", "none", "--data", "cluttered-digits"]
    done = run(["selectivity", *flags, "--limit", 20, "--out", "out"], tmp_path, tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(tmp_path / "out" / "tables" / "selectivity.csv")["layer"]) == {"layer1", "layer2"}


def test_the_contract_of_imports_names_every_analysis_and_all_that_they_share() -> None:
    contracts = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = {path.parent.name for path in (ROOT / "analyses").glob("*/__init__.py")}
    named = [
        {module.rpartition(".")[2] for module in contract.get("modules", contract.get("forbidden_modules", ()))}
        for contract in contracts
        if contract["name"] in ("An analysis knows no other analysis", "What analyses share knows no analysis")
    ]
    assert named == [rooms, rooms]
    (shared,) = (each for each in contracts if each["name"] == "What analyses share knows no analysis")
    beside = {path.stem for path in (ROOT / "analyses").glob("*.py")} - {"__init__"}
    assert {module.rpartition(".")[2] for module in shared["source_modules"]} == {*beside, "study", "cli"}
