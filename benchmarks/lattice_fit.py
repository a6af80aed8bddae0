"""Learns the weights of `read_number`'s lattice from strips whose digits are known.

The weights make the ways through the lattice that read a strip right as probable as they can be among all ways: a
conditional random field over segmentations (Sarawagi and Cohen, 2004, "Semi-Markov Conditional Random Fields"), in
which the cuts are not known. Where no way reads a strip right, it teaches nothing.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

READ = 0.05  # probability of the right digit, below which a candidate does not count as that digit
RIDGE = 2.0  # weight of the squared weights of standardized columns
STEPS = 45  # of the search, at most; more fit the strips at hand too closely


class Example(NamedTuple):
    """The lattice of a strip: its borders' count, and for each candidate where it begins and ends, and what it is like.

    Attributes:
        text: The digits of the strip.
        end: The last border.
        ends: Integer array of shape `(n, 2)`, the borders of each candidate.
        table: Float array of shape `(n, columns)`, what `describe` returns.
        digits: Float array of shape `(n, 10)`, the digits' probabilities.
        dust: Float array of shape `(n,)`, the score of leaving a candidate out; -inf where it can't be.
    """

    text: str
    end: int
    ends: np.ndarray
    table: np.ndarray
    digits: np.ndarray
    dust: np.ndarray


def fit_weights(examples: list[Example]) -> np.ndarray:
    """Returns the weights of `describe`'s columns, of which the last is 1."""
    examples = [example for example in examples if len(example.ends)]
    table = np.concatenate([example.table for example in examples])
    mean, scale = table.mean(axis=0), table.std(axis=0)
    mean[-1], scale[-1] = 0, 1
    scale[scale == 0] = 1
    batch = _Batch(examples)
    table = (table - mean) / scale
    found = minimize(
        batch.loss, np.zeros(table.shape[1]), (table,), jac=True, options={"maxiter": STEPS}
    )
    weights = found.x / scale
    weights[-1] -= weights[:-1] @ mean[:-1]
    return weights


class _Batch:
    """Lattices side by side, in arrays of one size."""

    def __init__(self, examples: list[Example]):
        self.size = max(example.end for example in examples) + 1
        self.length = max(len(example.text) for example in examples)
        shape = (len(examples), self.size, self.size)
        self.where = tuple(
            np.concatenate(x)
            for x in zip(
                *[(np.full(len(e.ends), i), *e.ends.T) for i, e in enumerate(examples)], strict=True
            )
        )
        self.dust = np.full(shape, -np.inf)
        self.dust[self.where] = np.concatenate([e.dust for e in examples])
        self.last = np.array([(e.end, len(e.text)) for e in examples])
        self.shape = shape
        labels = [[int(x) for x in e.text.ljust(self.length, "0")] for e in examples]
        digits = np.concatenate(
            [e.digits[:, label] for e, label in zip(examples, labels, strict=True)]
        )
        self.logs = np.where(digits > READ, np.log(np.maximum(digits, READ)), -np.inf)
        right = self._ways(np.zeros(len(self.where[0])), self.logs)[0]
        self.used = np.isfinite(right)

    def loss(self, weights: np.ndarray, table: np.ndarray) -> tuple[float, np.ndarray]:
        scores = table @ weights
        right, share = self._ways(scores, self.logs)
        every, common = self._ways(scores, None)
        surplus = np.where(self.used[self.where[0]], share - common, 0)
        value = (every - right)[self.used].sum() + RIDGE * weights[:-1] @ weights[:-1]
        gradient = -surplus @ table
        gradient[:-1] += 2 * RIDGE * weights[:-1]
        return float(value), gradient

    def _ways(self, scores: np.ndarray, logs: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logarithm of the sum over all ways, and how probable each candidate is as a digit in them."""
        places = 1 if logs is None else self.length + 1
        steps = 1 if logs is None else self.length
        links = np.full((*self.shape, steps), -np.inf)
        links[self.where] = scores[:, None] + (0 if logs is None else logs)
        move = 0 if logs is None else 1
        count = self.shape[0]
        before = np.full((count, self.size, places), -np.inf)
        after = before.copy()
        before[:, 0, 0] = 0
        rows = np.arange(count)
        after[rows, self.last[:, 0], self.last[:, 1] if move else 0] = 0
        old = np.seterr(divide="ignore", invalid="ignore")
        for j in range(1, self.size):
            came = before[:, :j, : places - move] + links[:, :j, j]
            before[:, j, move:] = logsumexp(came, axis=1)
            idle = logsumexp(before[:, :j] + self.dust[:, :j, j, None], axis=1)
            before[:, j] = np.logaddexp(before[:, j], idle)
        for i in range(self.size - 2, -1, -1):
            goes = after[:, i + 1 :, move:] + links[:, i, i + 1 :]
            new = np.full((count, places), -np.inf)
            new[:, : places - move] = logsumexp(goes, axis=1)
            idle = logsumexp(after[:, i + 1 :] + self.dust[:, i, i + 1 :, None], axis=1)
            new = np.logaddexp(new, idle)
            after[:, i] = np.logaddexp(after[:, i], new)
        np.seterr(**old)
        total = before[rows, self.last[:, 0], self.last[:, 1] if move else 0]
        strip, start, stop = self.where
        known = np.where(np.isfinite(total), total, 0)[strip, None]
        way = (
            before[strip, start, : places - move]
            + links[strip, start, stop]
            + after[strip, stop, move:]
        )
        return total, np.exp(way - known).sum(axis=1)
