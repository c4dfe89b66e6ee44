"""How often drafted tokens were what the model sampled, learned for each class of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PRIOR_WEIGHT = 6.0  # tokens
_MEMORY = 100.0  # tokens of the class, after which an observation weighs 1/e


class Chances:
    """For each class the chance that a token is right: a Beta estimate that starts at ``priors`` and forgets slowly.

    Attributes:
        rates: the estimates, of shape (classes,).
    """

    def __init__(self, priors: Sequence[float]):
        self._priors = np.array(priors, dtype=np.float64)
        self._tried = np.zeros_like(self._priors)
        self._right = np.zeros_like(self._priors)
        self.rates = self._priors.copy()

    def learn(self, kind: int, right: bool) -> None:
        """A token of this class was right, or was not."""
        self._tried[kind] += 1 - self._tried[kind] / _MEMORY
        self._right[kind] += right - self._right[kind] / _MEMORY
        expected = self._right[kind] + self._priors[kind] * _PRIOR_WEIGHT
        self.rates[kind] = expected / (self._tried[kind] + _PRIOR_WEIGHT)
