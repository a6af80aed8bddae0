"""The text of the error that a call raises."""

import pytest

from mnist_keras._validation import InputError


def error_of(call, *args, **kwargs) -> str:
    """Returns the text of the `InputError` that the call raises."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    return str(caught.value)
