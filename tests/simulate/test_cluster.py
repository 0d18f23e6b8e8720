"""Samples in shards over Dask: the same to the bit, whatever happens to workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.errors import (
    BackendMissingError,
    GraphError,
    InputError,
    OverflowDetectedError,
    WorkerError,
)
from spikewright.export.lower import lower
from spikewright.files import write_trace
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import DenseSynapses, Input, Output, QuantizedNeurons
from spikewright.simulate.cluster import dask, identity
from spikewright.simulate.cluster.crew import open_crew
from spikewright.simulate.cluster.options import Cluster
from spikewright.simulate.cluster.packed import Packed, pack, unpack
from spikewright.simulate.cluster.run import run_on_cluster
from spikewright.simulate.cluster.shards import Job, map_shards, share
from spikewright.simulate.run import run
from spikewright.trace import Keep, SpikeTrace, TracePolicy

DT_S = 1e-3


def _one_neuron(weight: int = 3) -> Graph:
    nodes = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[weight]]), 7),
        "n": QuantizedNeurons((1,), 0, 100, 1.0),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.QUANTIZED, DT_S, arrival)


def _spikes(graph: Graph, samples: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        name: (rng.random((samples, 5, *node.shape)) < 0.5).astype(np.uint8)
        for name, node in graph.inputs.items()
    }


def _bytes(trace: SpikeTrace, folder: Path) -> bytes:
    write_trace(trace, folder / "trace.npz")
    return (folder / "trace.npz").read_bytes()


# --- the same results ----------------------------------------------------------------


@pytest.mark.parametrize("shard", [1, 4, None])
@pytest.mark.parametrize(
    ("backend", "stage"),
    [("integer", Stage.QUANTIZED), ("reference", Stage.DISCRETE)],
)
def test_a_trace_has_the_same_bytes(
    scheduler, any_graph, tmp_path, backend, stage, shard
) -> None:
    graph = lower(any_graph(3), dt_s=DT_S, to=stage).graph
    inputs, done = _spikes(graph, 11), []
    found = run_on_cluster(
        graph,
        inputs,
        cluster=Cluster(scheduler, shard=shard),
        backend=backend,
        on_samples=done.append,
    )
    alone = run(graph, inputs, backend=backend)
    assert _bytes(found, tmp_path) == _bytes(alone, tmp_path)
    # 11 samples; by default two threads get four tasks each: ceil(11 / 8) = 2 a task
    size = shard or 2
    assert done == [*range(size, 11, size), 11]


def test_only_numbers_of_spikes_come_back_if_that_is_asked_for(
    scheduler, tmp_path
) -> None:
    graph, policy = _one_neuron(), TracePolicy(Keep.COUNTS)
    inputs = _spikes(graph, 5)
    cluster = Cluster(scheduler, shard=2, batch=1)
    found = run_on_cluster(graph, inputs, cluster=cluster, trace=policy)
    assert found.spikes == {}
    alone = run(graph, inputs, backend="integer", trace=policy)
    assert _bytes(found, tmp_path) == _bytes(alone, tmp_path)


def test_whether_inputs_are_spikes_is_a_matter_of_all_samples(
    scheduler, decimal_graph, tmp_path
) -> None:
    """The first shard holds only 0 and 1, the second a half: so no Input has spikes."""
    graph = lower(decimal_graph(0), dt_s=DT_S, to=Stage.DISCRETE).graph
    inputs = np.zeros((2, 3, 6))
    inputs[1, 0, 0] = 0.5
    cluster = Cluster(scheduler, shard=1)
    found = run_on_cluster(graph, inputs, cluster=cluster, backend="reference")
    assert "input" not in found.spikes
    assert _bytes(found, tmp_path) == _bytes(run(graph, inputs), tmp_path)


@pytest.mark.lava
@pytest.mark.slow
def test_workers_run_lava_in_children(scheduler) -> None:
    graph = _one_neuron()
    inputs = _spikes(graph, 2)
    cluster = Cluster(scheduler, shard=2)
    found = run_on_cluster(graph, inputs, cluster=cluster, backend="lava")
    alone = run(graph, inputs, backend="integer")
    assert found.meta["backend"] == "lava"
    np.testing.assert_array_equal(found.spikes["n"], alone.spikes["n"])
    np.testing.assert_array_equal(found.output, alone.output)


# --- lost workers --------------------------------------------------------------------


def _client(address: str) -> Any:
    return import_module("distributed").Client(address, set_as_default=False)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_is_killed_midway_changes_nothing(
    scheduler, any_graph, tmp_path
) -> None:
    graph = lower(any_graph(3), dt_s=DT_S, to=Stage.QUANTIZED).graph
    inputs, killed = _spikes(graph, 40), []
    with _client(scheduler) as client:
        client.wait_for_workers(1, 60)

        def kill_one(done: int) -> None:
            if killed:
                return
            busy = max(client.processing().items(), key=lambda each: len(each[1]))[0]
            killed.append(client.run(os.getpid, workers=[busy])[busy])
            os.kill(killed[0], signal.SIGKILL)

        found = run_on_cluster(
            graph,
            inputs,
            cluster=Cluster(scheduler, shard=1),
            backend="reference",
            on_samples=kill_one,
        )
    assert not _is_alive(killed[0])
    alone = run(graph, inputs, backend="reference")
    assert _bytes(found, tmp_path) == _bytes(alone, tmp_path)


def test_a_task_that_kills_its_workers_is_given_up(scheduler) -> None:
    cluster = Cluster(scheduler, timeout_s=60)
    said = r"(?s)samples 3 to 4: given up, 2 workers died on it.*smaller shards"
    with open_crew(cluster) as crew, pytest.raises(WorkerError, match=said):
        jobs = [Job("samples 3 to 4", None)]
        list(map_shards(crew, _poison(), share(_one_neuron(), {}), jobs))


def _poison() -> Callable[..., None]:
    return lambda shared, job: os._exit(1)  # by value: workers have no such module


def test_what_a_task_raises_again_and_again_is_told(scheduler) -> None:
    def fail(shared: object, job: object) -> None:
        raise MemoryError("no room")

    said = r"sample 0: failed on 3 tries: MemoryError: no room"
    with open_crew(Cluster(scheduler)) as crew, pytest.raises(WorkerError, match=said):
        list(map_shards(crew, fail, share(_one_neuron(), {}), [Job("sample 0", None)]))


def test_few_tasks_are_under_way_at_once(scheduler) -> None:
    """The others wait until results are taken, so memory is bounded everywhere."""
    taken: list[int] = []

    def jobs() -> Iterator[Job[int]]:
        for index in range(60):
            taken.append(index)
            yield Job(str(index), index)

    with open_crew(Cluster(scheduler)) as crew:
        # Two threads, each with a task that runs, one that waits, and one to look at;
        # fewer as long as a worker has not come.
        most = 2 * 2 + 1
        assert crew.window() <= most
        results = map_shards(
            crew, lambda shared, job: job * job, share(_one_neuron(), {}), jobs()
        )
        for finished, found in enumerate(results):
            assert found == finished * finished
            assert len(taken) <= finished + most
    assert len(taken) == 60


# --- refusals ------------------------------------------------------------------------


def test_an_overflow_names_the_sample_among_all(scheduler) -> None:
    # -1020 << 7 is -130560, two of them times 64 leave 2**23.
    inputs = np.ones((5, 2, 1), np.uint8)
    inputs[:4, 1] = 0
    cluster = Cluster(scheduler, shard=2)
    with pytest.raises(OverflowDetectedError, match="sample 4, step 1: membrane"):
        run_on_cluster(_one_neuron(-255 * 4), inputs, cluster=cluster)


def test_what_a_backend_refuses_is_refused_by_name(scheduler, decimal_graph) -> None:
    graph = lower(decimal_graph(0), dt_s=DT_S, to=Stage.DISCRETE).graph
    with pytest.raises(GraphError, match="needs a QUANTIZED graph, got DISCRETE"):
        run_on_cluster(graph, np.zeros((2, 3, 6)), cluster=Cluster(scheduler))


def test_other_versions_are_refused(scheduler, monkeypatch) -> None:
    with _client(scheduler) as client:
        client.wait_for_workers(2, 60)  # one that was killed comes back
    identity.identity.cache_clear()
    monkeypatch.setattr(identity.np, "__version__", "1.0")
    said = r"of 2 workers cannot give the same results: tcp.*: numpy .*, here 1\.0"
    with pytest.raises(WorkerError, match=said), open_crew(Cluster(scheduler)):
        pass
    identity.identity.cache_clear()


def test_a_worker_without_spikewright_is_told_as_it_is() -> None:
    missing = ModuleNotFoundError("No module named 'spikewright'")
    found = {"tcp://a:1": identity.identity(), "tcp://b:2": missing}
    said = "1 of 2 workers .*: tcp://b:2: ModuleNotFoundError: No module .*; install"
    with pytest.raises(WorkerError, match=said):
        identity.check_identities(found)


def test_an_address_that_nobody_answers_is_refused(no_client: None) -> None:
    cluster = Cluster("tcp://127.0.0.1:9", timeout_s=0.3)
    said = r"cluster tcp://127.0.0.1:9: nobody answers within 0.3 s .*dask scheduler"
    with pytest.raises(InputError, match=said), open_crew(cluster):
        pass


@pytest.fixture
def no_client(monkeypatch) -> None:
    """A client that fails to connect may end in a deadlock: none may be tried."""

    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("a client was made")

    monkeypatch.setattr(import_module("distributed"), "Client", refuse)


def test_a_worker_is_no_scheduler(scheduler, no_client) -> None:
    runner = import_module("distributed.utils").LoopRunner(asynchronous=False)
    (worker, *_) = runner.run_sync(_workers, scheduler)
    said = "nobody answers within 5 s .there is a Worker, not a scheduler"
    with pytest.raises(InputError, match=said):
        with open_crew(Cluster(worker, timeout_s=5)):
            pass


async def _workers(scheduler: str) -> list[str]:
    async with import_module("distributed").rpc(scheduler) as server:
        return list((await server.identity())["workers"])


@pytest.mark.parametrize(
    "address", ["", "nonsense", "tcp://", "inproc://", "tls://x:1"]
)
def test_what_is_no_address_is_refused(address: str, no_client: None) -> None:
    with pytest.raises(InputError, match="nobody answers"):
        with open_crew(Cluster(address, timeout_s=0.3)):
            pass


def test_a_scheduler_without_workers_is_refused() -> None:
    lonely = import_module("distributed").LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    said = r"has no worker after 0.2 s; start `dask worker tcp://127"
    with lonely, pytest.raises(InputError, match=said):
        with open_crew(Cluster(lonely.scheduler_address, timeout_s=0.2)):
            pass


def test_dask_is_optional(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BackendMissingError, match=r"pip install 'spikewright\[cluster"):
        dask.load_distributed()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "workers is 0; allowed: 1 or more"),
        ({"shard": 0}, "shard is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"timeout_s": float("nan")}, "must be positive, finite"),
        ({"address": "tcp://a:1", "workers": 2}, "tcp://a:1 has its own"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Cluster(**options)


# --- sizes ---------------------------------------------------------------------------


def test_a_task_is_neither_too_large_nor_too_small() -> None:
    sizes = Cluster()
    assert sizes.shard_size(1000, 10, threads=5) == 50  # 1000 / (4 x 5)
    assert sizes.shard_size(3, 10, threads=5) == 1
    assert sizes.shard_size(10**6, 2**20, threads=5) == 32  # 2**25 bytes of spikes
    assert sizes.shard_size(10, 2**30, threads=1) == 1
    assert Cluster(shard=7).shard_size(1000, 10, threads=5) == 7


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64", "float64"])
def test_spikes_travel_eight_to_a_byte_and_come_back_as_they_were(dtype: str) -> None:
    given = (np.arange(42).reshape(3, 2, 7) % 3 == 0).astype(dtype)
    packed = pack({"x": given})["x"]
    if dtype == "float64":  # -0.0 would lose its sign
        assert packed is given
    else:
        assert isinstance(packed, Packed)
        assert len(packed.bits) == 6  # 42 bits
    found = unpack({"x": packed})["x"]
    assert (found.dtype, found.shape) == (given.dtype, given.shape)
    np.testing.assert_array_equal(found, given)
