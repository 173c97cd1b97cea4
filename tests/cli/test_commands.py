"""The commands as a user calls them: what they print, where it goes, and the exit status."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis.cli import main as entry
from autola_analysis.cli.main import command_table
from autola_analysis.cli.options import ArchitectureFlags
from autola_analysis.core.cache import cache_folder
from autola_analysis.study.command import READING_OPTIONS
from tests import processes
from tests.data.conftest import write_image

COMMANDS = list(command_table())
HEAVY = ("torch", "matplotlib", "pandas", "numpy", "sklearn")
OFFERED = """
from __future__ import annotations

from autola_analysis.analyses.options import AnalysisOptions, option
from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="brightness",
    help="How bright the images are.",
    example="--ckpt SE=r50_se.pth --threshold 3",
    options="offered_brightness:BrightnessOptions",
    analysis="offered_brightness_analysis:Brightness",
    command="bright",
)


class BrightnessOptions(AnalysisOptions):
    threshold: int = option(7, "From which grey level on a pixel is bright.", ge=0, le=255)
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the entry point in this process; returns status, standard output, standard error."""

    def call(*arguments: object, debug: bool = False) -> tuple[int, str, str]:
        status = entry._run([str(argument) for argument in arguments], debug)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Callable[..., tuple[int, str, str]], command: str) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"Example: autola-analyze {command}" in " ".join(out.split())


def test_help_lists_every_command(run: Callable[..., tuple[int, str, str]]) -> None:
    status, out, _ = run("--help")
    assert status == 0
    assert all(f"  {command} " in out for command in COMMANDS)


def test_the_version_is_printed_and_a_misspelt_option_named(run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("--version") == (0, f"autola-analyze {version('autola-analysis')}\n", "")
    status, out, err = run("--versoin")
    assert (status, out) == (2, "")
    assert "No such option: --versoin" in err


@pytest.mark.parametrize("command", ["--help", *COMMANDS])
def test_help_imports_nothing_heavy(command: str) -> None:
    script = (
        "import sys; from autola_analysis.cli.main import make_app\n"
        "command = sys.argv[1]\n"
        "arguments = [command] if command == '--help' else [command, '--help']\n"
        "try: make_app(command)(arguments, standalone_mode=False)\n"
        f"finally: print([m for m in {HEAVY} if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", script, command], capture_output=True, text=True, check=True)
    assert process.stdout.strip().endswith("[]")


@pytest.fixture
def offered(tmp_path: Path) -> Path:
    """An installed package that offers an analysis through an entry point; returns the folder it is installed in."""
    (tmp_path / "offered_brightness.py").write_text(OFFERED)
    about = tmp_path / "offered_brightness-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: offered-brightness\nVersion: 1.0\n")
    entry = "brightness = offered_brightness:REGISTRATION"
    (about / "entry_points.txt").write_text(f"[autola_analysis.analyses]\n{entry}\n")
    return tmp_path


def test_an_analysis_that_only_an_entry_point_offers_has_a_command_with_help(offered: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from autola_analysis.cli.main import make_app\n"
        "make_app()(['--help'], standalone_mode=False)\n"
        "make_app('bright')(['bright', '--help'], standalone_mode=False)\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", script, str(offered)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    words = " ".join(process.stdout.split())
    assert "bright How bright the images are." in words
    assert "Example: autola-analyze bright --ckpt SE=r50_se.pth --threshold 3" in words
    assert "--threshold N From which grey level on a pixel is bright. Default: 7." in words
    assert words.endswith("[]")


def test_selectivity_writes_a_report_and_prints_its_summary(
    run: Callable[..., tuple[int, str, str]],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
) -> None:
    files = [checkpoint("se"), checkpoint("hoga")]
    status, out, err = run(
        "selectivity", "--ckpt", f"SE={files[0]}", "--ckpt", f"HOGA={files[1]}", "--limit", 30, "--layers",
        "layer2,layer3", "--out", tmp_path / "out", "--permutations", 2, "--folds", 3, "--seed", 4, "--batch-size", 8,
        "--device", "cpu", "--precision", "bfloat16", "--width", "4",
    )  # fmt: skip
    assert status == 0, err
    assert "95% interval" in out
    assert f"Report: {tmp_path / 'out' / 'index.html'}" in out
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [settings["model"] for settings in record["settings"]["selectivity"]] == ["SE", "HOGA"]
    for settings in record["settings"]["selectivity"]:
        assert settings["layers"] == ["layer2", "layer3"]
        assert (settings["permutations"], settings["folds"], settings["seed"]) == (2, 3, 4)
        assert (settings["precision"], settings["batch_size"]) == ("bfloat16", 8)
    summary = pd.read_csv(tmp_path / "out" / "tables" / "selectivity_summary.csv")
    assert summary["model"].tolist() == ["SE", "SE", "HOGA", "HOGA"]
    comparison = pd.read_csv(tmp_path / "out" / "tables" / "comparison.csv")
    assert set(zip(comparison["model"], comparison["against"], strict=True)) == {("HOGA", "SE")}


@pytest.mark.parametrize(
    ("flag", "progress", "summary"), [(None, True, True), ("--no-progress", False, True), ("--quiet", False, False)]
)
def test_steps_are_numbered_and_named_in_a_log_unless_they_are_left_out(
    run: Callable[..., tuple[int, str, str]],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    flag: str | None,
    progress: bool,
    summary: bool,
) -> None:
    arguments = ["--ckpt", checkpoint("se"), "--limit", 20, "--permutations", 1, "--folds", 2, "--no-cache"]
    status, out, err = run("selectivity", *arguments, "--out", tmp_path / "out", *([flag] if flag else []))
    assert status == 0, err
    assert "\r" not in err
    names = ["checkpoints and images", "passes over the images", "selectivity", "comparison of variants", "tables"]
    lines = [f"[{number}/6] {name}" for number, name in enumerate([*names, "figures and page"], start=1)]
    assert [line for line in err.splitlines() if line.startswith("[")] == (lines if progress else [])
    assert ("Report: " in out) == summary


@pytest.mark.parametrize("command", ["selectivity", "saliency", "embed", "ablation", "similarity"])
def test_layers_are_chosen_by_one_flag_everywhere(command: str, run: Callable[..., tuple[int, str, str]]) -> None:
    for spelling in ("--layer", "--layers"):
        status, _, err = run(command, spelling, "layer1", "--ckpt", "nothing.pth", "--data", "cluttered-digits")
        assert status == 2
        assert "nothing.pth" in err


def test_embed_passes_every_flag_on_and_prints_its_summary(
    run: Callable[..., tuple[int, str, str]],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTOLA_CACHE", str(tmp_path / "cache"))
    status, out, err = run(
        "embed", "--ckpt", f"SE={checkpoint('se')}", "--limit", 30, "--layer", "layer2,layer3", "--pool", "flatten",
        "--method", "pca", "--metric", "cosine", "--seed", 4, "--seeds", 2, "--align", "--processes", 1, "--device",
        "cpu", "--batch-size", 8, "--width", "4", "--out", tmp_path / "out",
    )  # fmt: skip
    assert status == 0, err
    assert "95% interval" in out
    assert f"Report: {tmp_path / 'out' / 'index.html'}" in out
    embeddings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["embedding"]["embeddings"]
    assert [(each["layer"], each["seed"]) for each in embeddings] == [
        ("layer2", 4), ("layer2", 5), ("layer3", 4), ("layer3", 5),
    ]  # fmt: skip
    for each in embeddings:
        assert (each["method"], each["metric"], each["pool"]) == ("pca", "cosine", "flatten")
    assert len(list(cache_folder(tmp_path / "cache", "passes").iterdir())) == 1
    assert len(list(cache_folder(tmp_path / "cache", "neighbours").iterdir())) == 2


def test_quiet_prints_nothing(
    run: Callable[..., tuple[int, str, str]],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
) -> None:
    status, out, err = run("selectivity", "--ckpt", checkpoint("se"), "--limit", 20, "--out", tmp_path / "o", "--quiet")
    assert (status, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["selectivity"], "no checkpoint was given"),
        (["selectivity", "--ckpt", "missing.pth"], "missing.pth"),
        (["selectivity", "--ckpt", "a=b.pth", "--normalize", "c=none"], "no --ckpt is named 'c'"),
        (["selectivity", "--ckpt", "a.pth", "--limit", "0"], "limit is a number from 1 on, or all; found 0"),
        (["selectivity", "--ckpt", "a.pth", "--limit", "few"], "limit should be a valid integer, or all; found 'few'"),
        (["selectivity", "--ckpt", "a.pth", "--top-images", "21"], "--top-images is a number up to 20; found 21"),
        (
            ["compare", "--ckpt", "a=a.pth"],
            "a comparison needs at least two variants; found 'a' alone; give --ckpt again",
        ),
        (["compare", "--ckpt", "a=a.pth", "--ckpt", "b=b.pth", "--limit", "0"], "--limit takes a number of images"),
        (["selectivity", "--ckpt", "a.pth", "--decode", "tpu"], "--decode is one of cpu, gpu; found 'tpu'"),
        (
            ["selectivity", "--ckpt", "a.pth", "--device", "cpu", "--decode", "gpu"],
            "--decode gpu decodes images on a GPU, and the device is cpu; give --decode cpu",
        ),
        (["evaluate", "--ckpt", "a.pth", "--images-root", "x"], "--images-root goes with --data coco:ROOT"),
        (["evaluate", "--ckpt", "a.pth", "--bad-boxes", "clip"], "--bad-boxes goes with --data coco:ROOT"),
        (
            ["evaluate", "--ckpt", "a.pth", "--data", "objects:a.json", "--bad-boxes", "keep"],
            "--bad-boxes is one of clip, drop; found 'keep'",
        ),
        (["study"], "name a study file"),
        (["embed"], "no checkpoint was given"),
        (
            ["embed", "--ckpt", "a.pth", "--method", "umap"],
            "method is one of barnes-hut, fft, exact, pca; found 'umap'",
        ),
        (["embed", "--ckpt", "a.pth", "--perplexity", "0"], "--perplexity is a number from 1 on; found 0"),
        (["inspect", "missing.pth"], "missing.pth"),
        (["inspect", "--ckpt", "SE=missing.pth"], "missing.pth"),
        (["inspect"], "no checkpoint was given; use FILE or --ckpt PATH"),
        (["layers", "--ckpt", "missing.pth"], "missing.pth"),
        (["data", "import", "cluttered-scenes", "--out", "x"], "data is followed by export; found 'import'"),
        (
            ["data", "export", "coco", "--out", "x"],
            "data that are made on the spot are cluttered-scenes, digit-puppets",
        ),
        (["data", "export", "digit-puppets", "--out", "x", "--split", "val"], "the splits train and test; found 'val'"),
        (["list", "attention"], "there is no list of 'attention'; lists: attentions, analyses, backbones, data,"),
        (["train", "cifar"], "unknown recipe 'cifar'; the nearest known: cifar10"),
        (["train", "cifar10", "--set", "epochs"], "--set takes KEY=VALUE; found 'epochs'"),
        (["train", "cifar10", "--attention", "hogga"], "unknown attention 'hogga'"),
        (["train", "cifar10", "--data", "cifar10:/nowhere"], "/nowhere"),
    ],
)
def test_bad_input_is_one_sentence_on_stderr_and_status_2(
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*arguments)
    assert status == 2
    assert out == ""
    assert message in err
    assert err.startswith("autola-analyze: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_sentence_shows_what_drives_terminals_as_text(run: Callable[..., tuple[int, str, str]]) -> None:
    status, _, said = run("inspect", "no\n\x1b]0;title\x07.pth")
    assert (status, said.count("\n")) == (2, 1)
    assert said.removesuffix("\n").isprintable()
    assert r"no \x1b]0;title\x07.pth" in said


def test_what_ends_too_early_is_no_interrupt(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends() -> list[str]:
        raise EOFError

    monkeypatch.setitem(entry.listing.LISTS, "data", ends)
    status, _, said = run("list", "data")
    assert status == 2
    assert said.strip().startswith("autola-analyze: something that is read has ended too early")
    assert said.strip().isprintable()  # one line, behind the empty one that typer ends a prompt with


def test_a_flag_that_does_not_exist_is_status_2(run: Callable[..., tuple[int, str, str]]) -> None:
    status, _, err = run("selectivity", "--checkpoint", "x")
    assert status == 2
    assert "No such option" in err


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["selectivity", "--ckpt", "x", "--limit", "0"], "--limit"),
        (["compare", "--ckpt", "a=x", "--ckpt", "b=y", "--limit", "0"], "--limit"),
        (["saliency", "--ckpt", "x", "--sanity-draws", "-1"], "--sanity-draws"),
        (["saliency", "--ckpt", "x", "--grid", "recptive-field"], "--grid"),
        (["embed", "--ckpt", "x", "--perplexty", "9"], "--perplexty"),
        (["study", "--dryrun"], "--dryrun"),
    ],
)
def test_a_misspelt_option_is_named_with_its_dashes_before_anything_heavy_is_imported(
    arguments: list[str], flag: str
) -> None:
    script = (
        "import sys; from autola_analysis.cli import main\n"
        "status = main._run(sys.argv[1:], False)\n"
        f"print(status, [m for m in {HEAVY} if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "2 []"
    assert flag in process.stderr


def test_debug_shows_where_an_error_was_raised() -> None:
    command = ["autola_analysis", "inspect", "missing.pth"]
    assert "Traceback" in processes.run([*command, "--debug"]).stderr
    plain = processes.run(command)
    assert plain.returncode == 2
    assert "Traceback" not in plain.stderr


def test_an_interrupt_is_status_130_and_leaves_nothing(
    run: Callable[..., tuple[int, str, str]],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autola_analysis.study.passes.observe_all", interrupted)
    file = checkpoint("se")
    status, _, err = run("selectivity", "--ckpt", file, "--limit", 20, "--out", tmp_path / "out")
    assert status == 130
    assert "interrupted; nothing was left half-written" in err
    assert list(tmp_path.iterdir()) == [file]


def test_images_are_found_under_autola_data_or_the_error_says_where_they_were_looked_for(
    run: Callable[..., tuple[int, str, str]],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTOLA_DATA", str(tmp_path / "data"))
    status, _, err = run("selectivity", "--ckpt", checkpoint("se"), "--data", "cifar10", "--out", tmp_path / "out")
    assert status == 2
    assert str(tmp_path / "data") in err
    assert "--data" in err


def test_a_folder_without_statistics_asks_for_them(
    run: Callable[..., tuple[int, str, str]], real_files: Path, tmp_path: Path
) -> None:
    write_image(tmp_path / "pets" / "cat" / "0.png", size=(32, 32))
    write_image(tmp_path / "pets" / "dog" / "0.png", size=(32, 32))
    arguments = ["--ckpt", real_files / "resnet20-12fca82f.th", "--data", f"folder:{tmp_path / 'pets'}"]
    status, _, err = run("selectivity", *arguments, "--out", tmp_path / "out")
    assert status == 2
    assert "give --normalize imagenet" in err


def test_inspect_and_layers_describe_a_file(run: Callable[..., tuple[int, str, str]], real_files: Path) -> None:
    status, out, _ = run("inspect", real_files / "autola_authors_resnet20.pth")
    assert status == 0
    assert "resnet20" in out
    assert "hoga" in out
    status, both, _ = run(
        "inspect", "--ckpt", f"HOGA={real_files / 'autola_authors_resnet20.pth'}",
        "--ckpt", real_files / "resnet20-12fca82f.th",
    )  # fmt: skip
    assert status == 0
    assert both.startswith(f"{out}\n")
    assert both.count("\nsha256") == 2
    status, out, _ = run("layers", "--ckpt", real_files / "resnet20-12fca82f.th")
    assert status == 0
    (stage,) = [line.split() for line in out.splitlines() if line.startswith("layer3 ")]
    assert stage == ["layer3", "Sequential", "64x8x8", "non-negative"]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("attentions", "hoga"),
        ("backbones", "resnet50"),
        ("data", "cluttered-digits"),
        ("data", "objects"),
        ("detectors", "ssd300: SSD300"),
        ("methods", "grad-cam: "),
        ("recipes", "cifar10: "),
    ],
)
def test_list_names_what_other_commands_take(
    run: Callable[..., tuple[int, str, str]], what: str, expected: str
) -> None:
    status, out, _ = run("list", what)
    assert status == 0
    assert any(line.startswith(expected) for line in out.splitlines())


def test_data_are_exported_by_their_command(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    status, said, err = run("data", "export", "cluttered-scenes", "--split", "train", "--limit", 2, "--out", out)
    path = out / "annotations" / "instances_train.json"
    assert (status, said, err) == (0, f"{out}: 2 images; read them with --data objects:{path}\n", "")
    assert run("data", "export", "cluttered-scenes", "--out", out)[0] == 2
    assert run("data", "export", "digit-puppets", "--limit", 1, "--out", out, "--overwrite", "--quiet") == (0, "", "")


def test_reading_options_default_to_nothing() -> None:
    assert set(ArchitectureFlags().values()) <= set(READING_OPTIONS)
    assert not any(ArchitectureFlags().values().values())
    assert not ArchitectureFlags().trust_checkpoint


def test_sigterm_ends_a_run_as_ctrl_c_does() -> None:
    script = (
        "import os, signal, sys\n"
        "from autola_analysis.cli import main as entry\n"
        "sys.argv = ['autola-analyze', 'list', 'data']\n"
        "entry.listing.LISTS['data'] = lambda: os.kill(os.getpid(), signal.SIGTERM) or []\n"
        "entry.main()\n"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ)
    assert process.returncode == 130
    assert "Traceback" not in process.stderr


def test_a_home_is_meant_by_a_tilde_wherever_something_is_written(
    run: Callable[..., tuple[int, str, str]],
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AUTOLA_CACHE", "~/cache")
    arguments = ["evaluate", "--ckpt", checkpoint(), "--data", "cluttered-digits", "--limit", "10", "--device", "cpu"]
    assert run(*arguments, "--quiet", "--out=~/report")[0] == 0
    assert run("redraw", "~/report", "--quiet")[0] == 0
    assert (tmp_path / "report" / "run.json").exists()
    assert cache_folder(tmp_path / "cache", "passes").is_dir()
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--ckpt", "m.pth", "--out=~nobody-of-this-name/x"],
        ["evaluate", "--ckpt", "m.pth", "--cache=~nobody-of-this-name/x"],
        ["study", "s.toml", "--out=~nobody-of-this-name/x"],
        ["demo", "--out=~nobody-of-this-name/x"],
        ["redraw", "~nobody-of-this-name/x"],
        ["train", "cluttered-digits", "--out=~nobody-of-this-name/x"],
        ["search", "cluttered-digits", "--out=~nobody-of-this-name/x"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_the_home_of_nobody_is_one_sentence(
    run: Callable[..., tuple[int, str, str]], arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, said = run(*arguments)
    assert status == 2
    assert said == (
        "autola-analyze: ~nobody-of-this-name/x begins with the home of a user that is not known here; write it out.\n"
    )
    assert list(tmp_path.iterdir()) == []
