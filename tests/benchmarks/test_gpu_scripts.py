"""The scripts for a machine with a GPU, rehearsed on the CPU: that everything starts, and how parts go wrong."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from autola_analysis.checkpoints import load_model
from autola_analysis.data import ClutteredDigits
from tests import processes
from tests.forked_python import forked_python

REPOSITORY = Path(__file__).parents[2]
PARTS = [
    "facts",
    "tests",
    "selectivity",
    "selectivity-files",
    "saliency",
    "neighbours",
    "tsne",
    "hoga",
    "training",
    "profile",
]


@pytest.fixture(scope="module")
def forked() -> Iterator[Path]:
    """What stands in for Python where the scripts shall run it."""
    with TemporaryDirectory() as folder, forked_python(Path(folder)) as path:
        yield path


def call(script: str, *arguments: object, **values: object) -> subprocess.CompletedProcess[str]:
    """Run a script with values in its environment."""
    given = {"DEVICE": "cpu", "OMP_NUM_THREADS": "1"} | {name: str(value) for name, value in values.items()}
    command = ["bash", str(REPOSITORY / "benchmarks" / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **given})


def summary(out: Path) -> dict[str, str]:
    """Return how each part went, without its seconds."""
    lines = (out / "summary.txt").read_text().splitlines()
    found = (line.partition(": ") for line in lines if line.partition(": ")[0] in PARTS)
    return {name: how.rpartition(", ")[0] for name, _, how in found}


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A stand-in for Python whose parts do as their names ask, in no time."""
    path = tmp_path / "python"
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'  *zipfile*) exec {sys.executable} "$@" ;;\n'
        f"  *gpu_facts*) {sys.executable} -c 'import carried' ;;\n"
        "  *gpu_tests*) exit 1 ;;\n"
        "  *neighbours*) exit 77 ;;\n"
        "  *profile*) sleep 60 ;;\n"
        "esac\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.timeout(900)
