"""How good a model is, in numbers and in pictures.

evaluate     evaluates a model on labeled images
metrics      scores predictions; compares two classifiers; needs no TensorFlow
calibration  calibration error and temperature scaling
plotting     every plot; the only user of matplotlib and seaborn
sketch       images in characters, for a terminal
"""
