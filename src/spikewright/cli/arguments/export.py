"""The arguments of `spikewright export`."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from spikewright.cli.output.progress import hush_libraries
from spikewright.errors import BackendMissingError, InputError

_OF_STUDENTS = ("tokens",)
_OF_MODULES = ("sample", "weights", "dialect", "seed", "outputs", "no_verify")


def add_export(verbs: argparse._SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the verb `export`."""
    verb = verbs.add_parser(
        "export",
        help="turn a student checkpoint into a deployment folder, or any snnTorch "
        "module into NIR",
        description="Turn a student checkpoint into a deployment folder, or any "
        "snnTorch module into a .nir file that is proven to fire alike.",
    )
    verb.add_argument(
        "target",
        nargs="?",
        metavar="CHECKPOINT|FILE.py:NAME|MODULE:NAME",
        help="a student's folder; or an nn.Module, or what makes one: its code is run; "
        "default: the shipped student",
    )
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER|FILE.nir",
        help="a deployment folder, or only the network if it ends in .nir",
    )
    verb.add_argument(
        "--dt",
        type=float,
        metavar="SECONDS",
        help="length of a step; needed for a module, 1e-4 s for a student",
    )
    verb.add_argument("--tokens", type=int, metavar="N", help="longest sentence")
    _add_module(verb.add_argument_group("only for a module"))
    verb.set_defaults(run=_run)
    return verb


def _add_module(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sample",
        type=Path,
        metavar="X.npy|X.npz",
        help="what its forward takes; a .npz has an array for each argument",
    )
    group.add_argument(
        "--weights", type=Path, metavar="W.safetensors", help="put into it first"
    )
    group.add_argument(
        "--dialect",
        choices=("chip", "portable", "norse"),
        help="portable: only what other tools load; norse: Norse too (default chip)",
    )
    group.add_argument(
        "--outputs",
        metavar="KEY,…",
        help="which values that forward returns, by place or key; default: all signals",
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="of weights that are drawn (default 0)"
    )
    group.add_argument(
        "--no-verify",
        action="store_true",
        default=None,
        help="do not compare the module and the graph spike by spike",
    )


def _run(args: Namespace) -> int:
    """Tell a checkpoint from a module; load only what that needs."""
    hush_libraries()
    if args.target is None:
        args.target = _shipped()
    if ":" not in args.target or Path(args.target).is_dir():
        _check_is_checkpoint(args)
        from spikewright.cli.verbs.export import run_export

        return run_export(args)
    _refuse(args, _OF_STUDENTS, "a student's checkpoint")
    try:
        from spikewright.cli.verbs.export_module import run_export_module
    except ModuleNotFoundError as error:
        raise BackendMissingError(
            f"{error.name} is not installed; run: pip install 'spikewright[train]'"
        ) from error
    return run_export_module(args)


def _shipped() -> str:
    from spikewright.train.student import shipped_student

    return str(shipped_student())


def _check_is_checkpoint(args: Namespace) -> None:
    if args.target.endswith(".py"):
        raise InputError(
            f"{args.target}: which of its names? write {args.target}:NAME, of an "
            "nn.Module or a function that returns one"
        )
    _refuse(args, _OF_MODULES, "a module")


def _refuse(args: Namespace, names: tuple[str, ...], whose: str) -> None:
    for name in names:
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise InputError(
                f"{args.target}: --{option} is only for {whose}; leave it out"
            )
