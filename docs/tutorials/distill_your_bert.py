# %% [markdown]
# # Distill your BERT
#
# From a BERT encoder and labeled texts to a spiking student that runs in Loihi's
# integers. So that this page runs in seconds and without a download, the BERT has
# random weights and the language has sixteen words; for your own, give `base` a folder
# or a hub name, and take more epochs.

# %%
import json
from pathlib import Path

import numpy as np
import torch
from transformers import pipeline

import spikewright as sw
from spikewright.cli import main
from spikewright.train.auto import register_auto_classes
from spikewright.train.distill.pipeline import train_run
from spikewright.train.settings.config import load_config
from spikewright.train.settings.stage_tables import TeacherTable
from spikewright.train.teachers.fresh_bert import make_fresh_bert

torch.set_num_threads(1)
good, bad = ["fine", "lovely", "warm", "bright"], ["dull", "sour", "cold", "grim"]
other = ["the", "soup", "road", "tale", "was", "and", "very", "quite"]

# %% [markdown]
# ## Texts
#
# A folder a task, a JSON object a line. `hub:nyu-mll/glue:sst2` instead of a folder's
# name reads a data set of the hub.

# %%
rng = np.random.default_rng(0)


def sentence(label: int) -> str:
    words = list(rng.choice(other, rng.integers(2, 6)))
    words.insert(rng.integers(len(words) + 1), rng.choice(good if label else bad))
    return " ".join(words)


folder = Path("data/tiny")
folder.mkdir(parents=True)
texts = []
for split, count in (("train", 192), ("validation", 40)):
    rows = [{"text": sentence(i % 2), "label": i % 2} for i in range(count)]
    texts += [row["text"] for row in rows]
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / f"{split}.jsonl").write_text("".join(lines))
print(f"{len(texts)} texts")
# -> 232 texts

# %% [markdown]
# ## A BERT
#
# One layer of random weights, and a tokenizer of the texts' own words.

# %%
table = TeacherTable(base="fresh", fresh_width=32, fresh_layers=1, fresh_heads=2)
make_fresh_bert(texts, table, Path("bert"), max_tokens=16, seed=0)
print(sorted(path.name for path in Path("bert").iterdir())[:2])
# -> ['config.json', 'model.safetensors']

# %% [markdown]
# ## Train
#
# The teacher is fine-tuned, labels the texts, and the student learns its logits. A run
# that is interrupted goes on where it was.

# %%
Path("tiny.toml").write_text(
    """
[data]
train = ["tiny"]
validation = "tiny"
labels = ["bad", "good"]
max_tokens = 10

[teacher]
base = "./bert"
epochs = 8
learning_rate = 5e-3
batch_size = 16

[augment]
rounds = 1

[student]
channels = 32
position_channels = 8
hidden = 32
blocks = 1
steps = 2

[distill]
epochs = 6
learning_rate = 2e-2
batch_size = 16
compile = "never"
"""
)
card = train_run(load_config(Path("tiny.toml")), Path("data"), Path("run"))
# Chance is a half of the 40 sentences; four standard deviations above it are 0.82.
print(f"the teacher learned: {card['teacher']['validation_accuracy'] > 0.82}")
print(f"the student learned: {card['student']['validation_accuracy'] > 0.82}")
# -> the teacher learned: True
# -> the student learned: True

# %% [markdown]
# ## As every transformers model
#
# One call registers our classes; no import does. The folder holds JSON and safetensors,
# and a README.md with what was measured.

# %%
register_auto_classes()
classify = pipeline("text-classification", model="run/student", truncation=True)
answers = classify(["the soup was lovely", "a very grim tale"])
print([answer["label"] for answer in answers])
# -> ['good', 'bad']

# %% [markdown]
# ## On the chip's integers
#
# The shell's `spikewright export run/student -o deployment`, then 8-bit weights.

# %%
main(["export", "run/student", "-o", "deployment"])
student = sw.read_deployment("deployment")
chip = sw.lower(student.graph, dt_s=student.card["dt_s"]).graph
validation = (folder / "validation.jsonl").read_text().splitlines()
rows = [json.loads(line) for line in validation]
encoded = sw.encode_texts(student, [row["text"] for row in rows])
trace = sw.run(chip, encoded.inputs, backend="integer")
logits = sw.logits_of(trace.output, encoded.lengths)
right = logits.argmax(axis=1) == [row["label"] for row in rows]
print(f"right in 8-bit weights, too: {right.mean() > 0.82}")
# -> deployment: 27 nodes, 31 edges, up to 10 tokens, time step 0.0001 s
# -> right in 8-bit weights, too: True

# %% [markdown]
# `spikewright report deployment --text sentences.txt` counts and prices it beside the
# teacher. More: [student.md](../student.md), [spikebert.md](../spikebert.md) for the
# published SpikeBERT, [huggingface.md](../huggingface.md) to push it.
