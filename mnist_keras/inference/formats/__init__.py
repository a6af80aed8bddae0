"""What `export_model` writes: one module for each family of formats, each with `write` and `run`.

saved_model  TensorFlow's SavedModel, for TensorFlow Serving and TensorFlow programs
litert       LiteRT (TensorFlow Lite): float32, float16 weights, int8
onnx         ONNX: float32, int8
c            one C99 file, float32 or int8, for microcontrollers
int8         the integer layers in an int8 LiteRT file
web          one HTML page that reads drawings and pictures in a browser
hub          a folder for the Hugging Face Hub: Keras's files and a card
graph        a model as a TensorFlow graph of constants, which converters take
plain        a model as a list of plain steps, batch normalization folded, for runtimes that know few layers
"""
