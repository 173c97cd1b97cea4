"""Whatever a folder of images holds, a pass over it ends in a result or in one sentence, soon, in little memory."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError, BadImageError, DataError
from autola_analysis.data import ImageFolderSource, Preprocessing, drop_unreadable, open_source
from autola_analysis.data.decoding import read_image
from autola_analysis.inference.run import Settings

from .conftest import chosen
from .image_folders import FolderCase, cases, encoded, pixels
from .limits import MEGABYTE, memory_growth

LONGEST_MESSAGE = 600  # characters, beside the path

pytestmark = [pytest.mark.timeout(10), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Variant:
    """A network that has run once, so that no test counts what imports and first calls keep."""
    torch.manual_seed(0)
    model = ModelSpec("resnet20", "se", 2, {"width": 4}).build().eval()
    variant = Variant(model, preprocessing=Preprocessing(resize=32, crop=32))
    run_over(variant, FolderCase("nothing odd").write(tmp_path_factory.mktemp("warm") / "pets"), skip=True)
    return variant


def run_over(network: Variant, root: Path, skip: bool) -> None:
    source = open_source(f"folder:{root}")
    if skip:
        source, _ = drop_unreadable(source)
    reading = Reading(Settings(device="cpu", quiet=True))
    measure_selectivity(network, source, layers=["layer3"], reading=reading)


def size_of(root: Path) -> int:
    return sum(file.lstat().st_size for file in root.rglob("*"))


@pytest.mark.parametrize("skip", [False, True], ids=["stop at bad images", "skip bad images"])
@pytest.mark.parametrize("case", chosen(cases(), 7), ids=str)
def test_any_folder_is_read_or_refused_in_one_sentence(
    network: Variant, case: FolderCase, skip: bool, tmp_path: Path
) -> None:
    root = case.write(tmp_path / "pets")
    with memory_growth() as growth:
        try:
            run_over(network, root, skip)
        except AutolaError as error:
            check_sentence(str(error), root)
    assert growth.bytes <= 2 * size_of(root) + 64 * MEGABYTE


def test_of_an_image_two_copies_are_held_at_most_while_it_is_decoded(tmp_path: Path) -> None:
    path = FolderCase("large").write(tmp_path / "pets") / "cat" / "odd.png"
    read_image(path.with_name("0.png"))
    with memory_growth() as growth:
        width, height = read_image(path).size
    assert growth.bytes < 2.5 * 4 * width * height  # Pillow holds a pixel in four bytes


def check_sentence(message: str, root: Path) -> None:
    assert str(root) in message or message.startswith("class selectivity compares classes")
    assert message.isprintable()
    assert message.endswith(".")
    assert len(message) - len(str(root)) < LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("command", "kind", "status"),
    [
        ("selectivity", "name that is not UTF-8", 0),
        ("saliency", "damaged image whose name is not UTF-8", 0),
        ("gates", "line break in the name", 0),
        ("selectivity", "class name that is not UTF-8", 2),
        ("selectivity", "class name with a line break", 2),
    ],
)
def test_odd_names_reach_every_table_or_none(
    command: str, kind: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = FolderCase(kind).write(tmp_path / "pets")
    spec = ModelSpec("resnet20", "se", 2, {"width": 4})
    file = save_model(tmp_path / "m.safetensors", spec.build(), spec)
    found = entry._run(
        [command, "--ckpt", str(file), "--data", f"folder:{root}", "--normalize", "none", "--skip-bad-images",
         "--limit", "4", "--out", str(tmp_path / "out"), "--quiet", "--device", "cpu"],
        debug=False,
    )  # fmt: skip
    said = capsys.readouterr().err
    assert found == status, said
    assert (tmp_path / "out").exists() == (status == 0)
    if status:
        assert said.removesuffix("\n").isprintable()


class TestWhatIsSaid:
    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("class name that is not UTF-8", r"the folder '\udcffcat' in"),
            ("class name with a line break", r"the folder 'c\nat\x1b[31m' in"),
            ("broken link of a class", "cow is a link to nothing"),
            ("broken link", "gone.png cannot be read as an image (there is no such file)"),
            ("link to itself", "loop.png cannot be read as an image (too many levels of symbolic links)"),
            ("damaged image whose name is not UTF-8", r"\udcff\udcfe.png cannot be read as an image (its name is no"),
            ("line break in the name", r"a\nb\x1b[31m.png cannot be read"),
            ("announced 100 megapixels", "its 10,000 x 10,000 pixels are more than the 89,478,485 allowed"),
            ("announced 4 gigapixels", "it has more than the 89,478,485 pixels allowed"),
            ("a long line", "20000 x 1 pixels are a line and no picture"),
        ],
    )
    def test_of_a_folder(self, network: Variant, kind: str, said: str, tmp_path: Path) -> None:
        root = FolderCase(kind).write(tmp_path / "pets")
        with pytest.raises(DataError) as caught:
            run_over(network, root, skip=False)
        assert said in str(caught.value)


def test_a_link_to_nothing_is_an_image_that_is_missed_and_can_be_left_out(network: Variant, tmp_path: Path) -> None:
    root = FolderCase("broken link").write(tmp_path / "pets")
    source = ImageFolderSource(root)
    assert "cat/gone.png" in source.ids
    assert len(source.fingerprint()) == 64
    with pytest.raises(BadImageError, match="there is no such file"):
        source.image(list(source.ids).index("cat/gone.png"))
    _, left_out = drop_unreadable(source)
    assert left_out == (str(root / "cat" / "gone.png"),)


def test_an_image_is_found_once_however_many_links_lead_to_its_folder(tmp_path: Path) -> None:
    root = FolderCase("web of links").write(tmp_path / "pets")
    (root / "cat" / "n8" / "deep.png").write_bytes((root / "cat" / "0.png").read_bytes())
    source = ImageFolderSource(root)
    assert [name for name in source.ids if name.endswith("deep.png")] == ["cat/n0/l1/l2/l3/l4/l5/l6/l7/l8/deep.png"]


@pytest.mark.parametrize(("size", "read"), [((1, 499), True), ((1, 500), False), ((500, 1), False), ((999, 2), True)])
def test_a_line_is_no_picture(tmp_path: Path, size: tuple[int, int], read: bool, make: Callable[..., Path]) -> None:
    source = ImageFolderSource(make(tmp_path, size))
    if read:
        assert source.image(0).size == size
    else:
        with pytest.raises(BadImageError, match="are a line and no picture"):
            source.image(0)


@pytest.fixture
def make() -> Callable[..., Path]:
    """Write a folder with one class of one image."""

    def write(root: Path, size: tuple[int, int]) -> Path:
        (root / "cat").mkdir()
        image = pixels(np.random.default_rng(0)).resize(size)
        (root / "cat" / "0.png").write_bytes(encoded("PNG", image))
        return root

    return write


def test_a_path_that_no_page_can_show_is_refused(tmp_path: Path) -> None:
    root = FolderCase("nothing odd").write(tmp_path / "pets")
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    root.rename(strange)
    with pytest.raises(DataError, match=r"\\udcff is no UTF-8 text"):
        ImageFolderSource(strange)
