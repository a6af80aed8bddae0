"""From a trained model to answers.

export      export_model: a trained model as a file for another runtime, proved there
formats/    what it writes: a module for each family of formats
saliency    where a model looked: gradients by the pixels, and occlusion
prediction  predict_probabilities: one compiled function for each model
"""
