"""Random changes to images that keep their labels.

transforms   affine maps, elastic distortion, flips and erasing, as pure functions of (seed, step, row)
strokes      digits drawn with a pen, in several styles of handwriting
corruptions  the corruptions of MNIST-C, for testing models
"""
