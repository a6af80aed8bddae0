"""One C99 file without dependencies or heap, for microcontrollers and everything else: float32 or int8."""

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mnist_keras import __version__
from mnist_keras._validation import InputError
from mnist_keras.inference.formats import int8, litert
from mnist_keras.inference.formats.graph import run_plain
from mnist_keras.inference.formats.plain import PlainModel, Step, as_pixels, to_plain

FUNCTION = "mnist_predict"
COMPILERS = ("cc", "gcc", "clang")
LINE = 100  # characters


def write(
    model: keras.Model,
    path: Path,
    *,
    image_shape: tuple[int, int],
    class_names: Sequence[str],
    precision: str,
    calibration_images: np.ndarray,
    **_,  # the data, which this format does not need
) -> None:
    """Writes a model as a C file with the function `mnist_predict`."""
    plain = to_plain(model)
    if precision == "int8":
        branches = [
            _integer_branch(plain, steps, image_shape, calibration_images)
            for steps in plain.branches
        ]
    else:
        branches = [_float_branch(plain, steps) for steps in plain.branches]
    text = _file(model.name, branches, precision, image_shape, class_names)
    path.write_text(text, encoding="utf-8")


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities that a C file gives for uint8 images: it is compiled and called for each image.

    Raises:
        InputError: If there is no C compiler.
    """
    compiler = os.environ.get("CC") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        raise InputError(
            f"A C file is checked by compiling it, but there is no C compiler here ({', '.join(COMPILERS)}). Install "
            "one, on Debian and Ubuntu: apt install gcc"
        )
    num_classes = int(re.search(r"probabilities\[(\d+)\]", path.read_text(encoding="utf-8"))[1])  # type: ignore[index]
    images = np.ascontiguousarray(images)
    answers = np.zeros((len(images), num_classes), np.float32)
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "exported.so"
        options = ("-std=c99", "-O3", "-shared", "-fPIC")
        command = [*shlex.split(compiler), *options, "-o", str(library), str(path), "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[0]
            raise InputError(
                f"A C file is checked by compiling it, but {compiler!r} fails: {said} "
                "Name another compiler in the environment variable CC."
            ) from error
        predict = ctypes.CDLL(str(library))[FUNCTION]
        for image, answer in zip(images, answers, strict=True):
            label = predict(
                image.ctypes.data_as(ctypes.c_void_p), answer.ctypes.data_as(ctypes.c_void_p)
            )
            assert label == answer.argmax(), "the label is the most probable class"
    return answers


@dataclass(frozen=True)
class _Branch:
    """The C code of one list of layers: constants, the lines that run them, and the template parts it needs."""

    constants: list[str]
    lines: list[str]
    parts: set[str]
    buffers: tuple[int, int]
    most_channels: int = 0


def _float_branch(plain: PlainModel, steps: Sequence[Step]) -> _Branch:
    size = int(np.prod(steps[0].input_shape))
    scaling = f"(float)pixels[i] * {_number(plain.scale)} + {_number(plain.offset)}"
    scaling = "(float)pixels[i]" if (plain.scale, plain.offset) == (1, 0) else scaling
    builder = _Builder("float", f"for (int i = 0; i < {size}; i++) a[i] = {scaling};", size)
    for step in steps:
        returned = int(np.prod(step.output_shape))
        if step.kind in ("conv", "dense"):
            kernel = step.kernel if step.kind == "conv" else step.kernel[None, None]
            names = [builder.constant("kernel", kernel), builder.constant("bias", step.bias)]
            builder.window(
                "weighted", *as_pixels(step), kernel.shape[:2], step.strides, step.padding, names
            )
        elif step.kind in ("max_pool", "average_pool"):
            builder.window(step.kind, *as_pixels(step), step.size, step.strides, (0, 0), [])
        elif step.kind == "affine":
            names = [
                builder.constant("factor", step.kernel),
                builder.constant("summand", step.bias),
            ]
            channels = step.input_shape[-1]
            builder.in_place("affine", "affine", [returned // channels, channels, *names])
        if step.activation != "linear":
            function = {"tanh": "hyperbolic_tangent"}.get(step.activation, step.activation)
            builder.in_place(step.activation, function, [returned])
    builder.lines.append(
        f"for (int i = 0; i < {returned}; i++) probabilities[i] += {builder.current}[i];"
    )
    return builder.branch()


def _integer_branch(plain, steps, image_shape, images) -> _Branch:
    *before, last = steps
    # The last step of a model with hidden classes adds up their probabilities.
    is_sum = bool(before) and before[-1].activation == "softmax"
    alone = replace(plain, branches=(tuple(before if is_sum else steps),))

    @tf.function(autograph=False)
    def probabilities(pixels):
        return run_plain(alone, pixels)

    spec = tf.TensorSpec((None, *image_shape), tf.float32, name="pixels")
    content = litert.convert(probabilities.get_concrete_function(spec), "int8", images)
    layers, scale = int8.read_integer_layers(content)
    size = int(np.prod(image_shape))
    builder = _Builder(
        "int8_t", f"for (int i = 0; i < {size}; i++) a[i] = (int8_t)(pixels[i] - 128);", size
    )
    for layer in layers:
        geometry = (
            layer.input_shape,
            layer.output_shape,
            layer.window,
            layer.strides,
            layer.padding,
        )
        if layer.kind == "table":
            table = builder.constant("table", layer.kernel)
            builder.in_place("table", "look_up", [int(np.prod(layer.output_shape)), table])
        elif layer.kind == "weighted":
            names = [
                builder.constant("kernel", layer.kernel),
                builder.constant("bias", layer.bias),
                builder.constant("factor", layer.factor),
            ]
            zeros = [layer.zero, layer.out_zero, layer.lowest]
            builder.window("weighted", *geometry, [*names, *zeros])
            builder.most_channels = max(builder.most_channels, layer.output_shape[-1])
        else:
            builder.window(layer.kind, *geometry, [])
    count = int(np.prod(layers[-1].output_shape))
    builder.parts.add("softmax")
    if is_sum:
        names = [builder.constant("kernel", last.kernel), builder.constant("bias", last.bias)]
        builder.parts.add("add_up")
        builder.lines = [
            f"float hidden[{count}] = {{0.0f}};",
            *builder.lines,
            f"add_softmax({builder.current}, hidden, {count}, {_number(scale)});",
            f"add_up(hidden, probabilities, {count}, {len(last.bias)}, {', '.join(names)});",
        ]
    else:
        builder.lines.append(
            f"add_softmax({builder.current}, probabilities, {count}, {_number(scale)});"
        )
    return builder.branch()


class _Builder:
    """Collects constants and calls; two buffers, `a` and `b`, take turns as a layer's input and output."""

    def __init__(self, kind: str, first_line: str, size: int):
        self._kind = kind
        self._constants: list[tuple[str, str]] = []
        self.lines = [first_line]
        self.parts: set[str] = set()
        self.most_channels = 0
        self._sizes = {"a": size, "b": 1}
        self.current = "a"

    def constant(self, name: str, values: np.ndarray) -> str:
        """Adds an array, and returns its name."""
        name = f"{name}_{len(self._constants) + 1}"
        kinds = {"float32": "float", "int8": "int8_t", "int32": "int32_t"}
        head = f"static const {kinds[values.dtype.name]} PREFIX{name}[{values.size}] = {{"
        self._constants.append((name, f"{head}\n{_numbers(values)}\n}};"))
        return f"PREFIX{name}"

    def window(self, kind, given, returned, window, strides, padding, arguments) -> None:
        """Adds a layer whose windows move over its input."""
        numbers = ", ".join(map(str, (*given, *returned, *window, *strides, *padding)))
        name = f"layer_{len(self._constants) + 1}"
        self._constants.append((name, f"static const layer PREFIX{name} = {{{numbers}}};"))
        other = "b" if self.current == "a" else "a"
        self._sizes[other] = max(self._sizes[other], int(np.prod(returned)))
        shown = ", ".join([self.current, other, f"&PREFIX{name}", *map(str, arguments)])
        self.lines.append(f"{kind}({shown});")
        self.parts |= {"window", kind}
        self.current = other

    def in_place(self, part: str, function: str, arguments) -> None:
        """Adds a step that changes its buffer in place."""
        self.lines.append(f"{function}({', '.join([self.current, *map(str, arguments)])});")
        self.parts.add(part)

    def branch(self) -> _Branch:
        sizes = (self._sizes["a"], self._sizes["b"])
        declared = f"{self._kind} a[{sizes[0]}], b[{sizes[1]}];"
        texts = [text for _, text in self._constants]
        return _Branch(texts, [declared, *self.lines], self.parts, sizes, self.most_channels)


