"""The state of a run on disk, by one writer at a time.

state        what of a training is saved and given back
checkpoints  files of that state: atomic, checksummed, bound to their run
identity     what makes two runs the same
lock         who writes a run directory
"""
