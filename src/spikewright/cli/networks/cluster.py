"""The cluster that options ask for."""

from __future__ import annotations

from argparse import Namespace

from spikewright.errors import InputError
from spikewright.simulate.cluster.options import Cluster


def cluster_of(args: Namespace) -> Cluster | None:
    """Return the cluster that is asked for, or None for this process.

    Raises:
        InputError: an option is without effect, or a number is wrong.
    """
    if args.cluster is None:
        if args.shard is not None:
            raise InputError("--shard: only --cluster has shards; leave it out")
        return None
    return Cluster(args.cluster, args.workers, args.shard, args.batch)
