"""What no graph can do exactly is refused by its name, with the cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import snntorch as snn
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from spikewright.errors import GraphError, InputError
from spikewright.export.from_snntorch import export_snntorch

DT_S = 1e-3
Make = Callable[[], nn.Module]


class Net(nn.Module):
    """Layers by name, and what they do."""

    def __init__(self, forward: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._does = forward

    def forward(self, x: torch.Tensor) -> Any:
        return self._does(self, x)


def lif(**kwargs: Any) -> snn.Leaky:
    return snn.Leaky(0.75, init_hidden=True, **kwargs)


def zero(**kwargs: Any) -> snn.Leaky:
    return lif(reset_mechanism="zero", **kwargs)


def refuse(module: nn.Module, sample: Any, match: str, **options: Any) -> None:
    options = {"dt_s": DT_S, **options}
    with pytest.raises((GraphError, InputError), match=match):
        export_snntorch(module, sample, **options)


def x(*shape: int) -> torch.Tensor:
    """A sample of two."""
    return torch.rand(2, *(shape or (4,)), generator=torch.Generator().manual_seed(1))


# --- layers --------------------------------------------------------------------------

LAYERS: dict[str, tuple[Make, tuple[int, ...], str]] = {
    "layer_norm": (lambda: nn.LayerNorm(4), (4,), "LayerNorm .* --stage denorm"),
    "rms_norm": (lambda: nn.RMSNorm(4), (4,), "RMSNorm .* --stage denorm"),
    "group_norm": (lambda: nn.GroupNorm(2, 4), (4,), "GroupNorm .* BatchNorm"),
    "softmax": (lambda: nn.Softmax(-1), (4,), "Softmax .* spike-driven"),
    "relu": (nn.ReLU, (4,), "ReLU .* use a neuron"),
    "gelu": (nn.GELU, (4,), "GELU .* use a neuron"),
    "prelu": (nn.PReLU, (4,), "PReLU .* use one of them"),
    "max_pool": (lambda: nn.MaxPool2d(2), (1, 4, 4), "MaxPool2d .* average pooling"),
    "conv3d": (lambda: nn.Conv3d(1, 1, 2), (1, 3, 3, 3), "Conv3d has no exact"),
    "transposed_conv": (lambda: nn.ConvTranspose1d(1, 1, 2), (1, 4), "ConvTranspose1d"),
    "recurrent_cell": (lambda: nn.RNNCell(4, 4), (4,), "RNNCell has no exact"),
    "padding_mode": (
        lambda: nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular"),
        (1, 4),
        "padding_mode='circular'; allowed: 'zeros'",
    ),
    "pool_without_its_padding": (
        lambda: nn.AvgPool2d(3, padding=1, count_include_pad=False),
        (1, 6, 6),
        "does not count its padding",
    ),
    "pool_over_the_edge": (
        lambda: nn.AvgPool2d(2, ceil_mode=True),
        (1, 5, 5),
        "ceil_mode=True lets windows reach over the edge",
    ),
    "pool_with_a_divisor": (
        lambda: nn.AvgPool2d(2, divisor_override=3),
        (1, 4, 4),
        "divides by 3; allowed: 4",
    ),
    "pool1d_without_its_padding": (
        lambda: nn.AvgPool1d(3, padding=1, count_include_pad=False),
        (1, 6),
        "count_include_pad=True",
    ),
    "adaptive_pool_that_does_not_divide": (
        lambda: nn.AdaptiveAvgPool2d(2),
        (1, 5, 5),
        "windows of several sizes",
    ),
    "pool_of_tokens_as_rows": (lambda: nn.AvgPool2d(2), (4, 4), "takes .channels, row"),
    "batch_norm_in_training": (
        lambda: nn.BatchNorm1d(4),
        (4,),
        "BatchNorm1d is in training mode.*module.eval",
    ),
    "batch_norm_of_the_batch": (
        lambda: nn.BatchNorm1d(4, track_running_stats=False).eval(),
        (4,),
        "keeps no running statistics",
    ),
    "dropout_in_training": (
        lambda: nn.Dropout(0.5),
        (4,),
        "Dropout is in training mode.*module.eval",
    ),
    "graded_spikes": (
        lambda: snn.GradedSpikes(1, 2.0),
        (4,),
        "GradedSpikes has no exact counterpart",
    ),
    "leaky_parallel": (
        lambda: Net(lambda net, x: net.own(x[None])[0], own=snn.LeakyParallel(4, 4)),
        (4,),
        "LeakyParallel",
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_without_a_node_is_refused(name: str) -> None:
    make, shape, match = LAYERS[name]
    refuse(nn.Sequential(make(), zero()), x(*shape), match)


def test_an_embedding_is_refused() -> None:
    net = nn.Sequential(nn.Embedding(5, 4), zero())
    refuse(net, torch.tensor([[1, 2], [3, 4]]), "Embedding .* look tokens up outside")


def test_multihead_attention_is_refused() -> None:
    net = Net(
        lambda net, x: net.l1(net.a(x, x, x)[0]),
        a=nn.MultiheadAttention(4, 2, batch_first=True),
        l1=zero(),
    )
    refuse(net, x(3, 4), "MultiheadAttention .* spike-driven")


# --- functions -----------------------------------------------------------------------


def _write_below_a_view(h: torch.Tensor) -> torch.Tensor:
    view = h.view(-1, 2, 2)
    h += 1
    return view.flatten(1)


FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "softmax": (lambda net, x: x.softmax(-1), "'softmax' has no exact .* spike-driven"),
    "relu": (lambda net, x: F.relu(x), "'relu' has no exact counterpart.*use a neuron"),
    "layer_norm": (lambda net, x: F.layer_norm(x, (4,)), "'layer_norm' .*denorm"),
    "comparison": (lambda net, x: (x > 1).float(), "'gt' has no exact counterpart"),
    "power": (lambda net, x: x**2, "'pow' has no exact counterpart"),
    "maximum": (lambda net, x: torch.maximum(x, net.fc(x)), "'maximum' has no exact"),
    "concatenation": (lambda net, x: torch.cat([x, x], 1), "'cat' .*linear layer for"),
    "slice": (lambda net, x: x[:, :2], "'__getitem__' .*weights 0 and 1"),
    "choice": (lambda net, x: x[:, 2:3], "'__getitem__' .*weights 0 and 1"),
    "chunks": (lambda net, x: x.chunk(2, 1)[0], "'chunk' has no exact counterpart"),
    "repetition": (lambda net, x: x.repeat(1, 2), "'repeat' has no exact counterpart"),
    "product": (
        lambda net, x: net.fc(x) * x,
        "'mul' multiplies two signals.*a neuron behind each factor",
    ),
    "product_with_one_spike": (
        lambda net, x: net.l0(x) * x,
        "'mul' multiplies two signals",
    ),
    "attention": (
        lambda net, x: net.fc(x) @ net.fc(x).transpose(0, 1),
        "'matmul' multiplies two signals",
    ),
    "weight_that_is_a_signal": (
        lambda net, x: F.linear(x, net.fc(x)),
        "'linear' multiplies two signals",
    ),
    "quotient": (lambda net, x: x / net.fc(x), "'div' divides by a signal"),
    "quotient_of_zero": (lambda net, x: x / 0.0, "divides by 0"),
    "rounding": (
        lambda net, x: torch.div(x, 2, rounding_mode="floor"),
        "'div' divides by a signal or rounds",
    ),
    "dropout": (lambda net, x: F.dropout(x), "dropout is in training mode"),
    "noise": (lambda net, x: x + torch.randn(4), "'randn' has no exact counterpart"),
    "noise_alike": (lambda net, x: x + torch.rand_like(x), "'rand_like' has no exact"),
    "half": (lambda net, x: x.half(), "'half torch.float16' has no exact"),
    "integers": (lambda net, x: x.to(torch.int32) * 1.0, "'to torch.int32' has no"),
    "sum_of_channels": (
        lambda net, x: x.sum(1, keepdim=True) * torch.ones(4),
        "sums axes .* allowed: all but the channels",
    ),
    "wider_constant": (
        lambda net, x: net.fc(x)[:, None] + torch.ones(3, 4),
        "repeats the signal",
    ),
    "constant_of_a_sample": (
        lambda net, x: x + torch.tensor([[0.0] * 4, [1.0] * 4]),
        "differs between samples",
    ),
    "flat_samples": (
        lambda net, x: net.fc(x).reshape(-1).reshape(1, 8),
        "'reshape' mixes the samples",
    ),
    "swapped_samples": (lambda net, x: x.flip(0), "'flip' mixes the samples"),
    "sum_of_samples": (lambda net, x: x + x.sum(0), "'sum' over samples or steps"),
    "view_then_write": (
        lambda net, x: _write_below_a_view(net.fc(x)),
        "a view of a tensor is used after",
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_without_a_node_is_refused(name: str) -> None:
    does, match = FUNCTIONS[name]
    layers = {"fc": nn.Linear(4, 4), "l0": zero(), "l1": zero()}
    refuse(Net(lambda net, x: net.l1(does(net, x)), **layers), x(), match)


def test_a_forward_that_asks_for_a_value_is_refused() -> None:
    net = Net(lambda net, x: net.l1(x if x.sum() > 0 else -x), l1=zero())
    refuse(net, x(), "forward of module '' asks for the value of a signal .__bool__.")


def test_a_function_that_torch_does_not_see_is_refused() -> None:
    class Hidden(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            with torch._C.DisableTorchFunction():
                return 2 * x

    net = Net(lambda net, x: net.l1(Hidden.apply(x) + x), l1=zero())
    refuse(net, x(), "'add' takes a tensor that looks constant", verify=False)


def test_a_state_outside_of_neurons_is_refused() -> None:
    def leak(net: Any, x: torch.Tensor) -> torch.Tensor:
        net.total = 0.5 * net.total + x
        return net.l1(net.total)

    net = Net(leak, l1=zero(), total=torch.zeros(2, 4))
    refuse(net, x(), "'add' takes a tensor that looks constant", verify=False)


# --- neurons -------------------------------------------------------------------------


class Doubled(snn.Leaky):
    """A neuron of its own."""

    def _base_state_function(self, input_: torch.Tensor) -> torch.Tensor:
        return super()._base_state_function(2 * input_)


def changed() -> snn.Leaky:
    """A neuron that says zero and subtracts."""
    neuron = lif()
    neuron.reset_mechanism = "zero"
    return neuron


def loaded() -> snn.Leaky:
    """A neuron that subtracts, with a checkpoint of one that does not reset."""
    neuron = lif()
    neuron.load_state_dict(lif(reset_mechanism="none").state_dict())
    return neuron


NEURONS: dict[str, tuple[Make, str]] = {
    "inhibition": (lambda: zero(inhibition=True), "inhibition lets only the largest"),
    "state_quant": (lambda: zero(state_quant=torch.round), "state_quant rounds"),
    "graded": (lambda: zero(graded_spikes_factor=2.0), "graded_spikes_factor is 2"),
    "leaky_spikes": (
        lambda: zero(spike_grad=lambda v: (v > 0) + 0.1 * v * (v <= 0)),
        "its spike function gives -0.2 at v - threshold = -2",
    ),
    "early_spikes": (
        lambda: zero(spike_grad=lambda v: (v >= 0).float()),
        "its spike function gives 1 at v - threshold = 0",
    ),
    "spikes_that_fail": (
        lambda: zero(spike_grad=snn.surrogate.LSO(slope=0.1)),
        "its spike function gives an error: .*'variance'",
    ),
    "rleaky_zero": (
        lambda: snn.RLeaky(
            0.5, linear_features=4, init_hidden=True, reset_mechanism="zero"
        ),
        "RLeaky with reset_mechanism='zero' also drops .* use reset_delay=False",
    ),
    "synaptic_zero": (
        lambda: snn.Synaptic(0.5, 0.5, init_hidden=True, reset_mechanism="zero"),
        "Synaptic with reset_mechanism='zero' also drops .* use reset_delay=False",
    ),
    "rsynaptic_zero": (
        lambda: snn.RSynaptic(
            0.5, 0.5, linear_features=4, init_hidden=True, reset_mechanism="zero"
        ),
        "RSynaptic with reset_mechanism='zero' also drops .* 'subtract' or 'none'",
    ),
    "lapicque_zero": (
        lambda: snn.Lapicque(0.5, init_hidden=True, reset_mechanism="zero"),
        "Lapicque with reset_mechanism='zero' also drops .* 'subtract' or 'none'",
    ),
    "lapicque_too_fast": (
        lambda: snn.Lapicque(R=1.0, C=0.5, init_hidden=True),
        "R C is 0.5 time steps; allowed: finite, 1 or more",
    ),
    "lapicque_without_leak": (
        lambda: snn.Lapicque(1.0, init_hidden=True),
        "R C is inf time steps",
    ),
    "alpha_zero": (
        lambda: snn.Alpha(0.75, 0.5, init_hidden=True),
        "Alpha with reset_mechanism='zero' .* use reset_mechanism='none'",
    ),
    "alpha_subtract": (
        lambda: snn.Alpha(0.75, 0.5, init_hidden=True, reset_mechanism="subtract"),
        "Alpha's reset by subtraction clears one of its currents",
    ),
    "slstm": (
        lambda: snn.SLSTM(4, 4, init_hidden=True),
        "SLSTM has no exact counterpart in NIR; exported are Leaky",
    ),
    "subclass": (
        lambda: Doubled(0.5, init_hidden=True),
        "Doubled replaces Leaky._base_state_function",
    ),
    "changed_reset": (changed, "says reset_mechanism='zero' .* built for 'subtract'"),
    "loaded_reset": (loaded, "its checkpoint 'none', but it was built for 'subtract'"),
    "negative_threshold": (
        lambda: lif(threshold=-1.0),
        "with a threshold of -1 it is reset before it fires",
    ),
    "negative_threshold_at_once": (
        lambda: zero(threshold=-1.0, reset_delay=False),
        "with a threshold of -1 it is reset before it fires",
    ),
    "endless_threshold": (
        lambda: lif(threshold=float("inf")),
        "its threshold is not finite",
    ),
}


@pytest.mark.parametrize("name", NEURONS)
def test_a_neuron_without_a_node_is_refused(name: str) -> None:
    make, match = NEURONS[name]
    refuse(nn.Sequential(nn.Linear(4, 4), make()), x(), f"neuron '1'.*{match}")


def test_parameters_that_repeat_the_neurons_are_refused() -> None:
    net = nn.Sequential(nn.Linear(4, 1), zero(threshold=torch.ones(4)))
    refuse(net, x(), "threshold has shape .4,., but its neurons .1,.")


def test_the_potential_of_a_hard_reset_is_refused_and_spikes_alone_are_not() -> None:
    net = nn.Sequential(nn.Linear(4, 4), zero(output=True))
    refuse(net, x(), "its state mem is used, but no .* its spikes alone .outputs=")
    assert export_snntorch(net, x(), dt_s=DT_S, outputs=[0]).output_name == "output"


def test_the_current_of_alpha_is_refused() -> None:
    net = snn.Alpha(0.75, 0.5, init_hidden=True, output=True, reset_mechanism="none")
    refuse(net, x(), "its state syn_exc is used", outputs=[1])


# --- loops and states ----------------------------------------------------------------


def _started(net: Any, x: torch.Tensor) -> Any:
    return net.l1(x, torch.ones(2, 4))[0]


def _faded(net: Any, x: torch.Tensor) -> Any:
    mem, rows = torch.zeros(2, 4), []
    for _ in range(3):
        spk, mem = net.l1(x, mem)
        mem = 0.5 * mem
        rows.append(spk)
    return torch.stack(rows)


def _forgotten(net: Any, x: torch.Tensor) -> Any:
    return torch.stack([net.l1(x, torch.zeros(2, 4))[0] for _ in range(3)])


def _warmed_up(net: Any, x: torch.Tensor) -> Any:
    return torch.stack([net.l1(x * (t > 0)) for t in range(3)])


def _summed(net: Any, x: torch.Tensor) -> Any:
    return torch.stack([net.l1(x) for _ in range(3)]).sum(0)


def _counted(net: Any, x: torch.Tensor) -> Any:
    return sum(net.l1(x) for _ in range(3))


def _skips(net: Any, x: torch.Tensor) -> Any:
    sent = [torch.zeros(2, 4), torch.zeros(2, 4)]
    for _ in range(4):
        sent.append(net.l1(x + sent[-2]))
    return torch.stack(sent[2:])


def _half(net: Any, x: torch.Tensor) -> Any:
    return torch.stack([net.l1(x) for _ in range(4)][:2])


LOOPS: dict[str, tuple[Callable[..., Any], str]] = {
    "started": (_started, "its state mem starts at values other than 0"),
    "faded": (_faded, "step 1: its state mem is not what it returned"),
    "forgotten": (_forgotten, "step 1: its state mem is not what it returned"),
    "warmed_up": (
        _warmed_up,
        "what neuron 'l1' takes is made in another way at step 0",
    ),
    "summed": (_summed, "'sum' over samples or steps.*return the steps stacked"),
    "counted": (_counted, "what it was 2 steps ago is used.*return the steps stacked"),
    "skips": (_skips, "'l1' takes is made in another way|2 steps ago"),
    "half": (_half, "output: holds 2 steps, but the neurons are called 4 times"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_another_kind_is_refused(name: str) -> None:
    does, match = LOOPS[name]
    hidden = name not in ("started", "faded", "forgotten")
    refuse(Net(does, l1=snn.Leaky(0.75, init_hidden=hidden)), x(), match)


def test_a_neuron_called_twice_in_a_step_is_refused() -> None:
    net = Net(lambda net, x: net.l1(net.fc(net.l1(x))), l1=lif(), fc=nn.Linear(4, 4))
    refuse(net, x(), "takes is made in another way.*a neuron of its own")


def test_neurons_called_unevenly_are_refused() -> None:
    net = Net(
        lambda net, x: net.l2(net.l1(net.fc(net.l1(x)))),
        l1=lif(),
        l2=lif(),
        fc=nn.Linear(4, 4),
    )
    refuse(net, x(), r"different number of times \('l1' 2x, 'l2' 1x\)")


def test_steps_in_another_order_are_refused() -> None:
    def backwards(net: Any, x: torch.Tensor) -> Any:
        return torch.stack([net.l1(x[len(x) - 1 - t]) for t in range(len(x))])

    refuse(Net(backwards, l1=lif()), x(3, 4), "takes is made in another way")


def test_steps_and_the_whole_are_refused() -> None:
    def both_ways(net: Any, x: torch.Tensor) -> Any:
        return torch.stack([net.l1(x[t] + x.mean(0)) for t in range(len(x))])

    refuse(Net(both_ways, l1=lif()), x(3, 4), "step by step and also as a whole")


def test_a_state_that_is_not_returned_is_refused() -> None:
    class Lost(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l1 = snn.Leaky(0.75)

        def forward(self, x: torch.Tensor, mem: torch.Tensor) -> Any:
            return self.l1(x, mem)[0]

    refuse(Lost(), [x(), torch.zeros(2, 4)], "'mem' is a state of neuron 'l1', but")


def test_a_state_that_something_else_uses_is_refused() -> None:
    class Peeks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l1 = snn.Leaky(0.75)

        def forward(self, x: torch.Tensor, mem: torch.Tensor) -> Any:
            return self.l1(x + mem, mem)

    refuse(Peeks(), [x(), torch.zeros(2, 4)], "'mem' is a state of neuron 'l1', and")


def test_two_ways_from_one_neuron_in_a_loop_are_refused() -> None:
    """What l1 sent now and a step ago goes to l2, which leads back to l1."""

    def does(net: Any, x: torch.Tensor) -> Any:
        first, second, rows = torch.zeros(2, 4), torch.zeros(2, 4), []
        for each in x:
            before, first = first, net.l1(each + second)
            second = net.l2(first + before)
            rows.append(second)
        return torch.stack(rows)

    refuse(Net(does, l1=zero(), l2=zero()), torch.rand(4, 2, 4), "edge l1 -> l2: two")


def test_a_loop_that_nir_cannot_order_is_refused() -> None:
    """Spikes of the third layer come back to both that feed it, a step late."""

    def crossed(net: Any, x: torch.Tensor) -> Any:
        late, rows = torch.zeros(x.shape[1], 4), []
        for t in range(len(x)):
            first = net.l1(net.a(x[t]) + late)
            second = net.l2(net.b(x[t]) + late)
            late = net.l3(net.c(first) + net.d(second))
            rows.append(late)
        return torch.stack(rows)

    layers = {name: nn.Linear(4, 4) for name in "abcd"}
    neurons = {f"l{i}": lif() for i in (1, 2, 3)}
    refuse(Net(crossed, **layers, **neurons), x(3, 4), "signals enter at several")


# --- arguments -----------------------------------------------------------------------


class Two(nn.Module):
    """Takes two arguments and uses one."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = zero()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.l1(a)


