"""Several processes that train one model: who they are, and what they send each other.

cluster   the workers' addresses, from TF_CONFIG or SLURM
exchange  sums, texts and bytes between workers, over TensorFlow's own collectives
"""
