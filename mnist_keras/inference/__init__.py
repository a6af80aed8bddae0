"""From a trained model or a picture to answers.

app/           the app: draw a digit in the browser, and see what a model reads and where it looked
classifier     DigitClassifier: reads the digits in files, photos and drawings, with a confidence for each
export         export_model: a trained model as a file for another runtime, compared there with Keras
formats/       what export_model writes: a module for each family of formats
saliency       which pixels a model used: gradients and occlusion
numbers/       read_number: rows of digits in a picture, read as strings
scoring        calibrated probabilities of prepared images, and how much each looks like a digit
prediction     predict_probabilities: one compiled function for each model
preprocessing  to_mnist_image: converts a photo, scan or drawing to MNIST's form
ink            the ink in a picture, without uneven light, ruled lines and shadows
polarity       which part of a picture is ink and which is background
lines          the lines of ruled and squared paper
pictures       reads a picture from a path, bytes, a file object, a PIL image or an array
writing        American or European handwriting: a prior over the ways of writing a digit
"""
