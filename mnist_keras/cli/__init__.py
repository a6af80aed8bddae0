"""The command `mnist-keras`.

main      the subcommands: each is one library call
doctor    what this machine offers
terminal  what the command does to its terminal
"""
