"""How good a model is, in numbers and in pictures.

evaluate     evaluates a model on labeled images
metrics      scores predictions; compares two classifiers; needs no TensorFlow
calibration  calibration error and temperature scaling
plotting     draws what an evaluation found in numbers
image_plots  draws images with what a model says about them
model_plots  draws what a model does with images; the only plots that need TensorFlow
robustness   how well a model reads images that were changed
figures      size, colors and fonts of all plots
report       the page of a run: report.html
thumbnails   small images in HTML, for the page
sketch       images in characters, for a terminal
"""
