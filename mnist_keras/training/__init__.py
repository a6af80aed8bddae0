"""From a model, data and a recipe to a trained model and its run directory.

train          train() and TrainingRun
plan           what a training does, decided before it starts
compile        from a recipe to a compiled model
loop           the one training loop
devices        distribution strategy, precision policy, XLA
fused_ops      TensorFlow's fused kernels for Adam and batch normalization
callbacks      Keras's callbacks: checks, and their state in a checkpoint
signals        Ctrl-C and SIGTERM
checkpoints    the state of a run, atomic and checksummed
run_directory  what a run leaves on disk
"""
