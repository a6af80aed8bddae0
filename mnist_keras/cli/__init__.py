"""The command `mnist-keras`.

main      the parser and the list of subcommands
app       serves the browser app
data      shows what a dataset contains
doctor    shows versions, devices, data and extras
evaluate  evaluates and compares trained models
export    exports a trained model for another runtime
launch    starts several local processes that train one model
models    lists the registered models
predict   reads the digits in picture files
train     trains a registered model and evaluates it
terminal  typed paths, printing, progress and TensorFlow's messages
"""
