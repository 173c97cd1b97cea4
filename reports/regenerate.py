"""Run the studies that are kept here again, and compare their tables with the kept ones.

    python reports/regenerate.py                  all studies
    python reports/regenerate.py cifar10          one of them
    python reports/regenerate.py --keep cifar10   keep the new report in place of the old one

A study is a folder with a study.toml; its report is kept in report/, without arrays. The images are those of
cifar10-jpeg.zip in the folder that AUTOLA_TEST_DATA names; checkpoints are the study's own, or another project's in the
folder that AUTOLA_TEST_CHECKPOINTS names. Numbers agree when they differ by at most 0.002 and 1 % of the larger one
(another processor sums in another order, and an image or two of 10,000 then falls to another class); of the plane of a
t-SNE, whose descent multiplies such differences, by at most 0.05 and 10 %.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
DATA, CHECKPOINTS = "AUTOLA_TEST_DATA", "AUTOLA_TEST_CHECKPOINTS"
ARCHIVE, IMAGES = "cifar10-jpeg.zip", "cifar10-jpeg"
KEPT = ("index.html", "methods.md", "references.bib", "run.json", "figures", "tables")
ABSOLUTE, RELATIVE = 0.002, 0.01
PLANE_ABSOLUTE, PLANE_RELATIVE = 0.05, 0.1


def differences(kept: Path, fresh: Path) -> list[str]:
    """Return in which cells the tables of two reports disagree, a sentence for each table that does.

    Args:
        kept: Folder with the CSV files to compare with.
        fresh: Folder with those of another run.
    """
    names = sorted({path.name for folder in (kept, fresh) for path in folder.glob("*.csv")})
    return [f"{name}: {found}" for name in names if (found := _difference(kept / name, fresh / name))]


def _difference(kept: Path, fresh: Path) -> str | None:
    if not kept.exists() or not fresh.exists():
        return f"there is none in {(kept if fresh.exists() else fresh).parent}"
    before, after = pd.read_csv(kept), pd.read_csv(fresh)
    if list(before.columns) != list(after.columns) or len(before) != len(after):
        return f"{len(before)} rows of {list(before.columns)}, now {len(after)} of {list(after.columns)}"
    plane = np.asarray(before["space"] == "plane") if "space" in before else np.zeros(len(before), dtype=bool)
    for column in before.columns:
        wrong = np.flatnonzero(~_agree(before[column], after[column], plane))
        if wrong.size:
            row = wrong[0]
            found = f"{before[column][row]} in row {row + 1} of {column}, now {after[column][row]}"
            return found if wrong.size == 1 else f"{found}, and {wrong.size - 1} other cells of this column"
    return None


def _agree(before: pd.Series, after: pd.Series, plane: np.ndarray) -> np.ndarray:
    """Return for every row whether two columns agree; empty cells agree with empty ones."""
    both_empty = np.asarray(before.isna() & after.isna())
    if not all(pd.api.types.is_numeric_dtype(column) for column in (before, after)):
        return both_empty | np.asarray(before == after)
    a, b = before.to_numpy(dtype=float), after.to_numpy(dtype=float)
    absolute, relative = np.where(plane, PLANE_ABSOLUTE, ABSOLUTE), np.where(plane, PLANE_RELATIVE, RELATIVE)
    return both_empty | (np.abs(a - b) <= absolute + relative * np.maximum(np.abs(a), np.abs(b)))


def missing(study: Path) -> str | None:
    """Return what a study needs and the machine does not have, as a sentence."""
    needed = [(DATA, ARCHIVE)]
    if not (study / "checkpoints").exists():
        needed.append((CHECKPOINTS, ""))
    for variable, name in needed:
        folder = os.environ.get(variable)
        if not folder or not (Path(folder) / name).exists():
            what = f"the folder with {name}" if name else "the folder with the other project's checkpoints"
            return f"{study.name} was not run: set {variable} to {what}."
    return None


def run(study: Path, work: Path) -> Path:
    """Run a study in a folder of its own; return its report."""
    place = work / study.name
    place.mkdir()
    shutil.copyfile(study / "study.toml", place / "study.toml")
    own = study / "checkpoints"
    (place / "checkpoints").symlink_to(own if own.exists() else Path(os.environ[CHECKPOINTS]).resolve())
    (place / IMAGES).symlink_to(unpacked(work))
    command = [sys.executable, "-m", "autola_analysis", "study", "study.toml", "--out", "report"]
    subprocess.run([*command, "--anonymous", "--no-cache"], cwd=place, check=True)
    return place / "report"


def unpacked(work: Path) -> Path:
    """Return the folder with the test images, unpacked once."""
    images = work / IMAGES
    if not images.exists():
        with zipfile.ZipFile(Path(os.environ[DATA]) / ARCHIVE) as archive:
            archive.extractall(images, [name for name in archive.namelist() if name.startswith("test/")])
    return images


def keep(report: Path, kept: Path) -> None:
    """Put a report in place of the kept one."""
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for name in KEPT:
        copy = shutil.copytree if (report / name).is_dir() else shutil.copyfile
        copy(report / name, kept / name)


def main() -> int:
    """Run the studies that are asked for; return 1 where a number differs or a study could not be run."""
    studies = {path.parent.name: path.parent for path in sorted(HERE.glob("*/study.toml"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(studies)}; all without one")
    parser.add_argument("--keep", action="store_true", help="keep the new reports instead of comparing them")
    arguments = parser.parse_args()
    if unknown := set(arguments.studies) - set(studies):
        parser.error(f"there is no study {', '.join(sorted(unknown))}; there are {', '.join(studies)}.")
    failed = False
    with tempfile.TemporaryDirectory() as work:
        for name in arguments.studies or studies:
            if sentence := missing(studies[name]):
                print(sentence)
                failed = True
                continue
            report = run(studies[name], Path(work))
            if arguments.keep:
                keep(report, studies[name] / "report")
                continue
            found = differences(studies[name] / "report" / "tables", report / "tables")
            failed |= bool(found)
            print("\n".join(found) if found else f"{name}: all tables agree with the kept ones.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
