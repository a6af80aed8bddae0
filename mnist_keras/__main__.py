"""Runs the command line: `python -m mnist_keras`."""

import sys

from mnist_keras.cli.main import main

sys.exit(main())
