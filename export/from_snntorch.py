"""Any snnTorch module as a CONTINUOUS graph that is proven to fire alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

from torch import nn

from spikewright.errors import GraphError, InputError
from spikewright.export.snntorch.convert.graph import Export, lower_body
from spikewright.export.snntorch.portable import make_portable
from spikewright.export.snntorch.record.arguments import Sample, arguments_of, unwrapped
from spikewright.export.snntorch.record.body import Body, find_body
from spikewright.export.snntorch.record.recorder import record
from spikewright.export.snntorch.record.twin import make_twin
from spikewright.export.snntorch.unit_r import make_unit_r
from spikewright.export.snntorch.verify import Proof
from spikewright.export.snntorch.verify import verify as prove
from spikewright.graph import Graph

Dialect = Literal["chip", "portable", "norse"]
STAGES = ("record", "spell", "prove")
"""of an export, in their order"""


@dataclass(frozen=True, eq=False)
class ProvenGraph:
    """A CONTINUOUS graph, and what shows that it fires as its module."""

    graph: Graph
    proof: Proof | None
    """None if none was wanted"""


def export_snntorch(
    module: nn.Module,
    sample: Sample,
    *,
    dt_s: float,
    dialect: Dialect = "chip",
    verify: bool = True,
    outputs: Sequence[int | str] | None = None,
) -> Graph:
    """Return the graph that fires, neuron by neuron and step by step, as a module.

    The module is any composition of torch's layers and snnTorch's neurons, for one
    step or with the usual loop over steps in its forward; see docs/snntorch.md. It is
    copied, run and left as it is. Nodes are named by the paths of its layers.

    Args:
        module: in eval mode.
        sample: what forward takes: a tensor, or several in a list or by name. The first
            axis is the samples of a batch, behind the steps if forward loops over them.
        dt_s: length of a step in seconds; it turns decays into time constants.
        dialect: "portable" keeps to what other tools load, and "norse" to what Norse
            loads as well, see docs/snntorch.md.
        verify: prove it, on the sample and on random inputs like it: run the module in
            float64 and the reference executor, and compare every spike.
        outputs: which of the values that forward returns, by place or key, become
            Outputs; all signals by default, but for states that it also takes.

    Raises:
        GraphError: no graph can do exactly what the module does; says what and where.
        ExportMismatchError: a spike differs, so there is no graph.
        InputError: the module cannot run the sample.
    """
    return export_proven(
        module, sample, dt_s=dt_s, dialect=dialect, verify=verify, outputs=outputs
    ).graph


def export_proven(
    module: nn.Module,
    sample: Sample,
    *,
    dt_s: float,
    dialect: Dialect = "chip",
    verify: bool = True,
    outputs: Sequence[int | str] | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> ProvenGraph:
    """Do as `export_snntorch`, and return what was proven, too.

    Args:
        module: as there, and what follows, too.
        sample: as there.
        dt_s: as there.
        dialect: as there.
        verify: as there.
        outputs: as there.
        on_stage: called with each of `STAGES` when it begins.

    Raises:
        GraphError: as there.
        ExportMismatchError: as there.
        InputError: as there.
    """
    if dialect not in get_args(Dialect):
        raise InputError(
            f"dialect '{dialect}': must be one of {', '.join(get_args(Dialect))}"
        )
    if not (isfinite(dt_s) and dt_s > 0):
        raise GraphError(f"time step {dt_s} s; allowed: finite and above 0")
    module = unwrapped(module)
    arguments = arguments_of(module, sample)
    on_stage("record")
    twin = make_twin(module)
    body = find_body(record(twin, arguments), outputs)
    _check_samples(body)
    on_stage("spell")
    export = lower_body(body, dt_s=dt_s, odd_spikes=twin.odd_spikes)
    if dialect != "chip":
        export = make_portable(export, dt_s=dt_s)
    if dialect == "norse":
        export = make_unit_r(export)
    if not verify:
        _check_needs_no_proof(export)
        return ProvenGraph(export.graph, None)
    on_stage("prove")
    proof = prove(twin, body, export, arguments, dt_s=dt_s)
    return ProvenGraph(export.graph, proof)


def _check_needs_no_proof(export: Export) -> None:
    if export.needs_proof:
        raise GraphError(
            f"neuron '{export.needs_proof[0]}': subtracts its threshold without delay, "
            "which a graph does alike only as long as no v stays above its threshold; "
            "verify the export, or use reset_delay=True"
        )


def _check_samples(body: Body) -> None:
    for name, axis in body.arguments.items():
        shape = tuple(body.steps.tape.arguments[name].shape)
        if len(shape) < 2 + (axis is not None):
            raise InputError(
                f"argument '{name}' has shape {shape}; its first axis must be the "
                "samples of a batch, behind the steps if forward loops over them; "
                "unsqueeze it"
            )
