"""The command `mnist-keras`.

main      the subcommands: each is one library call
doctor    what this machine offers
evaluate  what trained models are worth on test images
export    a trained net as a file for another runtime
terminal  what the command does to its terminal
"""