class Many(nn.Module):
    """Takes any number of arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = zero()

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.l1(inputs[0])


def test_an_argument_that_is_not_used_is_refused() -> None:
    refuse(Two(), [x(), x()], "argument 'b' does not reach what forward returns")


def test_a_sample_that_does_not_fit_is_refused() -> None:
    refuse(Two(), x(), "the sample does not fit forward.* missing a required argument")
    refuse(Many(), x(), "takes any number of arguments")
    refuse(nn.Sequential(nn.Linear(3, 3), zero()), x(), "cannot run the sample")


def test_a_sample_without_samples_is_refused() -> None:
    net = nn.Sequential(nn.Linear(4, 4), zero())
    refuse(net, torch.rand(4), "first axis must be the samples")


def test_a_forward_that_returns_no_signal_is_refused() -> None:
    refuse(Net(lambda net, x: None), x(), "forward returns no signal")
    refuse(Net(lambda net, x: torch.ones(2)), x(), "forward returns no signal")
    refuse(nn.Sequential(zero()), x(), r"returns no signal at \[3\]", outputs=[3])


def test_options_are_checked() -> None:
    net = nn.Sequential(nn.Linear(4, 4), zero())
    refuse(net, x(), "dialect 'loihi': must be one of chip, portable", dialect="loihi")
    for dt_s in (0.0, -1e-3, float("inf"), float("nan")):
        refuse(net, x(), "time step .* allowed: finite and above 0", dt_s=dt_s)


def test_axes_that_do_not_fit_are_refused() -> None:
    def mixed(net: Any, x: torch.Tensor) -> torch.Tensor:
        return net.l1(net.fc(x) + net.back(x.transpose(1, 2)).transpose(1, 2))

    layers = {"fc": nn.Linear(4, 4), "back": nn.Linear(5, 5), "l1": zero()}
    refuse(Net(mixed, **layers), x(5, 4), "needs them as .channels, tokens.")


def test_a_result_in_another_order_is_refused() -> None:
    net = Net(
        lambda net, x: net.l1(net.c(x)).transpose(2, 3),
        c=nn.Conv2d(1, 2, 2),
        l1=zero(),
    )
    refuse(net, x(1, 4, 5), "output: the axes of what is returned")
