"""The examples run with small settings; each notebook is made from its script and shows its results."""

import ast
import asyncio
import functools
import http.server
import importlib.util
import os
import re
import runpy
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import numpy as np
import onnxruntime
import pytest
from nbclient import NotebookClient

import mnist_keras

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9]*.py"))
MAX_NOTEBOOK_BYTES = 300_000  # more loads slowly on a web page

RESULTS = {  # script -> what it prints, what it writes to EXAMPLE_OUT
    "01_mlp_128": ("predicts the same: True", ["grid.png", "model.keras"]),
    "02_dropout": ("macro average", ["report.md", "metrics.json"]),
    "03_deep_mlp": ("claimed by its source: 98.11%", ["surest_errors.png", "metrics.json"]),
    "04_two_convolutions": (" taken for ", ["percentages.png", "plots/confusion_matrix.png"]),
    "05_customized_mlp": (
        "McNemar",
        ["documented/metrics.json", "customized/metrics.json"],
    ),
    "06_two_replicas": ("2 replicas", ["none/metrics.json", "mirrored/metrics.json"]),
    "07_own_training_code": ("expected calibration error", ["model.keras"]),
    "08_most_accurate": ("McNemar's exact test", ["ensemble.keras", "errors.png"]),
    "09_fine_tuning": ("classes even, odd", ["tuned.keras", "new.keras"]),
    "10_in_a_bigger_model": ("2 replicas", ["model.keras", "history.csv"]),
    "11_distillation": ("from the ensemble", ["from_labels.keras", "from_ensemble.keras"]),
    "12_serving": ("takes pixels: float32", ["request.json", "response.json"]),
    "13_in_a_browser": (
        "cannot be exported to this format",
        ["model.onnx", "index.html", "prepare.js"],
    ),
    "14_trackers": ("tensorboard: ", ["tensorboard/validation"]),
    "15_on_jax": ("mine on jax: test accuracy", ["model.keras"]),
    "16_features": ("similar images show the same digit", ["similar.png"]),
    "17_where_it_looked": ("test accuracy", ["saliency.png", "embedding.png"]),
    "20_cross_validation": ("best of ", ["model.keras", "trials.png"]),
    "21_wrong_labels": ("labels are suspicious", ["suspicious.png"]),
    "22_active_learning": ("least sure: 100 labels", ["curves.png"]),
}
OF_THEIR_OWN = {  # set up TensorFlow's devices or choose Keras's backend, which this process has done, or patch Keras
    *("06_two_replicas", "10_in_a_bigger_model", "14_trackers", "15_on_jax"),
}
IN_BROWSER = EXAMPLES / "13_in_a_browser.py"  # runs where its page is tried
LONG = {"20_cross_validation", "21_wrong_labels"}  # train many models
QUICK = {"01_mlp_128", "06_two_replicas"}  # their notebooks run in `make test`, too


def parametrize(scripts=SCRIPTS):
    return pytest.mark.parametrize("script", scripts, ids=lambda script: script.stem)


@pytest.fixture
def out(monkeypatch, tmp_path):
    """Small settings, and the directory that the example writes to."""
    out = tmp_path / "out"
    counts = {"EPOCHS": "1", "TRIALS": "1", "ROUNDS": "2"}
    for name, value in {"DATA": "digits", "OUT": str(out), **counts}.items():
        monkeypatch.setenv(f"EXAMPLE_{name}", value)
    monkeypatch.chdir(tmp_path)
    return out


def check_results(script, printed, out):
    text, files = RESULTS[script.stem]
    assert text in printed
    for name in files:
        assert (out / name).stat().st_size
    assert [path.name for path in out.parent.iterdir()] == ["out"], "writes elsewhere"


