"""Examples of each verb, for `--help` and docs/cli.md. A test parses them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "demo": (
            ("spikewright demo", "three sentences on Lava"),
            ('spikewright demo "a tedious film" --runtime local', "your own, faster"),
        ),
        "train": (
            (
                "spikewright train sst2_chip.toml --data DATA -o runs/sst2",
                "a teacher, then its student; the same command goes on",
            ),
        ),
        "export": (
            ("spikewright export -o student", "the shipped student"),
            ("spikewright export runs/sst2/student -o student", "your own"),
            (
                "spikewright export my_net.py:make_net --sample x.npy --dt 1e-3 "
                "-o net.nir",
                "any snnTorch module, proven to fire alike",
            ),
            (
                "spikewright export my_net.py:make_net --weights net.safetensors "
                "--sample x.npy --dt 1e-3 --dialect portable -o net.nir",
                "with its weights, for other tools",
            ),
        ),
        "check": (
            ("spikewright check student", "a deployment folder on Loihi 1 and 2"),
            ("spikewright check net.nir --profile loihi2 --dt 1e-4", "one chip"),
        ),
        "lower": (
            ("spikewright lower student -o lowered.npz", "to 8-bit weights"),
            (
                "spikewright lower net.nir --verify x.npy --dump-passes passes "
                "-o lowered.npz",
                "proving and keeping each pass",
            ),
            (
                "spikewright lower net.nir --scale mse --calibrate x.npy "
                "--report quantization.json -o lowered.npz",
                "scales by what the inputs reach",
            ),
        ),
        "simulate": (
            ('spikewright simulate student --text "a good film"', "only rates"),
            ("spikewright simulate net.nir --inputs x.npy -o trace.npz", "a trace"),
            (
                "spikewright simulate net.nir --inputs x.npy --backend lava "
                "-o trace.npz",
                "on Lava's processes",
            ),
            (
                'spikewright simulate lowered.npz --student student --text "good" '
                "-o trace.npz",
                "a student that was lowered by itself",
            ),
            (
                "spikewright simulate net.nir --inputs x.npy --cluster local "
                "-o trace.npz",
                "in shards, on all cores: the same trace",
            ),
        ),
        "report": (
            ("spikewright report student", "the demo's sentences"),
            (
                "spikewright report student --text dev.jsonl -o report.html "
                "-o report.json",
                "a whole set, as a page and as data",
            ),
            (
                "spikewright report net.nir trace.npz --teacher bert-base --tokens 128",
                "a trace that was kept",
            ),
            ("spikewright report net.nir --inputs x.npy", "simulated now"),
            (
                "spikewright report student --text million.txt "
                "--cluster tcp://host:8786 -o report.html",
                "by the workers of a Dask scheduler",
            ),
            (
                "spikewright report net.nir trace.npz --explain "
                "student/loihi1/fixed/total",
                "one figure, down to its sources",
            ),
            ("spikewright report --teacher bert-base", "a teacher alone"),
        ),
        "plot": (
            ("spikewright plot raster trace.npz -o raster.svg", "who fired when"),
            (
                "spikewright plot energy report.json --by component -o energy.svg",
                "a figure of a report",
            ),
            (
                'spikewright plot attention student --text "a good film" '
                "-o attention.svg",
                "what a student looks at",
            ),
            (
                "spikewright plot graph net.nir --stage timed -o graph.svg",
                "a network with its delays",
            ),
        ),
        "profile": (
            ("spikewright profile", "all that there are"),
            ("spikewright profile loihi1", "one, each constant with its source"),
        ),
        "convert": (
            ("spikewright convert network.net --dt 1e-3 -o network.nir", "lava-dl"),
            ("spikewright convert network.nir -o network.net", "and back"),
            ("spikewright convert TEACHER_FOLDER -o teacher.onnx", "a teacher"),
        ),
        "card": (
            ("spikewright card runs/sst2/student", "look at it"),
            (
                "spikewright card runs/sst2/student -o my-student "
                "--license apache-2.0 --language en",
                "a folder to push",
            ),
            (
                "spikewright card runs/sst2/student -o my-student --energy report.json",
                "with the verdict of a report",
            ),
        ),
        "doctor": (("spikewright doctor", "versions, and whether Lava runs"),),
        "run": (
            ("spikewright run --sample", "print a configuration to begin with"),
            ("spikewright run road.toml", "do what is not done yet"),
            ("spikewright run road.toml --dry-run", "say what would run, and why"),
            ("spikewright run road.toml --force simulate", "once more all the same"),
        ),
        "sweep": (
            ("spikewright sweep sweep.toml", "all points, then table and picture"),
            ("spikewright sweep sweep.toml --cluster local", "side by side"),
            ("spikewright sweep sweep.toml --point 3", "one, of an array of jobs, say"),
        ),
        "completion": (
            (
                "spikewright completion bash > "
                "~/.local/share/bash-completion/completions/spikewright",
                "bash",
            ),
            ('spikewright completion zsh > "${fpath[1]}/_spikewright"', "zsh"),
            (
                "spikewright completion fish > "
                "~/.config/fish/completions/spikewright.fish",
                "fish",
            ),
        ),
    }
)
"""verb -> commands, and what each does"""


def epilog(verb: str) -> str | None:
    """Return the examples of a verb as `--help` has them."""
    if verb not in EXAMPLES:
        return None
    lines = [f"  {command}\n      {what}" for command, what in EXAMPLES[verb]]
    return "\n".join(["examples:", *lines])
