"""A run over many files: their answers one after the other, noted, counted, and sorted into folders."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from pipeline.serving.classifier import Classifier
from pipeline.serving.decoding import Scanners
from pipeline.serving.distant_scanners import DistantScanners
from pipeline.serving.drift import Drift
from pipeline.serving.files import Files, count_files
from pipeline.serving.folders import Folders
from pipeline.serving.journal import Journal
from pipeline.serving.predictions import Answered, predict_files
from pipeline.serving.reports import Tally, make_row

_MAX_MEASURED = 2000  # files; more say no more of how far they are from the training
PLACED = "placed"  # the key of where a file was put


@dataclass
class Answers:
    """What a run has found so far.

    Attributes:
        drift: None where nothing is known of the training pictures.
        folders: None where files stay where they are.
    """

    tally: Tally = field(default_factory=Tally)
    drift: Drift | None = None
    folders: Folders | None = None

    @property
    def state(self) -> Any:
        """What a run that continues needs beside the rows; as JSON."""
        return self.drift.as_json() if self.drift else None

    def resume(self, journal: Journal) -> None:
        """Take over what an earlier run found."""
        for row in journal.read_rows():
            self.tally.add(row)
            if self.folders:
                self.folders.remember(row[PLACED])
        if self.drift and journal.state:
            self.drift = Drift(self.drift.training, journal.state)

    def take(self, one: Answered) -> dict[str, Any]:
        """Count a file, put it into its folder, and give its row."""
        row = make_row(one.prediction)
        if self.folders:
            row[PLACED] = self.folders.place(one.asked, row["answer"])
        if self.drift and one.facts:
            self.drift.add(one.facts, row["class"])
        self.tally.add(row)
        return row


def answer_files(
    found: Sequence[Files],
    classifier: Classifier,
    scanners: Scanners | DistantScanners,
    answers: Answers,
    *,
    top: int,
    journal: Journal | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows of all files that a run has not answered yet; each batch is in the journal before the next."""
    facts_every = -(-count_files(found) // _MAX_MEASURED) if answers.drift else 0
    batch: list[dict[str, Any]] = []
    with journal.extend() if journal else nullcontext() as add:
        for one in predict_files(
            found,
            classifier,
            scanners,
            top=top,
            skip=len(answers.tally),
            facts_every=facts_every,
            keeps_bytes=answers.folders is not None,
        ):
            row = answers.take(one)
            batch.append(row)
            if one.ends_batch:
                if add:
                    add(batch, answers.state)
                batch = []
            yield row
