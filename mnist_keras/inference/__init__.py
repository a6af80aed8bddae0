"""From a trained model to answers.

prediction  predict_probabilities: one compiled function for each model
"""