def cells_of(script):
    """Returns kind and text of each cell of a script in the percent format."""
    cells = []
    for cell in re.split(r"^# %%", script.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, text = cell.partition("\n")
        text = text.strip()
        if "[markdown]" not in head:
            cells.append(("code", text))
        elif text.startswith('"""'):
            cells.append(("markdown", text.strip('"').strip()))
        else:
            cells.append(("markdown", re.sub(r"^# ?", "", text, flags=re.MULTILINE)))
    return cells


def read_notebook(script):
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def printed_by(notebook):
    return "".join(x.text for x in outputs_of(notebook) if x.output_type == "stream")


@pytest.mark.slow
@parametrize(
    [
        pytest.param(script, marks=[pytest.mark.full] * (script.stem in LONG))
        for script in SCRIPTS
        if script.stem not in OF_THEIR_OWN and script != IN_BROWSER
    ]
)
def test_a_script_runs(script, out, capsys):
    runpy.run_path(str(script), run_name="__main__")
    check_results(script, capsys.readouterr().out, out)


@pytest.mark.slow
@parametrize([script for script in SCRIPTS if script.stem in OF_THEIR_OWN])
def test_a_script_runs_in_a_process_of_its_own(script, out):
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    check_results(script, result.stdout, out)
    if script.stem == "06_two_replicas":
        difference = re.search(r"largest difference of a probability: (\S+)", result.stdout)
        assert float(difference[1]) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_a_tracker_logs_the_history(tracker, out, monkeypatch):
    if importlib.util.find_spec(tracker) is None:
        pytest.skip(f'{tracker} is not installed; pip install "mnist-keras[trackers]"')
    monkeypatch.setenv("EXAMPLE_TRACKERS", tracker)
    command = [sys.executable, EXAMPLES / "14_trackers.py"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.startswith(f"{tracker}: 1 values as in the history"), result.stderr
    assert [path.name for path in out.parent.iterdir()] == ["out"], "writes elsewhere"


@pytest.mark.full
def test_the_example_on_jax_runs_on_torch(out, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setenv("EXAMPLE_BACKEND", "torch")
    command = [sys.executable, EXAMPLES / "15_on_jax.py"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "mine on torch: test accuracy" in result.stdout, result.stderr


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(out):
    """Where a server on this machine sends the files of an example from."""
    handler = functools.partial(QuietHandler, directory=out)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.slow
def test_the_page_of_onnx_runtime_web_answers_as_in_python(
    out, address, capsys, monkeypatch, request
):
    """The script always runs; its page does where npm's files and a browser are."""
    runtime = Path(
        os.environ.get("EXAMPLE_ORT", EXAMPLES.parent / "node_modules/onnxruntime-web/dist")
    )
    monkeypatch.setenv("EXAMPLE_ORT", str(runtime))
    runpy.run_path(str(IN_BROWSER), run_name="__main__")
    printed = capsys.readouterr().out
    check_results(IN_BROWSER, printed, out)
    if "npm install onnxruntime-web" in printed:
        pytest.skip("onnxruntime-web is not installed; npm install onnxruntime-web")
    page = request.getfixturevalue("browser").new_page()
    trouble, requests = [], []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    page.get_by_text("Draw with a finger").wait_for()

    images = mnist_keras.load_data("digits").test_images[:100]
    received = page.evaluate(
        """async (images) => {
          const answers = [];
          for (const image of images) answers.push(Array.from(await predict(image)));
          return answers;
        }""",
        images.reshape(-1, 784).tolist(),
    )
    session = onnxruntime.InferenceSession(out / "model.onnx")
    (expected,) = session.run(["probabilities"], {"pixels": images.astype(np.float32)})
    np.testing.assert_allclose(received, expected, atol=1e-5)

    box = page.locator("#drawing").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.85 * box["height"], steps=8)
    page.mouse.up()
    page.get_by_text(re.compile(r"\d+\.\d% sure")).wait_for()
    assert page.inner_text("#label") in set("0123456789")
    page.close()
    assert trouble == []
    assert all(url.startswith((address, "blob:")) for url in requests)


@parametrize(
    [
        pytest.param(
            script, marks=[pytest.mark.slow, *([pytest.mark.full] * (script.stem not in QUICK))]
        )
        for script in SCRIPTS
    ]
)
def test_a_notebook_runs(script, out):
    notebook = read_notebook(script)
    client = NotebookClient(notebook, timeout=250, resources={"metadata": {"path": out.parent}})
    with ThreadPoolExecutor(1) as pool:  # the browser's event loop runs in this thread
        pool.submit(lambda: asyncio.run(client.async_execute())).result()
    check_results(script, printed_by(notebook), out)


@parametrize()
def test_a_notebook_is_made_from_its_script(script):
    cells = [(cell.cell_type, cell.source) for cell in read_notebook(script).cells]
    assert cells == cells_of(script), "run `make notebooks`"


@parametrize()
def test_a_notebook_shows_what_its_cells_gave(script):
    notebook = read_notebook(script)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        shows_figure = cell.source.endswith(".figure")
        assert shows_figure == any("image/png" in x.get("data", ()) for x in cell.outputs)
    outputs = outputs_of(notebook)
    assert not [x for x in outputs if x.output_type == "error" or x.get("name") == "stderr"]
    assert script.with_suffix(".ipynb").stat().st_size < MAX_NOTEBOOK_BYTES


@parametrize()
def test_the_top_says_what_the_notebook_reached(script):
    top = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert top.startswith("# ")
    assert re.search(r"Takes about \d+ seconds on\stwo\sCPU\scores\.", top)
    reached = re.findall(r"(\d+\.\d+)%", top.partition("Reaches")[2].partition("where")[0])
    printed = printed_by(read_notebook(script))
    assert reached
    assert [f"{value}%" in printed for value in reached] == [True] * len(reached), reached


@parametrize()
def test_an_example_uses_the_public_names_alone(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not [name for name in node.names if name.name.startswith("mnist_keras")]
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("mnist_keras"):
            assert node.module == "mnist_keras"
            assert {name.name for name in node.names} <= set(mnist_keras.__all__)


def test_the_table_lists_every_example():
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\((.+?)\)", table)
    assert linked == [script.stem + suffix for script in SCRIPTS for suffix in (".py", ".ipynb")]
    assert set(RESULTS) == {script.stem for script in SCRIPTS}
