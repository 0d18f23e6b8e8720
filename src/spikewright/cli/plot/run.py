"""Pictures of runs: of a trace, or of a sentence that is simulated now."""

from __future__ import annotations

from argparse import Namespace

from spikewright.cli.networks.lowering import lower_network, read_network
from spikewright.cli.networks.texts import encode_and_tell
from spikewright.errors import InputError
from spikewright.export.deployment.encoder import token_ids
from spikewright.export.deployment.folder import Deployment
from spikewright.files import read_trace
from spikewright.graph import Stage
from spikewright.plots.attention import Attention, attention
from spikewright.plots.attention_scores import AttentionScores
from spikewright.plots.convergence import Convergence
from spikewright.plots.raster import Raster, raster
from spikewright.plots.rates import Rates, rates
from spikewright.simulate.integer import run_integer
from spikewright.trace import SpikeTrace

WEIGHTS = "model.safetensors"
"""what makes a folder a checkpoint"""


def plot_raster(args: Namespace) -> Raster:
    """Return the spikes of a sample of a trace."""
    trace = read_trace(args.file)
    return raster(trace, sample=args.sample, populations=args.population)


def plot_rates(args: Namespace) -> Rates:
    """Return how often the populations of a trace fire."""
    return rates([read_trace(args.file)])


def plot_attention(args: Namespace) -> Attention | AttentionScores:
    """Return what a student looks at in a sentence: deployed, or a checkpoint.

    Raises:
        InputError: the folder is no student, there is no sentence, or the trace is not
            of its texts.
    """
    if (args.file / WEIGHTS).is_file():
        from spikewright.cli.plot.checkpoint import plot_trained  # needs torch

        return plot_trained(args)
    deployment = student_of(args)
    if (args.trace is None) == (args.text is None):
        raise InputError("give either a trace.npz or --text SENTENCE")
    trace = _trace(args, deployment)
    texts = trace.meta.get("texts")
    if not isinstance(texts, list) or len(texts) != trace.samples:
        raise InputError(
            "the trace does not say its texts; simulate with --text, or leave the "
            "trace out here and give --text"
        )
    if not 0 <= args.sample < trace.samples:
        raise InputError(
            f"--sample {args.sample}: there are samples 0 to {trace.samples - 1}"
        )
    words = words_of(deployment, str(texts[args.sample]))
    return attention(trace, words, sample=args.sample, populations=args.population)


def plot_convergence(args: Namespace) -> Convergence:
    """Return how the rates of a SpikingBERT settle on texts.

    Raises:
        InputError: no SpikingBERT, or texts that it cannot read.
    """
    from spikewright.cli.plot.settling import plot_settling  # needs torch

    return plot_settling(args)


def student_of(args: Namespace) -> Deployment:
    """Read the deployment folder of a student.

    Raises:
        InputError: it is none.
    """
    deployment = read_network(args.file).deployment if args.file.is_dir() else None
    if deployment is None:
        raise InputError(
            f"{args.file}: needs a deployment folder, which knows its words; make one "
            "with `spikewright export -o FOLDER`"
        )
    return deployment


def _trace(args: Namespace, deployment: Deployment) -> SpikeTrace:
    if args.trace is not None:
        return read_trace(args.trace)
    network = read_network(args.file)
    encoded = encode_and_tell(deployment, [args.text])
    trace = run_integer(lower_network(network, Stage.QUANTIZED), encoded.inputs)
    return SpikeTrace(trace.spikes, trace.outputs, {**trace.meta, "texts": [args.text]})


def words_of(deployment: Deployment, text: str) -> list[str]:
    """Return the tokens of a sentence, as far as they fit the network."""
    ids = token_ids(deployment.tokenizer, text)
    kept = ids[: int(deployment.card["tokens"])]
    return [str(deployment.tokenizer.id_to_token(each)) for each in kept]
