"""The state of a run on disk, written by one process at a time.

state        which parts of a training are saved and restored
checkpoints  files of that state: atomic, checksummed, bound to their run
identity     what makes two runs the same
lock         which process writes a run directory
"""