def test_every_part_starts(tmp_path: Path, forked: Path) -> None:
    out, python, calls = tmp_path / "out", tmp_path / "python", tmp_path / "calls"
    python.write_text(  # notes what is measured; tests and facts it runs
        f'#!/bin/sh\n[ "$2" = benchmarks ] || exec {forked} "$@"\necho "$@" >> {calls}\n'
    )
    python.chmod(0o755)
    run = call("gpu.sh", OUT=out, SIZE="--tiny", TESTS="-k stays_where_it_was", PATIENCE=500, PYTHON=python)
    assert run.returncode == 0, run.stdout + run.stderr
    assert summary(out) == dict.fromkeys(PARTS, "done")
    assert " passed" in (out / "tests.txt").read_text()
    noted = [line.split() for line in calls.read_text().splitlines()]
    assert len(noted) == len(PARTS[2:])
    for _, *arguments in noted:
        done = processes.run(arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    sections = [line[3:] for line in (out / "RESULTS-gpu.md").read_text().splitlines() if line[:3] == "## "]
    assert sections == PARTS[2:]


def test_a_part_that_fails_or_takes_too_long_or_lacks_a_package_does_not_stop_the_others(
    tmp_path: Path, python: Path
) -> None:
    out, packages = tmp_path / "out", tmp_path / "packages"
    packages.mkdir()
    (packages / "carried.py").touch()
    for _ in range(2):  # the second run replaces what the first has written
        run = call("gpu.sh", packages, OUT=out, PYTHON=python, PATIENCE=4)
        assert run.returncode == 1
        assert summary(out) == {
            **dict.fromkeys(PARTS, "done"),
            "tests": "FAILED: exit status 1",
            "neighbours": "skipped",
            "profile": "FAILED: not done after 1 s",
        }
        assert len((out / "summary.txt").read_text().splitlines()) == len(PARTS)


def test_wheels_that_are_carried_along_are_found(tmp_path: Path, python: Path) -> None:
    assert call("gpu.sh", OUT=tmp_path / "out", PYTHON=python, PARTS="facts").returncode == 1
    packages = tmp_path / "packages"
    packages.mkdir()
    with zipfile.ZipFile(packages / "carried-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried.py", "")
    run = call("gpu.sh", packages, OUT=tmp_path / "out", PYTHON=python, PARTS="facts")
    assert run.returncode == 0, run.stdout + run.stderr
    assert summary(tmp_path / "out") == {"facts": "done"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two JPEG files per class and split."""
    source = ClutteredDigits("test", 20)
    for split in ("train", "test"):
        for index, label in enumerate(source.labels):
            path = tmp_path / "images" / split / source.classes[label] / f"{index}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            source.image(index).save(path)
    return tmp_path / "images"


def zipped(images: Path) -> Path:
    """Return a zip of the files."""
    archive = images.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as opened:
        for path in images.rglob("*.jpg"):
            opened.write(path, path.relative_to(images))
    return archive


@pytest.mark.timeout(900)
def test_trainings_leave_checkpoints_and_are_not_run_again(tmp_path: Path, images: Path, forked: Path) -> None:
    out = tmp_path / "out"
    values = {
        "PYTHON": forked,
        "OUT": out,
        "EPOCHS": 1,
        "ATTENTIONS": "none",
        "SEEDS": "0",
        "GENOTYPES": 1,
        "JOBS": 1,
        "SET": "width=8",
    }
    run = call("gpu-cifar.sh", zipped(images), **values)
    assert run.returncode == 0, run.stdout + run.stderr
    with tarfile.open(out / "checkpoints.tar") as opened:
        opened.extractall(tmp_path / "trained", filter="data")
    trained = {path.stem: load_model(path) for path in (tmp_path / "trained").iterdir()}
    assert sorted(trained) == ["none-0", "random0-0"]
    assert trained["random0-0"].spec.attention == "hoga"
    assert trained["none-0"].metadata["recipe"]["epochs"] == 1
    assert "| none-0 |" in (out / "accuracy.md").read_text()

    again = call("gpu-cifar.sh", images, **values)
    assert again.returncode == 0
    assert "2 trainings of 1 epochs, 0 to do" in again.stdout


@pytest.mark.timeout(900)
def test_a_training_that_was_ended_goes_on_in_the_next_call(tmp_path: Path, images: Path, forked: Path) -> None:
    # A stand-in for Python ends the training as the time limit does, but after its first epoch.
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/bash\n"
        f'case "$*" in *train*cifar10-short*) ;; *) exec {forked} "$@" ;; esac\n'
        f'{forked} "$@" & training=$!\n'
        'until [ -e "$WORK/trainings/none-0.safetensors.training/last.ckpt" ]; do sleep 0.02; done\n'
        "kill $training; wait $training; exit 124\n"
    )
    python.chmod(0o755)
    first, then = tmp_path / "first", tmp_path / "then"
    values = {"EPOCHS": 20, "ATTENTIONS": "none", "SEEDS": "0", "GENOTYPES": 0, "JOBS": 1, "SET": "width=8"}
    run = call("gpu-cifar.sh", zipped(images), **values, OUT=first, PYTHON=python)
    assert "none-0: to go on in the next call" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0
    assert sorted(path.name for path in first.iterdir()) == ["log.txt", "unfinished.tar.00"]

    run = call("gpu-cifar.sh", zipped(images), **values, OUT=then, STATE=first, PYTHON=forked)
    assert "none-0: finished" in run.stdout, run.stdout + run.stderr
    assert sorted(path.name for path in then.iterdir()) == ["accuracy.md", "checkpoints.tar", "log.txt"]


def test_a_training_that_fails_is_named(tmp_path: Path, images: Path, forked: Path) -> None:
    values = {"PYTHON": forked, "OUT": tmp_path / "out", "ATTENTIONS": "none", "SEEDS": "0", "GENOTYPES": 0, "JOBS": 1}
    run = call("gpu-cifar.sh", images, **values, SET="no_such_value=1")
    assert run.returncode == 1
    assert "none-0: FAILED with status 2: autola-analyze: a recipe has no value 'no_such_value'" in run.stdout


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A stand-in for Python that adds a file of 20 MB to the experiment and notes how it was called; MPS in its way."""
    path = tmp_path / "tools" / "python"
    path.parent.mkdir()
    path.write_text(
        "#!/bin/bash\n"
        'case "$*" in\n'
        '  *wiring_experiment*) echo "$@" "pipe=${CUDA_MPS_PIPE_DIRECTORY:-none}"; cd "$3"\n'
        '    head -c 20000000 /dev/urandom > "step$(ls | wc -l)"; exit $(($(ls | wc -l) > 2)) ;;\n'
        '  *torch.ones*) [ -z "${NO_MPS:-}" ] ;;\n'
        "esac\n"
    )
    path.chmod(0o755)
    control = path.with_name("nvidia-cuda-mps-control")
    control.write_text(f'#!/bin/sh\n[ "$1" = -d ] || cat >> {tmp_path}/told\n')
    control.chmod(0o755)
    return path


def test_the_experiment_on_wirings_goes_on_from_few_files(tmp_path: Path, experiment: Path) -> None:
    first, then, last = tmp_path / "first", tmp_path / "then", tmp_path / "last"
    values = {"PYTHON": experiment, "JOBS": 3, "BUDGET": 7, "ARGUMENTS": "--epochs 1"}
    run = call("gpu-wiring.sh", **values, OUT=first)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "--device cpu --jobs 3 --seconds 7 --epochs 1 pipe=none" in run.stdout
    assert sorted(path.name for path in first.iterdir()) == ["experiment.tar.00", "experiment.tar.01", "log.txt"]
    assert max(path.stat().st_size for path in first.iterdir()) < 15e6

    assert call("gpu-wiring.sh", **values, OUT=then, STATE=first).returncode == 0
    assert call("gpu-wiring.sh", **values, OUT=last, STATE=then).returncode == 1
    whole = tmp_path / "whole.tar"
    whole.write_bytes(b"".join(path.read_bytes() for path in sorted(last.glob("experiment.tar.*"))))
    with tarfile.open(whole) as opened:
        assert sorted(opened.getnames()) == [".", "./step0", "./step1", "./step2"]

    (first / "experiment.tar.01").unlink()
    run = call("gpu-wiring.sh", **values, OUT=tmp_path / "none", STATE=first)
    assert run.returncode == 2
    assert "first/experiment.tar.* are not whole" in run.stdout


@pytest.mark.parametrize("works", [True, False])
def test_processes_share_the_card_where_that_works(tmp_path: Path, experiment: Path, works: bool) -> None:
    tools = f"{experiment.parent}:{os.environ['PATH']}"
    out = tmp_path / "out"
    run = call("gpu-wiring.sh", OUT=out, PYTHON=experiment, DEVICE="cuda", PATH=tools, NO_MPS="" if works else "1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert ("pipe=none" in run.stdout) != works
    assert (tmp_path / "told").read_text() == "quit\n"
    assert ("MPS runs" if works else "MPS does not work here") in (out / "log.txt").read_text()
