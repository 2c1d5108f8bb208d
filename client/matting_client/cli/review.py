"""Which of many results to look at first: those in which nothing was found, and those that doubt themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Self

from matting_client.cutout import Cutout
from matting_client.files import Encoded
from matting_client.processing import shadow_notes


class Outcome(NamedTuple):
    """What a result says of itself, kept when its pixels are gone."""

    is_empty: bool
    uncertainty: float
    notes: tuple[str, ...] = ()  # what was repaired or left out when the photo was read, and what a shop objects to
    size: tuple[int, int] = (0, 0)  # width and height of the result in pixels
    seconds: float = 0.0  # that the model took

    @classmethod
    def of(cls, cutout: Cutout, result: Encoded, broken: tuple[str, ...] = ()) -> Self:
        """Of a cutout, its result, and the rules of a template that this one breaks."""
        alpha = cutout.with_options(cutout.options.for_alpha())
        told = shadow_notes(alpha.render(), cutout.options.shadow) if cutout.options.shadow == "contact" else ()
        notes = (*map(str, (*cutout.origin.notes, *told)), *broken)
        seconds = cutout.seconds["infer"] + cutout.seconds.get("second", 0.0)
        return cls(cutout.is_empty, cutout.uncertainty, notes, result.size, seconds)


def review_line(uncertainty: float, name: str) -> str:
    """What names a doubtful result, for people and programs."""
    return f"review {uncertainty:.4f} {name}"


@dataclass
class Review:
    """Takes note of each result as it comes.

    Parameters
    ----------
    above : results whose uncertainty is larger are listed, the worst first; None lists none.
    """

    above: float | None = None
    done: int = 0
    empty: int = 0
    doubtful: list[tuple[float, str]] = field(default_factory=list)

    def add(self, name: str, outcome: Outcome) -> list[str]:
        """Take a result; returns what to say of it at once."""
        said = [f"{name}: warning: {note}" for note in outcome.notes]
        self.done += 1
        if self.above is not None and outcome.uncertainty > self.above:
            self.doubtful.append((outcome.uncertainty, name))
        if outcome.is_empty:
            self.empty += 1
            said.append(f"{name}: nothing found, the result is empty")
        return said

    def lines(self) -> list[str]:
        """What to say at the end."""
        said = []
        if self.empty and self.done > 1:
            said.append(f"nothing found in {self.empty} of {self.done} photos")
        if self.above is not None:
            said.append(f"{len(self.doubtful)} of {self.done} with an uncertainty above {self.above:g}")
            said += [review_line(*each) for each in sorted(self.doubtful, reverse=True)]
        return said
