"""From a trained model or a picture to answers.

app/           the app: draw a digit in the browser, and see what a model reads and where it looked
classifier     DigitClassifier: reads the digits in files, photos and drawings, and says how sure it is
export         export_model: a trained model as a file for another runtime, proved there
formats/       what it writes: a module for each family of formats
saliency       where a model looked: gradients by the pixels, and occlusion
prediction     predict_probabilities: one compiled function for each model
preprocessing  to_mnist_image: a photo, scan or drawing in the form that MNIST has
polarity       which part of a picture is ink and which is ground
pictures       reads a picture from a path, bytes, a file object, a PIL image or an array
writing        the school that taught the writer, a prior over the ways of writing a digit
"""
