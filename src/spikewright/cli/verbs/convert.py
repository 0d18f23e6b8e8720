"""`spikewright convert`: from lava-dl's netx to NIR and back, and a teacher to ONNX."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType

from spikewright.cli.output.documents import print_document
from spikewright.cli.output.screen import show
from spikewright.errors import BackendMissingError, InputError
from spikewright.export.netx.io import (
    read_netx,
    read_netx_in_seconds,
    round_to_netx,
    write_netx,
)
from spikewright.export.nir.io import read_nir, read_nir_dt, write_nir
from spikewright.files import read_graph, write_graph
from spikewright.graph import Graph
from spikewright.whole_files import check_place

Summary = dict[str, object]
FOLDER = "folder"


def run_convert(args: Namespace) -> int:
    """Convert one file into another; the suffixes say what."""
    ends = (FOLDER if args.file.is_dir() else args.file.suffix, args.output.suffix)
    if ends not in _ROUTES:
        known = ", ".join(f"{one} to {other}" for one, other in _ROUTES)
        raise InputError(
            f"{args.file} to {args.output}: cannot convert {ends[0] or 'this'} to "
            f"{ends[1] or 'that'}; allowed: {known}"
        )
    check_place(args.output)
    summary = {"output": str(args.output), **_ROUTES[ends](args)}
    if args.json:
        print_document(args, summary)
    else:
        show(_lines(summary))
    return 0


# --- netx ----------------------------------------------------------------------------


def _netx_to_nir(args: Namespace) -> Summary:
    dt_s = _dt_s(args, None)
    graph = read_netx_in_seconds(args.file, dt_s=dt_s, entry=args.entry)
    write_nir(graph, args.output, dt_s=dt_s)
    return _size(graph, dt_s)


def _netx_to_integers(args: Namespace) -> Summary:
    graph = read_netx(args.file, dt_s=_dt_s(args, None), entry=args.entry)
    write_graph(graph, args.output)
    return _size(graph, graph.dt_s)


def _nir_to_netx(args: Namespace) -> Summary:
    graph, dt_s = _nir(args)
    layers = write_netx(graph, args.output, dt_s=dt_s)
    return {"layers": {name: asdict(fit) for name, fit in layers.items()}}


def _nir_to_integers(args: Namespace) -> Summary:
    graph, dt_s = _nir(args)
    rounded = round_to_netx(graph, dt_s=dt_s)
    write_graph(rounded, args.output)
    return _size(rounded, dt_s)


def _integers_to_netx(args: Namespace) -> Summary:
    layers = write_netx(read_graph(args.file), args.output)
    return {"layers": {name: asdict(fit) for name, fit in layers.items()}}


def _nir(args: Namespace) -> tuple[Graph, float]:
    graph = read_nir(args.file, dt_s=args.dt)
    return graph, _dt_s(args, read_nir_dt(args.file))


def _dt_s(args: Namespace, recorded: float | None) -> float:
    found = args.dt if recorded is None else recorded
    if found is None:
        raise InputError(f"{args.file}: carries no time step; give --dt SECONDS")
    return float(found)


def _size(graph: Graph, dt_s: float | None) -> Summary:
    return {"nodes": len(graph.nodes), "edges": len(graph.edges), "dt_s": dt_s}


# --- ONNX ----------------------------------------------------------------------------


def _folder_to_onnx(args: Namespace) -> Summary:
    try:
        from spikewright.export.onnx.export import export_onnx
    except ModuleNotFoundError as error:
        raise BackendMissingError(
            f"{error.name} is not installed; run: pip install 'spikewright[train,onnx]'"
        ) from error
    return asdict(export_onnx(args.file, args.output))


def _lines(summary: Mapping[str, object]) -> str:
    lines = []
    for name, value in summary.items():
        if isinstance(value, Mapping):
            lines += [f"{name} {key}: {_words(each)}" for key, each in value.items()]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines)


def _words(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{key} {each:g}" for key, each in value.items())


_ROUTES: Mapping[tuple[str, str], Callable[[Namespace], Summary]] = MappingProxyType(
    {
        (".net", ".nir"): _netx_to_nir,
        (".net", ".npz"): _netx_to_integers,
        (".nir", ".net"): _nir_to_netx,
        (".nir", ".npz"): _nir_to_integers,
        (".npz", ".net"): _integers_to_netx,
        (FOLDER, ".onnx"): _folder_to_onnx,
    }
)
