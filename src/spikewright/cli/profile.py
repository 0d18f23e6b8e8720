"""`spikewright profile`: hardware profiles and where their numbers come from."""

from __future__ import annotations

import json
from argparse import Namespace

from spikewright.hardware_profiles.describe import describe_profile, profile_dict
from spikewright.hardware_profiles.profile import list_profiles, load_profile


def run_profile(args: Namespace) -> int:
    """List the shipped profiles, or print one with all its sources."""
    if args.name is None:
        profiles = {name: load_profile(name).title for name in list_profiles()}
        lines = [f"{name:<10}  {title}" for name, title in profiles.items()]
        print(json.dumps(profiles, indent=2) if args.json else "\n".join(lines))
        return 0
    profile = load_profile(args.name)
    if args.json:
        print(json.dumps(profile_dict(profile), indent=2))
    else:
        print(describe_profile(profile))
    return 0
