"""The files that start a training on a cluster: their commands parse, and the manifest is what the operator takes."""

import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

from mnist_keras.cli.main import _parser

CLUSTER = Path(__file__).parents[2] / "docs" / "cluster"


def closed(required=(), **properties):
    """Returns the schema of an object that has these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def many(items):
    return {"type": "array", "items": items, "minItems": 1}


TEXT, NAME = {"type": "string"}, {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
QUANTITIES = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^\d+\w*$"}}
CONTAINER = closed(
    ("name", "image"),
    name={"const": "tensorflow"},  # the operator sets TF_CONFIG in the container of this name
    image=TEXT,
    command=many(TEXT),
    args=many(TEXT),
    ports=many(closed(("containerPort",), name=NAME, containerPort={"const": 2222})),
    resources=closed(limits=QUANTITIES, requests=QUANTITIES),
    volumeMounts=many(closed(("name", "mountPath"), name=NAME, mountPath=TEXT)),
)
POD = closed(
    ("containers",),
    terminationGracePeriodSeconds={"type": "integer", "minimum": 1},
    containers=many(CONTAINER),
    volumes=many(
        closed(("name",), name=NAME, persistentVolumeClaim=closed(("claimName",), claimName=NAME))
    ),
)
REPLICAS = closed(
    ("template",),
    replicas={"type": "integer", "minimum": 1},
    restartPolicy={"enum": ["Always", "OnFailure", "Never", "ExitCode"]},
    template=closed(("spec",), spec=POD),
)
# The fields of TFJob that are used here, as Kubeflow's training operator 1.9.0 defines them
# (manifests/base/crds/kubeflow.org_tfjobs.yaml). The manifest also passes that definition itself.
TFJOB = closed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "kubeflow.org/v1"},
    kind={"const": "TFJob"},
    metadata=closed(("name",), name=NAME),
    spec=closed(
        ("tfReplicaSpecs",),
        runPolicy=closed(
            backoffLimit={"type": "integer"}, cleanPodPolicy={"enum": ["None", "Running", "All"]}
        ),
        tfReplicaSpecs=closed(Chief=REPLICAS, Worker=REPLICAS),
    ),
)


@pytest.fixture
def job():
    return yaml.safe_load((CLUSTER / "tfjob.yaml").read_text("utf-8"))


def test_the_manifest_is_a_job_of_the_operator(job):
    jsonschema.validate(job, TFJOB)
    job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]["cmd"] = ["x"]
    with pytest.raises(jsonschema.ValidationError, match="'cmd' was unexpected"):
        jsonschema.validate(job, TFJOB)


def test_what_the_workers_share_lies_on_the_volume(job):
    pod = job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    assert mount["name"] in [volume["name"] for volume in pod["volumes"]]
    args = _parser().parse_args([*container["command"][1:], *container["args"]])
    for path in (args.run_dir, args.data_dir):
        assert str(path).startswith(mount["mountPath"])
    assert args.resume and args.strategy == "multi_worker"


def test_the_slurm_script_runs_a_command_that_parses():
    script = (CLUSTER / "train.slurm").read_text("utf-8").replace("\\\n", " ")
    (line,) = re.findall("^srun .*", script, re.MULTILINE)
    words = shlex.split(line)
    command = words[words.index(".venv/bin/mnist-keras") + 1 :]
    args = _parser().parse_args(command)
    assert args.resume and args.strategy == "multi_worker" and args.run_dir and args.data_dir
    options = dict(re.findall(r"^#SBATCH --([-\w]+)=(\S+)", script, re.MULTILINE))
    assert options["ntasks-per-node"] == "1" and options["signal"] == "TERM@120"
