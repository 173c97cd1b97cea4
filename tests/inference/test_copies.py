"""Networks run without a trace: in a copy, or themselves where they cannot be copied."""

import pickle
import threading

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import TensorDataset

import autola_analysis as autola
from autola_analysis.core.errors import CopyError
from autola_analysis.inference.copies import copied, evaluating, runnable, unwrapped
from autola_analysis.inference.cost import cost_of
from autola_analysis.inference.shapes import layer_outputs
from tests.inference.networks import Tiny
from tests.inference.state import state_of

IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Counting(Tiny):
    """Keeps of its forward a number, a tensor and a new buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0
        self.register_buffer("mean", torch.zeros(()))
        self.lock = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        self.latest = x
        self.mean = x.mean()
        return super().forward(x)


class Refusing(Tiny):
    def __deepcopy__(self, memo: object) -> "Refusing":
        raise NotImplementedError("not this one")


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_forward_leaves_in_a_network_that_runs_itself_is_gone_afterwards(fails: bool) -> None:
    network = Counting().train()
    network.layer1.eval()
    before = state_of(network)
    try:
        with runnable(network) as ready:
            assert not network.training
            ready.model(IMAGES if not fails else IMAGES[:, :1])
    except RuntimeError:
        assert fails
    assert state_of(network) == before
    assert (network.runs, float(network.mean), hasattr(network, "latest")) == (0, 0.0, False)


def test_evaluation_gives_flags_back_and_leaves_what_the_network_counts() -> None:
    network = Counting().train()
    network.layer1.eval()
    before = state_of(network)["training"]
    with pytest.raises(RuntimeError, match="channels"), evaluating(network):
        network(IMAGES[:, :1])
    assert state_of(network)["training"] == before
    assert network.runs == 1


@pytest.mark.parametrize("network", [Counting, Refusing])
def test_a_network_that_cannot_be_copied_runs_itself(network: type[nn.Module]) -> None:
    own = network().train()
    with runnable(own) as ready:
        assert ready.model is own
        assert ready.uncopied
        assert not own.training
    assert own.training
    with runnable(Tiny().train()) as ready:
        assert not ready.uncopied
        assert not ready.model.training


def test_what_needs_a_copy_or_another_device_says_so() -> None:
    network = Counting()
    with pytest.raises(CopyError, match=r"cannot be copied \(cannot pickle '_thread.lock' object\), and this needs"):
        copied(network)
    with pytest.raises(CopyError, match="it is on cpu, and is to run on cuda"), runnable(network, torch.device("cuda")):
        pass
    for call in (
        lambda: autola.sanity_check(network, IMAGES, "grad-cam", "layer2", draws=1),
        lambda: autola.explain(network, IMAGES, "captum:Saliency"),
        lambda: autola.explain(network, IMAGES, "grad-cam", "layer2", grid="receptive-field"),
    ):
        with pytest.raises(CopyError, match="this needs a copy"):
            call()
    error = pickle.loads(pickle.dumps(CopyError("a lock")))
    assert (error.reason, str(error)) == ("a lock", str(CopyError("a lock")))


def test_cost_and_shapes_are_those_of_the_network_before_it_got_a_lock_and_another_type() -> None:
    torch.manual_seed(0)
    plain, other = Tiny().eval(), Counting().double()
    other.load_state_dict(plain.state_dict(), strict=False)
    assert cost_of(other, (3, 8, 8)) == cost_of(plain, (3, 8, 8))
    assert [(each.layer, each.shape) for each in layer_outputs(other, (3, 8, 8))] == [
        (each.layer, each.shape) for each in layer_outputs(plain, (3, 8, 8))
    ]


def test_wrappers_around_a_network_are_taken_off_and_a_module_of_the_users_is_not() -> None:
    network = Tiny()
    for wrapped in (
        network,
        nn.DataParallel(network),
        torch.compile(network, backend="eager"),
        nn.DataParallel(torch.compile(network, backend="eager")),
    ):
        assert unwrapped(wrapped) is network
    averaged = AveragedModel(network)
    assert unwrapped(averaged) is averaged.module
    own = nn.Sequential(network)
    own.module = nn.Identity()
    assert unwrapped(own) is own


def never(graph: object, inputs: object) -> None:
    """A backend of `torch.compile` that must not be asked."""
    raise AssertionError("compiled")


@pytest.mark.parametrize("lock", [False, True])
def test_nothing_is_compiled_anew_by_watching_it(lock: bool) -> None:
    stage, whole = Tiny(), Tiny()
    stage.layer1 = torch.compile(stage.layer1, backend=never)
    whole.compile(backend=never)
    for network in (stage, whole, nn.Sequential(torch.compile(Tiny(), backend=never))):
        if lock:
            network.lock = threading.Lock()
        before = [vars(module).get("forward") for module in network.modules()]
        autola.measure_selectivity(network, TensorDataset(IMAGES, torch.arange(6) % 2))
        autola.explain(network, IMAGES)
        assert [vars(module).get("forward") for module in network.modules()] == before


def test_wrappers_are_taken_off_a_network_that_comes_with_what_is_known_of_it() -> None:
    data = TensorDataset(IMAGES, torch.arange(6) % 2)
    network = Tiny()
    found = autola.measure_selectivity(autola.Variant(nn.DataParallel(network), "A", classes=tuple("abcdefghij")), data)
    assert found.model == "A"
    assert found.units["layer"].unique().tolist() == ["layer1", "layer2"]


def test_two_networks_of_one_pass_may_be_the_same_that_cannot_be_copied() -> None:
    network = Counting()
    data = TensorDataset(IMAGES, torch.arange(6) % 2)
    alone = autola.measure_selectivity(network, data)
    both = autola.measure_selectivity([network, network], data)
    for each in both:
        assert each.units.drop(columns=["model"]).equals(alone.units.drop(columns=["model"]))
