"""Random changes to images that keep their labels.

transforms   affine maps, elastic distortion, flips and erasing, as pure functions of (seed, step, row)
strokes      digits drawn with a pen, in the ways that people of several schools write them
corruptions  the corruptions of MNIST-C, to test models with
"""
