"""What a model card says of each family, whatever its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikingbert.config import SpikingBertConfig

CHIP, SPIKEBERT = ChipStudentConfig.model_type, SpikeBertConfig.model_type
SPIKINGBERT = SpikingBertConfig.model_type

HEAD: Mapping[str, str] = {
    CHIP: """\
A spiking text classifier of spikewright, a `ChipStudent`, distilled from a BERT
teacher. Every operation in it exists on a neuromorphic chip: token-wise linear layers,
sums, thresholds, leaky neurons.

Labels: {labels}.""",
    SPIKEBERT: """\
A spiking text classifier of spikewright, a SpikeBERT (Lv et al., arXiv 2308.15122),
distilled from a BERT teacher.

Labels: {labels}.""",
    SPIKINGBERT: """\
A spiking text classifier of spikewright, a SpikingBERT (Bal and Sengupta,
arXiv 2308.10873), distilled from a BERT teacher at the equilibrium of its spike rates.

Labels: {labels}.""",
}

_PYTHON = """\
    pip install 'spikewright[train]'

```python
from transformers import pipeline

from spikewright.train.auto import register_auto_classes

register_auto_classes()
classify = pipeline("text-classification", model={text}, truncation=True)
print(classify(["a fine film", "a dull one"]))
```

`model` is this folder, or its name on the hub. No `trust_remote_code`: the code is that
of the package, and this folder holds JSON and safetensors only.
"""

USE: Mapping[str, str] = {
    CHIP: _PYTHON
    + """
On the chip's integers, with operations counted and priced:

    spikewright export {word} -o deployment
    spikewright report deployment --text sentences.txt
""",
    SPIKEBERT: _PYTHON,
    SPIKINGBERT: _PYTHON,
}

STAGES: Mapping[str, str] = {
    "stage1": "features distilled on unlabeled text",
    "student": "the student distilled on the task",
    "denorm": "its norms replaced by ones that fold into weights",
    "quantized": "it learned on in the chip's integers",
}
"""entry of a run's card -> what was done"""
ARITHMETIC: Mapping[str, str] = {"quantized": "the chip's integers"}
"""entry of a run's card -> what its accuracy was measured in, if not floating point"""

_COMMON = """\
- Sentences of up to {tokens} tokens; `truncation=True` cuts longer ones at their end,
  and without it they are refused.
- Only the task and the data above were looked at. Other domains, other languages, bias
  and robustness were not measured.
"""

LIMITS: Mapping[str, str] = {
    CHIP: _COMMON
    + """\
- A chip computes with 8-bit weights. Results says whether those were measured; compare
  on your own sentences with `spikewright simulate`.
- Energy figures, if any, are estimates from counted operations and published constants;
  nothing was measured on a chip.
""",
    SPIKEBERT: _COMMON
    + """\
- LayerNorm (`norm` is `layer`) exists on no chip: a checkpoint with it is not lowered.
- Energy figures, if any, are estimates from counted operations and published constants;
  nothing was measured on a chip.
""",
    SPIKINGBERT: _COMMON
    + """\
- Softmax, LayerNorm and GELU (`attention`, `norm`, `activation`) exist on no chip: a
  checkpoint with one of them is not lowered.
- Energy figures, if any, are estimates from counted operations and published constants;
  nothing was measured on a chip.
""",
}
