"""American or European handwriting: a prior over the ways of writing a digit.

The same stroke can be a 1 in Rome and a 7 in Boston. The hidden classes of a model that knows ways of writing are
weighted by how often each school uses them, and then summed for each of the ten digits.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mnist_keras._validation import InputError, unknown
from mnist_keras.models.ways import DIGITS, HIDDEN_CLASSES

if TYPE_CHECKING:
    import keras

WRITINGS = ("auto", "american", "european")
# Share of a digit's writers who write it this way. American: counted on MNIST's 60,000 training
# images, whose ways a small model told apart. European: set by hand according to what schools there
# teach.
SHARES = {
    "american": {
        **{"1 bare": 0.95, "1 flagged": 0.025, "1 with a foot": 0.025},
        **{"7 plain": 0.64, "7 crossed": 0.13, "7 with a serif": 0.23},
        **{"9 straight": 0.96, "9 hooked": 0.04},
    },
    "european": {
        **{"1 bare": 0.10, "1 flagged": 0.80, "1 with a foot": 0.10},
        **{"7 plain": 0.15, "7 crossed": 0.75, "7 with a serif": 0.10},
        **{"9 straight": 0.40, "9 hooked": 0.60},
    },
}
DOUBT = 0.02  # probability left to the other school, however clear the pictures are: a page can have two writers
SURE = 0.9  # lowest probability at which a way is mentioned among the evidence


@dataclasses.dataclass(frozen=True)
class Writing:
    """The school of handwriting that was assumed.

    Attributes:
        school: "american", "european", or "neutral" if the pictures don't show it.
        european: Probability of the European school given all pictures, in [0, 1].
        reason: The evidence, in words.
    """

    school: str
    european: float
    reason: str


ALONE = Writing("neutral", 0.5, "a single picture is read without a school")


def weigh_ways(hidden: np.ndarray, writing: str = "auto") -> tuple[np.ndarray, Writing]:
    """Returns the probabilities of the ten digits, given the school of the writer.

    Args:
        hidden: Float array of shape `(n, 16)`, the probabilities of `HIDDEN_CLASSES` for pictures by one writer or
            from one page; rows sum to 1.
        writing: "american", "european", or "auto": for each picture, the school is inferred from the other pictures; a
            single picture is read without one.

    Returns:
        A float64 array of shape `(n, 10)`, rows sum to 1, and the school that was assumed.

    Raises:
        InputError: If `writing` is anything else.
    """
    check_writing_name(writing)
    hidden = np.asarray(hidden, np.float64)
    american, european = (_likelihood_ratios(school) for school in ("american", "european"))
    if writing == "auto":
        evidence = np.log(hidden @ european) - np.log(hidden @ american)
        share = _probability(evidence.sum() - evidence)  # what the other pictures say
        taken = (
            _describe(hidden, float(_probability(evidence.sum()))) if len(hidden) != 1 else ALONE
        )
    else:
        share = np.full(len(hidden), float(writing == "european"))
        taken = Writing(writing, float(writing == "european"), "given")
    weights = share[:, None] * european + (1 - share[:, None]) * american
    return add_up(hidden * weights), taken


def hidden_model(model: "keras.Model") -> "keras.Model | None":
    """Returns the model up to its hidden classes, if these are the ways of writing; otherwise None."""
    import keras

    from mnist_keras.models.inspection import find_hidden_layer

    layer = find_hidden_layer(model)
    if layer is None or layer.units != len(HIDDEN_CLASSES):
        return None
    return keras.Model(model.input, layer.output)


def check_writing(writing: str, ways: "keras.Model | None", name: str) -> str:
    """Returns the school if a model with the hidden classes `ways` can use it.

    Raises:
        InputError: If it is not a school, or the model does not know ways of writing.
    """
    check_writing_name(writing)
    if ways is None and writing != "auto":
        raise InputError(
            f"{name!r} does not know ways of writing, so it can't use the school {writing!r}. "
            "Expected: the model 'cnn_real_world', or writing='auto'."
        )
    return writing


def check_writing_name(writing: str) -> None:
    """Checks the name of a school.

    Raises:
        InputError: If there is no such school; the text names the closest one.
    """
    if writing not in WRITINGS:
        raise unknown("writing", writing, WRITINGS)


def add_up(hidden: np.ndarray) -> np.ndarray:
    """Returns the digits' probabilities, `(n, 10)`: sums over their ways; "not a digit" adds a tenth to each."""
    owners = np.array(DIGITS)
    shares = np.where(owners[:, None] < 0, 0.1, owners[:, None] == np.arange(10))
    probabilities = hidden @ shares
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def _likelihood_ratios(school: str) -> np.ndarray:
    """Returns how much more frequent each hidden class is in a school than in both together."""
    ratios = np.ones(len(HIDDEN_CLASSES))
    for name, share in SHARES[school].items():
        mean = np.mean([shares[name] for shares in SHARES.values()])
        ratios[HIDDEN_CLASSES.index(name)] = share / mean
    return ratios


def _probability(evidence):
    return np.clip(1 / (1 + np.exp(-np.clip(evidence, -50, 50))), DOUBT, 1 - DOUBT)


def _describe(hidden: np.ndarray, european: float) -> Writing:
    if 0.2 < european < 0.8:
        return Writing("neutral", european, "the pictures don't show the writer's school")
    school = "european" if european > 0.5 else "american"
    own, other = SHARES[school], SHARES["american" if school == "european" else "european"]
    counts = {
        name: int((hidden[:, HIDDEN_CLASSES.index(name)] > SURE).sum())
        for name in own
        if own[name] > other[name]
    }
    seen = ", ".join(f"{_plural(name)}: {count}" for name, count in counts.items() if count)
    return Writing(school, european, seen or "many small differences")


def _plural(name: str) -> str:
    """Returns "crossed 7s" for "7 crossed", and "1s with a foot" for "1 with a foot"."""
    digit, way = name.split(maxsplit=1)
    return f"{digit}s {way}" if way.startswith("with") else f"{way} {digit}s"
