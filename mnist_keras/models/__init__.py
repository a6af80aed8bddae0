"""The models: how they are built, which ones are registered, and where their weights come from.

builders    the architectures as plain keras.Models
layers      the first and the last layer of every registered model
ways        the hidden classes of models that distinguish ways of writing
ensemble    several trained models as one
inspection  the structure, the input and the output of any model
recipes     how a model is trained: Recipe and the table of named recipes
registry    the table of registered models
pretrained  finds and verifies the packaged weights in weights/
adapting    a model for another use: without its top, with a new head, on a tensor
loading     create_model and load_model
"""
