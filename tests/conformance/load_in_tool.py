"""Load NIR files in one tool, run them: one line of JSON a job, one an answer.

Run as a program of its own, so that a tool that never ends can be ended. The first line
that it writes says that the tool has been imported.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import torch

Load = Callable[[str, float], Any]
"""of the file and the time step in seconds"""


# ruff: noqa: PLC0415 - only one of them is imported


def snntorch_loader() -> Load:
    """Its importer has no argument for the time step."""
    from snntorch.import_nir import import_from_nir

    return lambda path, dt_s: import_from_nir(nir.read(path))


def spikingjelly_loader() -> Load:
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return lambda path, dt_s: import_from_nir(path, dt=dt_s)


def norse_loader() -> Load:
    from norse.torch import from_nir

    return lambda path, dt_s: from_nir(nir.read(path), dt=dt_s)


LOADERS = {
    "snnTorch": snntorch_loader,
    "SpikingJelly": spikingjelly_loader,
    "Norse": norse_loader,
}


def run(net: Any, inputs: np.ndarray) -> np.ndarray:
    """Run all samples as one batch, step by step: (samples, steps, *shape)."""
    state, outputs = None, []
    for x in torch.from_numpy(inputs.astype(np.float32)).unbind(1):
        y, state = net(x, state)
        outputs.append(y)
    return torch.stack(outputs, 1).numpy()


def answer(load: Load, job: dict[str, Any]) -> dict[str, str]:
    """Return what the tool said against the file, if anything."""
    try:
        with torch.no_grad():
            net = load(job["file"], job["dt_s"])
            np.save(job["outputs"], run(net, np.load(job["inputs"])))
    except Exception as error:  # whatever it raises is its answer
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    return {"error": ""}


def main() -> None:
    out = sys.stdout

    def say(what: dict[str, str]) -> None:
        out.write(json.dumps(what) + "\n")
        out.flush()

    with contextlib.redirect_stdout(sys.stderr):  # tools print
        load = LOADERS[sys.argv[1]]()
        say({"torch": torch.__version__})
        for line in sys.stdin:
            say(answer(load, json.loads(line)))


if __name__ == "__main__":
    main()
