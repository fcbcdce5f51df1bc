"""Which candidate a field takes: the best, when it is good enough and no other value is as good."""

from collections.abc import Iterable, Mapping

from prompture.rules.labels import normalise
from prompture.rules.page import Candidate

THRESHOLD = 0.66
MARGIN = 0.015


def choose(
    candidates: Iterable[Candidate], *, threshold: float = THRESHOLD, margin: float = MARGIN
) -> Candidate | None:
    """The best candidate; None below the threshold, or when another value scores within the margin.

    The same value in several places makes it a little surer.
    """
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(_same(candidate.value), []).append(candidate)
    ranked = sorted(
        (
            (max(c.score for c in group) + 0.004 * min(len(group) - 1, 3), key)
            for key, group in groups.items()
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    if not ranked or ranked[0][0] < threshold:
        return None
    if len(ranked) > 1 and ranked[1][0] > ranked[0][0] - margin:
        return None
    return min(groups[ranked[0][1]], key=lambda c: (-c.score, c.spans[0].start if c.spans else 0))


def _same(value: object) -> str:
    return (
        (normalise(value) or value) if isinstance(value, str) and len(value) < 200 else repr(value)
    )


def settle_claims(candidates: Mapping[str, list[Candidate]]) -> dict[str, list[Candidate]]:
    """Leave each labelled place to the field whose label fits it best: the due date is not also the date."""
    best: dict[tuple[int, int], float] = {}
    for found in candidates.values():
        for candidate in found:
            if candidate.label is not None:
                best[candidate.label] = max(best.get(candidate.label, 0.0), candidate.score)
    return {
        name: [c for c in found if c.label is None or c.score >= best[c.label] - 0.02]
        for name, found in candidates.items()
    }
