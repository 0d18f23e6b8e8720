"""`spikewright card`: a model card, or a folder that is ready to be pushed."""

from __future__ import annotations

from argparse import Namespace

from spikewright.cli.output.documents import print_document
from spikewright.cli.output.screen import show
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.hub.card import model_card, read_facts
from spikewright.train.hub.folder import check_checkpoint, write_model_folder


def run_card(args: Namespace) -> int:
    """Print the card, or write the folder in `args.output`."""
    if args.output is None:  # else it is checked when it is copied
        check_checkpoint(args.checkpoint)
    named = args.output or args.checkpoint
    facts = read_facts(
        args.checkpoint,
        name=args.name or named.resolve().name,
        energy=None if args.energy is None else read_json(args.energy),
        language=args.language,
        license_name=args.license,
    )
    if args.output is not None:
        write_model_folder(args.checkpoint, args.output, facts)
    text = model_card(facts)
    if args.json:
        written = None if args.output is None else str(args.output)
        print_document(args, {"output": written, "card": text})
    elif args.output is None:
        print(text, end="")
    else:
        show(f"{args.output}: ready to push; look at README.md first")
    return 0
