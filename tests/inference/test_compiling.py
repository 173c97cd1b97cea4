import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.cli.options import MachineFlags
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.compiling import check_compiler
from autola_analysis.inference.run import PassRecord, Settings, check_settings, run
from autola_analysis.inference.running import Job
from autola_analysis.inference.stream import open_stream
from tests.inference.networks import InPlaceAfterwards, Tiny
from tests.inference.state import state_of
from tests.inference.test_run import QUIET, Recorder

COMPILE = Settings(device="cpu", quiet=True, compile=True)
IMAGES = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def pass_over(model: nn.Module, settings: Settings, *recorders: Recorder) -> PassRecord:
    loader = DataLoader(TensorDataset(IMAGES, torch.arange(20) % 10), batch_size=8)
    return run([Job(model, recorders, name="net")], open_stream(loader, None), settings)


def fake(monkeypatch: pytest.MonkeyPatch, change: float) -> list[tuple[int, ...]]:
    """Put something in the place of torch.compile that notes the shapes it runs on and adds to the logits."""
    shapes: list[tuple[int, ...]] = []

    def compile_(model: nn.Module, dynamic: bool) -> nn.Module:
        def forward(x: Tensor) -> Tensor:
            shapes.append(tuple(x.shape))
            return model(x) + change

        return forward

    monkeypatch.setattr(torch, "compile", compile_)
    return shapes


def test_a_compiled_pass_shows_what_a_plain_one_shows() -> None:
    # The compiler is real here: it must see the taps, also where the tapped activation is overwritten afterwards.
    model = InPlaceAfterwards()
    before = state_of(model)
    plain, compiled, other = Recorder("layer1"), Recorder("layer1"), Recorder("layer2", "layer1")
    pass_over(model, QUIET, plain)
    record = pass_over(model, COMPILE, compiled, other)
    before["random"] = torch.get_rng_state().tolist()
    assert state_of(model) == before
    assert record.networks[0].compiled is True
    assert record.networks[0].warnings == ()
    assert compiled.indices == plain.indices
    torch.testing.assert_close(torch.cat(compiled.logits), torch.cat(plain.logits))
    for found, expected, two in zip(compiled.kept, plain.kept, other.kept, strict=True):
        torch.testing.assert_close(found["layer1"], expected["layer1"])
        assert list(two) == ["layer2", "layer1"]


def test_a_smaller_last_batch_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = fake(monkeypatch, 0.0)
    recorder = Recorder("layer1")
    pass_over(Tiny(), COMPILE, recorder)
    assert shapes == [(8, 3, 8, 8)] * 3  # to check, then the two full batches
    assert recorder.kept[-1]["layer1"].shape == (4, 6)


def test_a_compiled_network_that_puts_out_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = fake(monkeypatch, 0.1)
    plain, found = Recorder("layer1"), Recorder("layer1")
    model = Tiny()
    pass_over(model, QUIET, plain)
    record = pass_over(model, COMPILE, found)
    assert len(shapes) == 1
    assert record.networks[0].compiled is False
    assert record.networks[0].warnings == (
        "compiled, it puts out something else than it should; it ran without compiling.",
    )
    assert torch.equal(torch.cat(found.logits), torch.cat(plain.logits))


def test_taps_that_a_compiled_network_does_not_reach_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_(model: nn.Module, dynamic: bool) -> object:
        return lambda x: model.fc(model.layer2.forward(model.layer1.forward(x)).mean((2, 3)))

    monkeypatch.setattr(torch, "compile", compile_)
    assert pass_over(Tiny(), COMPILE, Recorder("layer1")).networks[0].compiled is False


def test_what_cannot_be_compiled_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_(model: nn.Module, dynamic: bool) -> object:
        def fail(x: Tensor) -> Tensor:
            raise RuntimeError("no such thing\nand a page of details")

        return fail

    monkeypatch.setattr(torch, "compile", compile_)
    with pytest.raises(OptionError, match=r"^net cannot be compiled \(no such thing\); do not compile it.$"):
        pass_over(Tiny(), COMPILE, Recorder("layer1"))


def test_a_machine_without_a_compiler_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    check_compiler()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        OptionError, match=r"needs a C\+\+ compiler, and 'no-such-compiler' is not found; install it or"
    ):
        check_settings(COMPILE)


def test_compiling_and_lower_precision_exclude_each_other() -> None:
    with pytest.raises(OptionError, match="run in float32, and the precision is bfloat16; choose one"):
        check_settings(Settings("cpu", "bfloat16", compile=True))


def test_the_flag_reaches_the_pass() -> None:
    assert MachineFlags(compile=True).reading().settings == Settings(compile=True)
    assert not MachineFlags().reading().settings.compile
