"""`spikewright simulate`: lower a network, run it, write the trace."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spikewright.cli.lowering import (
    LOWERED,
    lower_network,
    read_lowered,
    read_network,
    stage_of,
)
from spikewright.cli.progress import progress
from spikewright.cli.texts import encode_and_tell
from spikewright.errors import InputError
from spikewright.export.deployment import Deployment
from spikewright.files import check_place, read_arrays, write_trace
from spikewright.simulate.run import run
from spikewright.trace import SpikeTrace


def run_simulate(args: Namespace) -> int:
    """Simulate and write the trace; print what came out."""
    stage = stage_of(args.backend, args.arithmetic)
    check_place(args.output)
    if args.file.suffix == LOWERED:
        graph, deployment = read_lowered(args.file, stage), None
    else:
        network = read_network(args.file, dt_s=args.dt)
        graph, deployment = lower_network(network, stage), network.deployment
    inputs, extra = _inputs(args, deployment)
    with progress(len(inputs), args.backend) as show:
        trace = run(
            graph,
            inputs,
            backend=args.backend,
            runtime=args.runtime,
            deadline_s=args.deadline,
            on_samples=show,
        )
    trace = replace(trace, meta={**trace.meta, **extra})
    write_trace(trace, args.output)
    summary = _summary(trace) | {"output": str(args.output)}
    print(json.dumps(summary) if args.json else _lines(summary))
    return 0


def _inputs(
    args: Namespace, deployment: Deployment | None
) -> tuple[npt.NDArray[np.generic], dict[str, object]]:
    """Return the inputs, and what the trace should remember of them."""
    if args.inputs is not None:
        inputs = read_inputs(args.inputs)
        extra: dict[str, object] = {}
    else:
        inputs, extra = _texts(args, deployment)
    if args.steps is not None and not 1 <= args.steps <= inputs.shape[1]:
        raise InputError(
            f"--steps {args.steps}: must be 1 to {inputs.shape[1]}, the steps of the "
            "inputs"
        )
    return inputs[:, : args.steps], extra


def read_inputs(path: Path) -> npt.NDArray[np.generic]:
    """Read a .npy, or the array `inputs` of a .npz.

    Raises:
        InputError: there is no such array, or it has no samples and steps.
    """
    arrays = read_arrays(path)
    if "inputs" not in arrays or arrays["inputs"].ndim < 2:
        raise InputError(
            f"{path}: holds {', '.join(arrays) or 'nothing'}; need one array "
            "'inputs' of (samples, steps, *input shape)"
        )
    return arrays["inputs"]


def _texts(
    args: Namespace, deployment: Deployment | None
) -> tuple[npt.NDArray[np.generic], dict[str, object]]:
    if deployment is None:
        raise InputError(f"{args.file}: --text needs a deployment folder, not a file")
    encoded = encode_and_tell(deployment, args.text)
    return encoded.inputs, {"lengths": encoded.lengths.tolist(), "texts": args.text}


def _summary(trace: SpikeTrace) -> dict[str, object]:
    return {
        "samples": trace.samples,
        "steps": trace.steps,
        "spikes": int(sum(s.sum(dtype=np.int64) for s in trace.spikes.values())),
        "rate": {name: round(trace.rate(name), 5) for name in trace.spikes},
        "meta": dict(trace.meta),
    }


def _lines(summary: dict[str, object]) -> str:
    rates = summary["rate"]
    assert isinstance(rates, dict)  # noqa: S101 - made above
    width = max(map(len, rates), default=0)
    lines = [f"{name:<{width}}  rate {rate:.4f}" for name, rate in rates.items()]
    total = "{samples} samples, {steps} steps, {spikes} spikes -> {output}"
    return "\n".join([*lines, total.format(**summary)])
