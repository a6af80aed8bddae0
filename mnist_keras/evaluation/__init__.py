"""How good a model is, in numbers and in plots.

evaluate     evaluates a model on labeled images
metrics      scores predictions; compares two classifiers; needs no TensorFlow
calibration  calibration error and temperature scaling
plotting     plots of numbers: confusion matrix, learning curves, reliability
image_plots  plots of images with a model's answers
model_plots  plots that run a model: saliency, embedding, robustness; the only ones that need TensorFlow
robustness   accuracy on images that were changed
figures      size, colors and fonts of all plots
report       the page of a run: report.html
thumbnails   small images in HTML, for the page
sketch       images in characters, for a terminal
"""
