"""Our models of Lava's own processes against Lava's models, with no tolerance.

Random nets with all their parameters, also those that our graphs do not need: biases,
sign modes, fewer weight bits, messages of numbers that a Dense casts to bool. They run
in a child: the import of Lava sets how Python starts processes.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.lava

PROGRAM = Path(__file__).with_name("lava_models_child.py")


@pytest.mark.parametrize(
    ("runtime", "first", "last"), [("local", 0, 60), ("lava", 60, 64)]
)
def test_random_nets_give_the_same_bits(runtime, first, last):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), runtime, str(first), str(last)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    rows = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    recorded, spikes, others, wrong = np.array(rows).T
    assert len(rows) == last - first
    assert wrong.tolist() == [0] * len(rows)
    assert (spikes > 0).mean() > 0.5
    assert (others > spikes).all()
    assert (spikes < recorded / 3).all()
