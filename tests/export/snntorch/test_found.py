"""What a search with random modules and with users' spellings found."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from snntorch import spikegen, utils
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from spikewright.errors import GraphError, InputError
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.snntorch.record.layers import Delay as Delayed
from spikewright.export.to_snntorch import import_nir
from spikewright.graph import Graph
from spikewright.nodes import LI, LIF, Affine, Conv2d, CubaLIF, Delay, Flatten, Input

DT_S = 1e-3


class Net(nn.Module):
    """Layers by name, and what they do."""

    def __init__(self, forward: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._does = forward

    def forward(self, x: torch.Tensor) -> Any:
        return self._does(self, x)


def zero(beta: Any = 0.75, **kwargs: Any) -> snn.Leaky:
    return snn.Leaky(beta, init_hidden=True, reset_mechanism="zero", **kwargs)


def fc(sources: int = 4, targets: int = 4) -> nn.Linear:
    layer = nn.Linear(sources, targets)
    with torch.no_grad():
        layer.weight.mul_(3)
    return layer


def x(*shape: int) -> torch.Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(1))


def export(module: nn.Module, sample: Any, **options: Any) -> Graph:
    return export_snntorch(module, sample, **{"dt_s": DT_S, **options})


def names(graph: Graph) -> list[str]:
    return list(graph.nodes)


def refuse(module: Any, sample: Any, match: str, **options: Any) -> None:
    for verify in (True, False):
        with pytest.raises((GraphError, InputError), match=match):
            export(module, sample, verify=verify, **options)


def looped(step: Callable[..., Any], wrap: Callable[..., Any] = torch.stack) -> Any:
    """Return a forward that loops over (steps, samples, …)."""
    return lambda net, x: wrap([step(net, x[t]) for t in range(len(x))])


# --- wrong without a word, but for the proof -----------------------------------------


def test_alpha_behind_a_constant_takes_it_once() -> None:
    """Both of its filters take what the layer gives, and the shift was added for each.

    With 1 * x + 0.5 + 0.25 the bias is 0.75.
    """
    layer = nn.Linear(1, 1)
    nn.init.ones_(layer.weight)
    nn.init.constant_(layer.bias, 0.5)
    neuron = snn.Alpha(0.75, 0.5, init_hidden=True, reset_mechanism="none")
    net = Net(lambda net, x: net.l1(net.fc(x) + 0.25), fc=layer, l1=neuron)
    graph = export(net, x(2, 1))
    leaks = [n.v_leak / n.r for n in graph.nodes.values() if isinstance(n, LI)]
    bias = graph.nodes["fc"].bias
    assert [float((bias + leak)[0]) for leak in leaks] == [0.75, 0.75]


def test_a_recurrent_matrix_behind_a_view_meets_one_row() -> None:
    """Flattened pixels are not flattened in the graph unless a node needs it."""
    neuron = snn.RLeaky(0.5, linear_features=12, init_hidden=True)
    net = Net(lambda net, x: net.l1(x.flatten(1)), l1=neuron)
    graph = export(net, x(2, 3, 4), verify=False)
    assert graph.nodes["l1_flat"].target_shape == (12,)
    assert export(net, x(2, 3, 4)).fingerprint() == graph.fingerprint()


def test_a_recurrent_matrix_does_not_meet_tokens_in_another_order() -> None:
    neuron = snn.RLeaky(0.5, linear_features=20, init_hidden=True)
    net = Net(lambda net, x: net.l1(net.fc(x).flatten(1)), fc=fc(), l1=neuron)
    refuse(net, x(2, 5, 4), "needs them as .channels, tokens. in the graph")


def test_a_constant_that_is_changed_later_counts_as_it_was() -> None:
    """The first product takes the mask before its half is cleared: 1, then 0."""

    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(4)
        first = net.fc1(x) * mask
        mask[2:] = 0
        return net.l1(first + net.fc2(x) * mask)

    net = Net(does, fc1=fc(), fc2=fc(), l1=zero())
    graph = export(net, x(2, 4), verify=False)
    assert export(net, x(2, 4)).fingerprint() == graph.fingerprint()
    scales = [node.scale for name, node in graph.nodes.items() if "scale" in name]
    assert [each.tolist() for each in scales] == [[1, 1, 0, 0]]


def _reset_inside(net: Any, x: torch.Tensor) -> torch.Tensor:
    utils.reset(net)
    return net.l1(x)


def _forget(net: Any, x: torch.Tensor) -> torch.Tensor:
    net.l1.mem = 0.5 * net.l1.mem
    return net.l1(x)


def _fade(net: Any, x: torch.Tensor) -> torch.Tensor:
    spikes = net.l1(x)
    net.l1.mem.mul_(0.5)
    return spikes


@pytest.mark.parametrize("step", [_reset_inside, _forget, _fade])
def test_a_hidden_state_that_is_changed_in_a_loop_is_refused(step: Any) -> None:
    match = "neuron 'l1', step 1: its state mem is not what the step before left"
    refuse(Net(looped(step), l1=zero()), x(5, 2, 4), match)


def _reset_behind(net: Any, x: torch.Tensor) -> torch.Tensor:
    spikes = net.l1(x)
    utils.reset(net)
    return spikes


def _explicit(net: Any, x: torch.Tensor) -> torch.Tensor:
    return net.l1(x, net.l1.init_leaky())[0]


@pytest.mark.parametrize("step", [_reset_inside, _reset_behind, _explicit])
def test_a_single_step_from_rest_is_refused(step: Any) -> None:
    """Called for each of several steps, it remembers nothing; a graph would."""
    neuron = snn.Leaky(0.75, init_hidden=step is not _explicit)
    match = "one step and sets its neurons to rest before it.*loop over the steps"
    refuse(Net(step, l1=neuron), x(2, 4), match)


def test_a_hook_that_changes_a_state_is_refused() -> None:
    net = nn.Sequential(fc(), zero())

    def halve(layer: Any, args: Any, out: Any) -> None:
        layer.mem = 0.5 * layer.mem

    net[1].register_forward_hook(halve)
    refuse(net, x(2, 4), "neuron '1', step 1: its state mem is not what the step")


def test_a_threshold_that_changes_between_steps_is_refused() -> None:
    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        rows = []
        for t, each in enumerate(x):
            net.l1.threshold = torch.tensor(1.0 + t)
            rows.append(net.l1(each))
        return torch.stack(rows)

    refuse(Net(forward, l1=zero()), x(5, 2, 4), "its threshold is another than at the")


def test_a_method_that_was_replaced_is_refused() -> None:
    neuron = zero()
    neuron.fire = lambda mem: (mem > 0.5).float()
    refuse(nn.Sequential(fc(), neuron), x(2, 4), "its own fire replaces Leaky.fire")
    neuron = zero()
    neuron.state_function = lambda a: a
    refuse(nn.Sequential(fc(), neuron), x(2, 4), "its state_function is <lambda>")


WRITES: dict[str, Callable[[Any], Any]] = {
    "clamp_": lambda weight: weight.clamp_(min=0),
    "data_clamp_": lambda weight: weight.data.clamp_(min=0),
    "__setitem__": lambda weight: weight.data.__setitem__(0, 0.0),
    "__set__": lambda weight: setattr(weight, "data", weight.data.clamp(min=0)),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_weight_that_the_forward_writes_to_is_refused(name: str) -> None:
    """The float64 copy used not to see it, so the proof did not, either."""

    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        WRITES[name](net.fc.weight)
        return net.l1(net.fc(x))

    net = Net(does, fc=fc(), l1=zero())
    before = net.fc.weight.detach().clone()
    refuse(net, x(2, 4), rf"writes to a parameter \({name.removeprefix('data_')}\)")
    assert torch.equal(net.fc.weight, before)


def test_a_view_of_rows_does_not_see_what_is_written_to_them() -> None:
    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        rows = torch.stack([net.fc(x), net.fc(x) + 1])
        first = rows[0]
        rows[0] = 2 * net.fc(x)
        return net.l1(first)

    refuse(Net(does, fc=fc(), l1=zero()), x(2, 4), "a view of a tensor is used after")


def test_numbers_that_one_minus_leaves_alone_are_other_numbers_too() -> None:
    """All inputs are 0.5 = 1 - 0.5; the sum is hidden from torch."""

    class Hidden(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            with torch._C.DisableTorchFunction():
                return 2 * x

    net = Net(lambda net, x: net.l1(Hidden.apply(x) + x), l1=zero())
    refuse(net, torch.full((2, 4), 0.5), "takes a tensor that looks constant")


def test_detaching_a_state_between_steps_changes_nothing() -> None:
    def step(net: Any, x: torch.Tensor) -> torch.Tensor:
        net.l1.mem = net.l1.mem.detach()
        return net.l1(x)

    graph = export(Net(looped(step), l1=zero()), x(5, 2, 4))
    assert names(graph) == ["input", "l1", "output"]


def test_tensors_in_a_tuple_are_inputs_and_no_constants() -> None:
    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l1 = zero()

        def forward(self, x: torch.Tensor, more: Any) -> torch.Tensor:
            first, second = more
            return self.l1(x + first - second)

    graph = export(Given(), [x(1, 4), (x(1, 4), x(1, 4))])
    assert sorted(graph.inputs) == ["more_0", "more_1", "x"]
    deep = {"a": {"b": x(1, 4)}, "c": x(1, 4)}
    refuse(Given(), [x(1, 4), deep], "'more.a' holds tensors in a dict; allowed: ten")


def test_states_in_a_tuple_are_states() -> None:
    class Carried(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l1 = snn.Leaky(0.75)

        def forward(self, x: torch.Tensor, states: Any) -> Any:
            spk, mem = self.l1(x, states[0])
            return spk, (mem,)

    graph = export(Carried(), [x(2, 4), (torch.zeros(2, 4),)])
    assert list(graph.outputs) == ["output"]


def test_a_delay_lies_as_what_it_delays() -> None:
    """(tokens, channels) are (channels, tokens) in the graph, its delays as well."""
    delays = DT_S * np.arange(1.0, 21.0).reshape(5, 4)
    net = Net(
        lambda net, x: net.l1(net.fc(net.late(x))),
        late=Delayed(delays, np.arange(1, 21).reshape(5, 4)),
        fc=fc(),
        l1=zero(),
    )
    found = export(net, x(2, 5, 4)).nodes["late"]
    np.testing.assert_array_equal(found.delay_s, delays.T)


# --- crashes -------------------------------------------------------------------------


def test_alpha_may_be_read_as_a_potential_alone() -> None:
    neuron = snn.Alpha(0.75, 0.5, init_hidden=True, reset_mechanism="none", output=True)
    net = Net(lambda net, x: net.l1(net.fc(x))[3], fc=fc(), l1=neuron)
    assert list(export(net, x(2, 4)).outputs) == ["output"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_module_of_another_type_is_exported(dtype: torch.dtype) -> None:
    net = nn.Sequential(fc(), zero(0.5)).to(dtype)
    graph = export(net, x(2, 4).to(dtype))
    wanted = net[0].weight.detach().double().numpy()
    np.testing.assert_array_equal(graph.nodes["layer_0"].weight, wanted)


def test_an_image_without_samples_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), zero())
    refuse(net, x(1, 8, 8), r"got \(8, 8\); the first axis .* must be the samples")


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    net = nn.Sequential(fc(), zero())
    net.lock = threading.Lock()
    refuse(net, x(2, 4), "cannot be copied: .*lock.*; keep what cannot")


def test_a_module_without_values_is_refused() -> None:
    for layer in (nn.LazyLinear(4), nn.Linear(4, 4, device="meta")):
        refuse(nn.Sequential(layer, zero()), x(2, 4), "'0.weight' has no values yet")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused() -> None:
    for made in (torch.jit.script(fc()), torch.jit.trace(fc(), x(2, 4))):
        refuse(made, x(2, 4), "module '': is TorchScript")
        refuse(nn.Sequential(made, zero()), x(2, 4), "module '0': is TorchScript")


def test_what_is_no_module_or_no_tensor_is_refused() -> None:
    net = nn.Sequential(fc(), zero())
    refuse(lambda x: x, x(2, 4), "got function; allowed: an nn.Module")
    refuse(net, np.ones((2, 4)), "is a numpy array; give torch.from_numpy")
    refuse(net, [np.ones((2, 4))], "argument 'input' is a numpy array")
    refuse(net, torch.zeros(0, 4), r"has shape \(0, 4\), so no numbers")


def test_weights_that_are_no_numbers_are_refused() -> None:
    net = nn.Sequential(fc(), zero())
    with torch.no_grad():
        net[0].weight[0, 0] = float("nan")
    refuse(net, x(2, 4), "node 'layer_0': its weight is not finite")
    norm = nn.BatchNorm1d(4).eval()
    norm.running_var[1] = -1.0
    refuse(nn.Sequential(fc(), norm, zero()), x(2, 4), "a variance is not above 0")


def test_squeezing_without_a_number_is_refused_if_samples_vanish() -> None:
    net = Net(lambda net, x: net.l1(net.fc(x)).squeeze(), fc=fc(4, 1), l1=zero())
    refuse(net, x(1, 4), "'squeeze' mixes the samples.*squeeze an axis by its number")
    assert export(net, x(2, 4)).outputs["output"].shape == (1,)


def test_names_that_no_file_holds_are_changed(tmp_path: Any) -> None:
    net = Net(
        lambda net, x: {"": net.l["a/b"](x), "..": net.l["c\nd"](x)},
        l=nn.ModuleDict({"a/b": zero(), "c\nd": zero()}),
    )
    graph = export(net, x(2, 4))
    assert {"l_a_b", "l_c_d", "output_", "output___"} < set(graph.nodes)
    write_nir(graph, tmp_path / "graph.nir", dt_s=DT_S)
    assert names(read_nir(tmp_path / "graph.nir")) == names(graph)


@dataclasses.dataclass
class Sent:
    """What a network returns."""

    spikes: torch.Tensor
    votes: torch.Tensor


def test_a_dataclass_names_its_outputs() -> None:
    net = Net(lambda net, x: Sent(net.l1(x), net.fc(x)), l1=zero(), fc=fc())
    assert list(export(net, x(2, 4)).outputs) == ["spikes", "votes"]


def test_the_name_of_a_type_may_be_asked_for() -> None:
    net = Net(lambda net, x: net.l1(x + torch.ones(4).type(x.type())), l1=zero())
    assert names(export(net, x(2, 4))) == ["input", "l1", "output"]


# --- refused for nothing -------------------------------------------------------------


def test_layers_that_give_what_they_take_may_stand_in_a_loop() -> None:
    """Dropout, Identity, flatten, float return their very input: x is still x."""

    def step(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.l1(net.fc(torch.flatten(net.same(net.drop(x)), 1).float()))

    layers = {"drop": nn.Dropout().eval(), "same": nn.Identity(), "fc": fc()}
    net = Net(
        lambda net, x: torch.stack([step(net, x) for _ in range(5)]),
        **layers,
        l1=zero(),
    )
    assert names(export(net, x(2, 4))) == ["input", "fc", "l1", "output"]


def test_a_recurrent_neuron_may_send_through_an_identity() -> None:
    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        spk, mem = net.l1.init_rleaky()
        rows = []
        for each in x:
            spk, mem = net.l1(each, spk, mem)
            rows.append(net.same(spk))
        return torch.stack(rows)

    neuron = snn.RLeaky(0.5, linear_features=4)
    net = Net(forward, l1=neuron, same=nn.Identity())
    assert "l1_recurrent" in names(export(net, x(5, 2, 4)))


def _rows_made(axis: int, make: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        rows = make(*x.shape)
        for t in range(x.shape[axis]):
            if axis:
                rows[:, t] = net.l1(x[:, t])
            else:
                rows[t] = net.l1(x[t])
        return rows

    return forward


ROWS: dict[str, Callable[..., Any]] = {
    "empty": _rows_made(0, torch.empty),
    "behind_samples": _rows_made(1, torch.zeros),
    "empty_behind_samples": _rows_made(1, torch.empty),
    "permuted": looped(
        lambda net, x: net.l1(x), lambda rows: torch.stack(rows).permute(1, 0, 2)
    ),
    "transposed": looped(
        lambda net, x: net.l1(x), lambda rows: torch.stack(rows).transpose(0, 1)
    ),
    "by_a_tensor": lambda net, x: torch.stack(
        [net.l1(x[t]) for t in torch.arange(len(x))]
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_kept_in_any_of_the_usual_ways(name: str) -> None:
    graph = export(Net(ROWS[name], l1=zero()), x(5, 5, 4))
    assert names(graph) == ["input", "l1", "output"]
    assert graph.outputs["output"].shape == (4,)


def test_an_input_may_be_changed_in_place_and_the_sample_stays() -> None:
    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        x -= 0.5
        return net.l1(net.fc(x))

    sample = x(2, 4).double()
    before = sample.clone()
    export(Net(does, fc=fc(), l1=zero()), sample)
    assert torch.equal(sample, before)


def test_wrappers_are_looked_through() -> None:
    plain = nn.Sequential(fc(), zero())
    wanted = export(plain, x(2, 4)).fingerprint()
    for wrapped in (
        nn.DataParallel(plain),
        torch.compile(plain, backend="eager"),
        nn.Sequential(torch.compile(plain[0], backend="eager"), plain[1]),
    ):
        assert export(wrapped, x(2, 4)).fingerprint() == wanted


def test_convolutions_and_pools_may_be_functions() -> None:
    layers = {"conv": nn.Conv2d(2, 4, 3, groups=2), "l1": zero(threshold=0.2)}
    pool = nn.AvgPool2d(2, divisor_override=1)
    as_layers = Net(lambda net, x: net.l1(pool(net.conv(x))), **layers)

    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = F.conv2d(x, net.conv.weight, net.conv.bias, groups=2)
        return net.l1(F.avg_pool2d(h, 2, divisor_override=1))

    found = export(Net(does, **layers), x(2, 2, 6, 6))
    wanted = export(as_layers, x(2, 2, 6, 6))
    assert isinstance(found.nodes["conv"], Conv2d)
    kinds = [list(map(type, graph.nodes.values())) for graph in (found, wanted)]
    assert kinds[0] == kinds[1]


def test_a_flattened_residual_meets_a_linear_layer() -> None:
    def does(net: Any, x: torch.Tensor) -> torch.Tensor:
        h = net.conv(x).flatten(1)
        return net.l1(h + net.fc(h))

    net = Net(does, conv=nn.Conv1d(2, 3, 2), fc=fc(12, 12), l1=zero())
    assert isinstance(export(net, x(2, 2, 5)).inputs["input"], Input)


class Tutorial(nn.Module):
    """The network of snnTorch's tutorial 5, as it stands there."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(36, 20), snn.Leaky(beta=0.95)
        self.fc2, self.lif2 = nn.Linear(20, 10), snn.Leaky(beta=0.95)

    def forward(self, x: torch.Tensor) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spk2_rec, mem2_rec = [], []
        for _ in range(6):
            spk1, mem1 = self.lif1(self.fc1(x.view(x.size(0), -1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk2_rec.append(spk2)
            mem2_rec.append(mem2)
        return torch.stack(spk2_rec, dim=0), torch.stack(mem2_rec, dim=0)


class ForwardPass(nn.Module):
    """The loop of tutorials 6 and 7 around a network that keeps its states."""

    def __init__(self) -> None:
        super().__init__()
        spike_grad = snn.surrogate.fast_sigmoid(slope=25)
        hidden = {"beta": 0.5, "spike_grad": spike_grad, "init_hidden": True}
        self.net = nn.Sequential(
            *(nn.Conv2d(1, 4, 3), nn.AvgPool2d(2), snn.Leaky(**hidden)),
            *(nn.Flatten(), nn.Linear(16, 10), snn.Leaky(**hidden, output=True)),
        )

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        spk_rec = []
        utils.reset(self.net)
        for step in range(data.size(0)):
            spk_out, _ = self.net(data[step])
            spk_rec.append(spk_out)
        return torch.stack(spk_rec)


def test_networks_of_the_tutorials_are_exported() -> None:
    graph = export(Tutorial(), x(4, 1, 6, 6))
    assert [name for name in names(graph) if "lif" in name] == [
        *("lif1_mem", "lif1", "lif2_mem", "lif2", "lif1_reset", "lif2_reset")
    ]
    assert sorted(graph.outputs) == ["output_0", "output_1"]
    graph = export(ForwardPass(), x(5, 4, 1, 6, 6))
    assert {"net_0", "net_1", "net_2", "net_4", "net_5"} < set(graph.nodes)


# --- useful refusals -----------------------------------------------------------------


def test_encoders_belong_outside() -> None:
    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        spikes = spikegen.rate(x.clamp(0, 1), num_steps=5)
        return torch.stack([net.l1(spikes[t]) for t in range(5)])

    net = Net(forward, l1=zero())
    refuse(net, x(2, 4) / 2, "'bernoulli' is random.*draw spikes outside of forward")


def test_layers_in_a_plain_list_are_told_so() -> None:
    net = Net(lambda net, x: net.l[1](net.l[0](x)), l=[fc(), zero()])
    refuse(net, x(2, 4), "layers where the module knows them .no plain lists.")


def test_counting_spikes_belongs_outside() -> None:
    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(2, 4)
        for each in x:
            total += net.l1(each)
        return total

    refuse(Net(forward, l1=zero()), x(5, 2, 4), "return the steps stacked")


# --- there and back ------------------------------------------------------------------


def test_what_comes_back_is_the_same_graph_in_odd_corners_too() -> None:
    """R C of 5.1 steps, a current that forgets at once, a flattened recurrent layer."""
    flat = snn.RLeaky(0.5, linear_features=12, init_hidden=True)
    cases: list[tuple[nn.Module, torch.Tensor]] = [
        (snn.Lapicque(R=5.1, C=1.0, init_hidden=True), x(2, 4)),
        (
            snn.Synaptic(
                *(0.0, 0.5), init_hidden=True, reset_mechanism="zero", reset_delay=False
            ),
            x(2, 4),
        ),
        (nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), flat), x(2, 2, 5)),
        (nn.Linear(4, 3), x(2, 4)),
    ]
    for module, sample in cases:
        graph = export(module, sample)
        shape = next(iter(graph.inputs.values())).shape
        again = export(import_nir(graph, dt_s=DT_S), x(5, 2, *shape).double())
        assert again.fingerprint() == graph.fingerprint()


def test_a_current_that_forgets_at_once_is_none() -> None:
    neuron = snn.Synaptic(
        -0.5, 0.5, init_hidden=True, reset_mechanism="zero", reset_delay=False
    )
    graph = export(neuron, x(2, 4))
    assert isinstance(graph.nodes["synaptic"], LIF)
    assert not any(isinstance(node, CubaLIF) for node in graph.nodes.values())


def test_a_row_that_is_delayed_comes_back() -> None:
    def forward(net: Any, x: torch.Tensor) -> torch.Tensor:
        before, rows = torch.zeros(2, 6), []
        for each in x:
            now = net.l1(each).flatten(1)
            rows.append(net.fc(now + before))
            before = now
        return torch.stack(rows)

    graph = export(Net(forward, l1=zero(), fc=fc(6, 2)), x(5, 2, 2, 3))
    kinds = {type(node) for node in graph.nodes.values()}
    assert {Delay, Flatten, Affine} < kinds
    again = export(import_nir(graph, dt_s=DT_S), x(5, 2, 2, 3))
    assert again.fingerprint() == graph.fingerprint()
