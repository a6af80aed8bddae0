"""The command `mnist-keras`.

main      the subcommands: each is one library call
app       draw a digit in the browser and see what a model reads
data      what is found in a dataset
doctor    what this machine offers
evaluate  what trained models are worth on test images
export    a trained model as a file for another runtime
launch    several local processes that train one model
models    the table of the registered models
predict   reads the digits in picture files
train     a registered model is trained and evaluated
terminal  what the command does to its terminal
"""
