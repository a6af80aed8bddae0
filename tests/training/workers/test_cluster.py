"""TF_CONFIG and SLURM's variables: who the workers are, and a sentence for what is wrong with either."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from errors import error_of

from mnist_keras.training.workers.cluster import (
    EXAMPLE,
    Cluster,
    await_workers,
    find_cluster,
)


def environment(cluster, task=None):
    config = {"cluster": cluster} | ({"task": task} if task else {})
    return {"TF_CONFIG": json.dumps(config)}


WORKERS = {"worker": ["a:1", "b:2"]}


def test_tf_config_names_the_workers_and_this_one():
    found = find_cluster(environment(WORKERS, {"type": "worker", "index": 1}))
    assert found == Cluster((), ("a:1", "b:2"), ("worker", 1))
    assert found.index == 1


def test_a_task_may_be_a_number_in_quotation_marks():
    assert find_cluster(environment(WORKERS, {"type": "worker", "index": "1"})).index == 1


def test_the_chief_is_the_first_worker():
    jobs = {"worker": ["b:2", "c:3"], "chief": ["a:1"], "ps": ["d:4"]}
    found = find_cluster(environment(jobs, {"type": "worker", "index": 1}))
    assert found.addresses == ("a:1", "b:2", "c:3") and found.index == 2
    assert find_cluster(environment(jobs, {"type": "chief", "index": 0})).index == 0


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        environment({"worker": ["a:1"]}, {"type": "worker", "index": 0}),
        environment({"ps": ["a:1", "b:1"]}),
        {"SLURM_PROCID": "0"},
    ],
)
def test_a_process_alone_has_no_cluster(environ):
    assert find_cluster(environ) is None


BAD = {
    "no JSON": (
        {"TF_CONFIG": "{"},
        "TF_CONFIG is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)). "
        f"Expected for example {EXAMPLE}. Unset it or repair it.",
    ),
    "a list": ({"TF_CONFIG": "[1]"}, f"TF_CONFIG is a list. Expected for example {EXAMPLE}."),
    "no dictionary of jobs": (environment(5), "TF_CONFIG has the cluster 5. Expected for example"),
    "one address": (environment({"worker": "a:1"}), "TF_CONFIG has 'a:1' as its workers."),
    "no port": (
        environment({"worker": ["a:1", "b"]}, {"type": "worker", "index": 0}),
        "TF_CONFIG has the address 'b'. Expected HOST:PORT, for example 10.0.0.1:2222.",
    ),
    "no task": (
        environment(WORKERS),
        "TF_CONFIG has no task. Expected a task from its cluster: worker 0, worker 1.",
    ),
    "another task": (
        environment(WORKERS, {"type": "worker", "index": 2}),
        "TF_CONFIG has the task worker 2. Expected a task from its cluster: worker 0, worker 1.",
    ),
    "a task in words": (
        environment(WORKERS, {"type": "worker", "index": "one"}),
        "TF_CONFIG has the task worker one. Expected a task from its cluster: worker 0, worker 1.",
    ),
    "a task that is a list": (environment(WORKERS, [0]), "TF_CONFIG has the task [0]. Expected"),
    "one address twice": (
        environment({"chief": ["a:1"], "worker": ["b:1", "a:1"]}, {"type": "chief", "index": 0}),
        "TF_CONFIG has the address 'a:1' twice. Give each worker its own.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_tf_config_is_said(case):
    environ, text = BAD[case]
    assert error_of(find_cluster, environ).startswith(text)


SLURM = {
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "node[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURM_LOCALID": "1",
    "SLURMD_NODENAME": "node9",
}


@pytest.fixture
def slurm(monkeypatch):
    """Sets SLURM's variables, which TensorFlow's resolver reads itself."""

    def set_all(**changes):
        environ = SLURM | changes
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return environ

    return set_all


def test_slurm_names_the_workers_where_it_is_asked_for(slurm):
    environ = slurm()
    found = find_cluster(environ, slurm=True)
    # TensorFlow sorts hosts by their names' letters; this worker is found by its own name.
    assert found.addresses == ("node10:8888", "node9:8888", "node9:8889")
    assert found.index == 2
    assert find_cluster(environ) is None


def test_a_slurm_job_of_one_task_is_a_process_alone(slurm):
    environ = slurm(
        SLURM_PROCID="0",
        SLURM_STEP_NUM_TASKS="1",
        SLURM_STEP_NODELIST="node1",
        SLURM_STEP_TASKS_PER_NODE="1",
        SLURM_LOCALID="0",
        SLURMD_NODENAME="node1",
    )
    assert find_cluster(environ, slurm=True) is None


def test_slurm_variables_that_are_missing_are_named(monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "0")
    text = error_of(find_cluster, {"SLURM_PROCID": "0"}, slurm=True)
    assert text.startswith("SLURM's variables do not name the workers: ")
    assert text.endswith("Start the command with srun, or set TF_CONFIG.")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def test_workers_wait_for_each_other():
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    clusters = [Cluster((), addresses, ("worker", index)) for index in (0, 1)]
    threads = [threading.Thread(target=await_workers, args=(each,)) for each in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in threads)


def test_workers_that_were_told_of_other_numbers_say_so_at_once():
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    clusters = [
        Cluster((), addresses[:2], ("worker", 0)),
        Cluster((), addresses, ("worker", 1)),
    ]
    with ThreadPoolExecutor() as threads:
        texts = list(threads.map(lambda each: error_of(await_workers, each, seconds=20), clusters))
    told = "Give all of them the same cluster in TF_CONFIG."
    assert texts == [
        f"Worker 1 was configured with 3 workers, but this one (worker 0) with 2. {told}",
        f"Worker 0 was configured with 2 workers, but this one (worker 1) with 3. {told}",
    ]


def test_an_address_that_does_not_answer_is_named():
    own, silent, silent_too = (f"127.0.0.1:{port}" for port in free_ports(3))
    cluster = Cluster((), (own, silent, silent_too), ("worker", 0))
    assert error_of(await_workers, cluster, seconds=0.3) == (
        f"No answer from {silent} and {silent_too} within 0.3 seconds. Start all 3 workers that TF_CONFIG names, and "
        "let their ports through the firewall."
    )


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("", 0)) as taken:
        own = f"127.0.0.1:{taken.getsockname()[1]}"
        cluster = Cluster((), (own, "127.0.0.1:1"), ("worker", 0))
        text = error_of(await_workers, cluster)
    assert text == (
        f"This worker cannot listen on its address {own}: Address already in use. Choose another port in TF_CONFIG."
    )
