"""From a model, data and a recipe to a trained model and its run directory.

train          train()
estimator      KerasImageClassifier, for scikit-learn
outcome        the result of a training: TrainingRun, scores and files
plan           what a training does, decided before it starts
compile        from a recipe to a compiled model
loop           the one training loop: slices batches for replicas and seeds dropout
pace           when the loop pauses: for signals, callbacks and saves
devices        distribution strategy, precision policy, XLA
fused_ops      TensorFlow's fused kernels for Adam and batch normalization
callbacks      Keras's callbacks: checks, and their state in a checkpoint
run_directory  what a run leaves on disk
saving/        the state of a run on disk, written by one process at a time
workers/       several processes that train one model together
"""
