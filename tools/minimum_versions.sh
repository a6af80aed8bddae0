#!/usr/bin/env bash
# Runs some tests with the oldest versions that pyproject.toml allows: `make test-minimum`.
#
# They go into an environment of their own, build/minimum, made with $1 (python3 if left out), and pip gets each lower
# bound as an exact version, those of the extras app, data and export too.
# Python must be 3.11 or 3.12: the oldest NumPy and SciPy have no wheels for 3.13.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=build/minimum

"${1:-python3}" -m venv --clear "$venv"
"$venv/bin/python" - >"$venv/constraints.txt" <<'PYTHON'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
dependencies = [*project["dependencies"], *extras["app"], *extras["data"], *extras["export"]]
for name, bound, version in (dependency.partition(">=") for dependency in dependencies):
    if bound:
        print(f"{name}=={version}")
PYTHON
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$venv/constraints.txt" \
  --editable ".[app,data,export]" pytest pytest-timeout pytest-xdist hypothesis
"$venv/bin/python" -m pip list --disable-pip-version-check |
  grep -iE "^($(cut -d= -f1 "$venv/constraints.txt" | paste -sd'|')) "
# Old versions warn of what newer ones of their own dependencies have deprecated; here that is no error.
"$venv/bin/python" -m pytest -q -n 2 --dist worksteal -o filterwarnings=default --disable-warnings \
  -m "not slow and not full" \
  tests/test_public_api.py tests/models/test_{builders,layers}.py tests/data/test_pipeline.py \
  tests/training/test_{train,plan,compile,resume,outcome,estimator}.py tests/evaluation/test_{metrics,calibration}.py \
  tests/data/readers/test_{parquet,pictures}.py tests/inference/test_{pictures,polarity,preprocessing,export}.py \
  tests/inference/formats/test_{graph,litert,onnx,saved_model,web}.py
"$venv/bin/python" - <<'PYTHON'
import os
import urllib.request

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from mnist_keras.inference.app.server import serve_app

with serve_app("softmax_regression", host="127.0.0.1", port=0) as url:
    assert urllib.request.urlopen(url).status == 200
print("the app is served")
PYTHON
