"""The integer layers of an int8 LiteRT model, read from its file, for runtimes of our own."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mnist_keras._validation import InputError


@dataclass(frozen=True)
class IntegerLayer:
    """One layer on int8 numbers; a number stands for `(number - zero) * scale`.

    Attributes:
        kind: "weighted" (a convolution, or a dense layer as one over a single pixel), "max_pool", "average_pool" or
            "table".
        input_shape: Height, width and channels of its input.
        output_shape: Height, width and channels of its output.
        window: Height and width of its windows.
        strides: Steps of its windows, down and to the right.
        padding: Rows above and columns to the left that count as zeros; negative if they are left out.
        kernel: int8, of shape `(height, width, inputs, outputs)`; for a table, its 256 values.
        bias: int32, one for each output.
        factor: float32, for each output the factor from sums to numbers of the next layer.
        zero: The number that stands for 0 in its input.
        out_zero: The number that stands for 0 in its output.
        lowest: The lowest number that it returns.
    """

    kind: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    kernel: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int8))
    bias: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    factor: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    zero: int = 0
    out_zero: int = 0
    lowest: int = -128


def read_integer_layers(content: bytes) -> tuple[list[IntegerLayer], float]:
    """Returns the layers between the pixels and the softmax of an int8 LiteRT model, and the scale of the logits.

    A pixel enters the first layer as the int8 number `pixel - 128`.

    Raises:
        InputError: If it holds an operation that is not among these layers.
    """
    model = _Model(content)
    layers: list[IntegerLayer] = []
    crop: dict[str, Any] = {}  # fields of the convolution after a slice
    for name, operator in model.operators():
        if name == "SOFTMAX":
            return layers, model.scale(operator.inputs[0])
        if name == "QUANTIZE":
            given, returned = operator.inputs[0], operator.outputs[0]
            same = np.isclose(model.scale(given), model.scale(returned))
            assert same and model.zero(given) == model.zero(returned) + 128, "bytes become int8"
        elif name == "STRIDED_SLICE":
            crop = model.crop(operator)
        elif name != "RESHAPE":
            layers.append(replace(model.layer(name, operator), **crop))
            crop = {}
    raise InputError("C in int8 needs a model that ends in a softmax.")


class _Model:
    def __init__(self, content: bytes):
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._model = schema.ModelT.InitFromPackedBuf(content, 0)
        self._graph = self._model.subgraphs[0]
        names = vars(schema.BuiltinOperator)
        self._names = {code: name for name, code in names.items() if isinstance(code, int)}

    def operators(self):
        for operator in self._graph.operators:
            yield self._names[self._model.operatorCodes[operator.opcodeIndex].builtinCode], operator

    def scale(self, tensor: int) -> float:
        return float(self._graph.tensors[tensor].quantization.scale[0])

    def zero(self, tensor: int) -> int:
        return int(self._graph.tensors[tensor].quantization.zeroPoint[0])

    def layer(self, name: str, operator) -> IntegerLayer:
        given, returned = operator.inputs[0], operator.outputs[0]
        if name == "TANH":
            return self._table(given, returned, np.tanh)
        if name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            options = operator.builtinOptions
            return IntegerLayer(
                "max_pool" if name == "MAX_POOL_2D" else "average_pool",
                self._shape(given),
                self._shape(returned),
                window=(options.filterHeight, options.filterWidth),
                strides=(options.strideH, options.strideW),
            )
        if name in ("CONV_2D", "FULLY_CONNECTED"):
            return self._weighted(name, operator)
        raise InputError(
            f"C in int8 does not know LiteRT's operation {name}. It knows convolutions and dense layers with or "
            "without ReLU or tanh, max-pools and average pools. C in float32 may take the model: format 'c'."
        )

    def crop(self, operator) -> dict[str, Any]:
        """Returns the input shape and the padding of a convolution that takes a slice of its input."""
        given, begin, *_ = operator.inputs
        _, top, left, *_ = (int(number) for number in self._array(begin, np.int32))
        return {"input_shape": self._shape(given), "padding": (-top, -left)}

    def _weighted(self, name, operator) -> IntegerLayer:
        given, weights, bias = operator.inputs
        (returned,) = operator.outputs
        options = operator.builtinOptions
        kernel = self._array(weights, np.int8)
        has_bias = bias >= 0  # LiteRT leaves out one that is all zeros
        shapes = self._shape(given), self._shape(returned)
        strides, padding = (1, 1), (0, 0)
        if name == "FULLY_CONNECTED":
            kernel = kernel[:, None, None]
            shapes = (1, 1, kernel.shape[-1]), (1, 1, len(kernel))
        else:
            strides = options.strideH, options.strideW
            if options.padding == self._schema.Padding.SAME:
                padding = _same_padding(kernel.shape[1:3], strides, *shapes)
        scales = self._graph.tensors[weights].quantization.scale
        factor = np.float32(self.scale(given)) * scales / np.float32(self.scale(returned))
        relu = self._schema.ActivationFunctionType.RELU
        zero = self.zero(returned)
        return IntegerLayer(
            "weighted",
            *shapes,
            window=kernel.shape[1:3],
            strides=strides,
            padding=padding,
            kernel=kernel.transpose(1, 2, 3, 0),
            bias=self._array(bias, np.int32) if has_bias else np.zeros(len(kernel), np.int32),
            factor=np.broadcast_to(factor, len(kernel)).astype(np.float32),
            zero=self.zero(given),
            out_zero=zero,
            lowest=zero if options.fusedActivationFunction == relu else -128,
        )

    def _table(self, given, returned, function) -> IntegerLayer:
        numbers = np.arange(-128, 128)
        values = function((numbers - self.zero(given)) * self.scale(given)) / self.scale(returned)
        table = np.clip(np.rint(values) + self.zero(returned), -128, 127).astype(np.int8)
        return IntegerLayer("table", self._shape(given), self._shape(returned), kernel=table)

    def _shape(self, tensor: int) -> tuple[int, int, int]:
        shape = [int(size) for size in self._graph.tensors[tensor].shape[1:]]
        height, width, channels = [1] * (3 - len(shape)) + shape
        return height, width, channels

    def _array(self, tensor: int, dtype) -> np.ndarray:
        described = self._graph.tensors[tensor]
        data = self._model.buffers[described.buffer].data
        return np.asarray(data, np.uint8).view(dtype).reshape(described.shape)


def _same_padding(window, strides, given, returned) -> tuple[int, int]:
    top, left = (
        max((returned[i] - 1) * strides[i] + window[i] - given[i], 0) // 2 for i in range(2)
    )
    return top, left
