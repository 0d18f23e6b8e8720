"""`spikewright profile`: hardware profiles and where their numbers come from."""

from __future__ import annotations

from argparse import Namespace

from spikewright.cli.output.documents import print_document
from spikewright.cli.output.screen import Table, show
from spikewright.errors import InputError
from spikewright.hardware_profiles.profiles.absent import ABSENT
from spikewright.hardware_profiles.profiles.describe import (
    describe_profile,
    profile_dict,
)
from spikewright.hardware_profiles.profiles.docs import profiles_markdown
from spikewright.hardware_profiles.profiles.profile import (
    HardwareProfile,
    list_profiles,
    load_profile,
)
from spikewright.hardware_profiles.profiles.schema import schema_text


def run_profile(args: Namespace) -> int:
    """List the shipped profiles, or print some with all their sources.

    Raises:
        InputError: a schema is wanted of a profile.
        ProfileError: there is no such profile, or its file is wrong.
    """
    if args.schema and args.names:
        raise InputError(
            f"--schema {args.names[0]}: every profile has the same; give no name"
        )
    profiles = [load_profile(name) for name in args.names or list_profiles()]
    if args.schema:
        print(schema_text(), end="")
    elif args.markdown:
        print(profiles_markdown(profiles), end="")
    elif args.json:
        shown = [profile_dict(each) for each in profiles] if args.names else None
        listed = [{"name": each.name, "title": each.title} for each in profiles]
        print_document(args, {"profiles": shown or listed})
    elif not args.names:
        _list(profiles)
    else:
        show("\n\n".join(describe_profile(each) for each in profiles))
    return 0


def _list(profiles: list[HardwareProfile]) -> None:
    rows = [(each.name, each.title) for each in profiles]
    show(
        Table(("profile", "what it is"), rows, left=(0, 1), has_plain_head=False),
        f"no profile, `profile NAME` says why: {', '.join(ABSENT)}",
    )