def _file(name, branches: list[_Branch], precision, image_shape, class_names) -> str:
    size, count = int(np.prod(image_shape)), len(class_names)
    element = 1 if precision == "int8" else 4
    stack = max(sum(branch.buffers) for branch in branches) * element
    stack += 4 * max(branch.most_channels for branch in branches)
    declared = f"int {FUNCTION}(const uint8_t pixels[{size}], float probabilities[{count}])"
    constants, functions = [], []
    for number, branch in enumerate(branches, start=1):
        prefix = f"m{number}_" if len(branches) > 1 else ""
        constants += [text.replace("PREFIX", prefix) for text in branch.constants]
        lines = "\n".join(f"  {line}" for line in branch.lines).replace("PREFIX", prefix)
        head = f"static void add_votes_{number}(const uint8_t *pixels, float *probabilities)"
        functions.append(f"{head} {{\n{lines}\n}}")
    calls = "\n".join(
        f"  add_votes_{n}(pixels, probabilities);" for n in range(1, len(branches) + 1)
    )
    share = f"\n  for (int i = 0; i < {count}; i++) probabilities[i] /= {len(branches)}.0f;"
    body = f"""{declared} {{
  int label = 0;
  for (int i = 0; i < {count}; i++) probabilities[i] = 0.0f;
{calls}{share if len(branches) > 1 else ""}
  for (int i = 1; i < {count}; i++) {{
    if (probabilities[i] > probabilities[label]) label = i;
  }}
  return label;
}}"""
    read_only = sum(_bytes(text) for text in constants)
    names = ", ".join(re.sub(r"[*/]", "_", str(x)) for x in class_names)
    comment = f"""/* {name} in {precision}, written by mnist_keras {__version__}.

   {declared};

   Takes {image_shape[0]}x{image_shape[1]} gray pixels from 0 to 255, row by row, light ink on a dark background. Writes
   the probability of each class, and returns the most probable one. C99; needs no more than expf, lrintf and tanhf.
   Constants: {read_only:,} bytes. Stack: {stack:,} bytes of buffers, and a few hundred more. No heap, no state.
   Classes: {names} */"""
    parts = set().union(*(branch.parts for branch in branches))
    if precision == "int8":
        most = max(branch.most_channels for branch in branches)
        constants.insert(0, f"enum {{ MOST_CHANNELS = {most} }};")
    code = [_part(precision, part) for part in _order(precision) if part in parts]
    first = [code.pop(0)] if "window" in parts else []
    sections = [
        comment,
        "#include <math.h>\n#include <stdint.h>",
        f"{declared};",
        *first,
        *constants,
        *code,
        *functions,
        body,
    ]
    return "\n\n".join(sections) + "\n"


def _template(precision: str) -> str:
    folder = resources.files("mnist_keras.inference.formats") / "templates"
    return (folder / f"{precision}.c").read_text(encoding="utf-8")


def _order(precision: str) -> list[str]:
    return re.findall(r"^/\* part: (\w+) \*/$", _template(precision), re.MULTILINE)


def _part(precision: str, name: str) -> str:
    return (
        _template(precision)
        .partition(f"/* part: {name} */\n")[2]
        .partition("\n/* part: ")[0]
        .strip()
    )


def _bytes(text: str) -> int:
    found = re.match(r"static const (\w+) \w+\[(\d+)\]", text)
    if found is None:  # a layer, twelve ints
        return 48 if text.startswith("static const layer") else 0
    return int(found[2]) * (1 if found[1] == "int8_t" else 4)


def _numbers(values: np.ndarray) -> str:
    lines, line = [], ""
    for text in map(_number, values.ravel()):
        if len(line) + len(text) + 2 > LINE:
            lines.append(line)
            line = ""
        line += f"{text}, "
    return "\n".join([*lines, line])


def _number(value) -> str:
    if isinstance(value, np.integer):
        return str(value)
    text = str(np.float32(value))  # the shortest number that reads as the same float
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"
