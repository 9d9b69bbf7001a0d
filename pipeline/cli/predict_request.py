"""What `darkroom predict` is asked to do: its options checked, and what an earlier run must agree in."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.cli.console import check_target
from pipeline.cli.model_choice import Choice
from pipeline.errors import ParamsError
from pipeline.images.framing import Framing, Invert
from pipeline.images.recipe import Fit, Recipe
from pipeline.serving.answer_rule import ANSWERS_FILE, AnswerRule, name_review, read_rule
from pipeline.serving.answering import PLACED, Answers
from pipeline.serving.drift import MIN_FILES, Drift
from pipeline.serving.files import Files, find_files, hash_files, split_list
from pipeline.serving.folders import Folders, Link, Places, name_folders
from pipeline.serving.journal import Origin, describe_place
from pipeline.serving.reports import check_format
from pipeline.serving.settings import MODEL_FILE, SETTINGS_FILE, read_settings
from pipeline.serving.training_facts import FACTS_FILE, read_facts
from pipeline.storage import hash_file

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Request:
    """The options of the command.

    Attributes:
        out: the file of the answers.
        sort_into, review_into: the folder of the answers' folders, and that of what is left to a person.
        fit, content, invert: how pictures are made like those of the training.
    """

    paths: Sequence[Path]
    top: int = 1
    out: Path | None = None
    as_json: bool = False
    sort_into: Path | None = None
    link: Link = "copy"
    review_into: Path | None = None
    fit: Fit | None = None
    content: float | None = None
    invert: Invert = "no"
    found: Sequence[Files] = field(default=(), repr=False)

    @property
    def journal(self) -> Path | None:
        """The journal, beside what the command makes; None where it makes nothing."""
        made = self.out or self.sort_into or self.review_into
        return describe_place(made) if made else None

    @property
    def is_sorting(self) -> bool:
        """Whether files are put into folders."""
        return bool(self.sort_into or self.review_into)

    def check(self) -> None:
        """Raise ParamsError where options do not go together, before anything is looked at."""
        if self.out and self.as_json:
            raise ParamsError("--out and --json are two forms of the answer; give one of them")
        if self.out:
            check_format(self.out)
        check_target(self.out)
        if self.content is not None and self.fit not in (None, "pad"):
            raise ParamsError(
                f"--content frames the object on a square: it goes with --fit pad, got {self.fit}"
            )
        if self.link != "copy" and not self.is_sorting:
            raise ParamsError("--link says how files get into folders: it goes with --sort-into")

    def find(self) -> "Request":
        """The same request with its files, without those that it writes itself.

        Raises:
            SourceError: as `find_files`.
            ParamsError: what is written would lie among what is read; or a link is to lead into an archive.
        """
        own = [path for path in (self.out, self.journal) if path]
        found = list(self._list(own))
        made = self.out.parent if self.out and not self.out.parent.exists() else None
        for target in filter(None, (self.sort_into, self.review_into, made)):
            for files in found:
                if files.path.is_dir() and target.resolve().is_relative_to(files.path.resolve()):
                    raise ParamsError(
                        f"{target} lies in {files.path}, which is read; name a folder outside it"
                    )
        if self.link != "copy" and any(one.container and one.container.is_archive for one in found):
            raise ParamsError(
                f"--link {self.link}: what lies in an archive can only be copied; use --link copy"
            )
        return replace(self, found=found)

    def plan(self, chosen: Choice) -> "Plan":
        """What is to be done with a model; Keras is not needed for it.

        Raises:
            ModelError: the folder of the model is missing or damaged.
        """
        settings = read_settings(chosen.folder)
        training = read_facts(chosen.facts or chosen.folder / FACTS_FILE)
        review = name_review(settings.class_names)
        framing = None
        if self.content is not None or self.invert != "no":
            of_training = (training.is_dark, training.is_grey) if training else (None, False)
            framing = Framing(self.content, self.invert, *of_training)
        fit = self.fit or ("pad" if self.content else settings.recipe.fit)
        places = self._make_places(settings.class_names, review)
        answers = Answers(
            drift=Drift(training) if training else None, folders=Folders(places) if places else None
        )
        top = min(self.top, len(settings.class_names))
        rule = read_rule(chosen.answers or chosen.folder / ANSWERS_FILE)
        return Plan(replace(settings.recipe, fit=fit), framing, answers, rule, review, top)

    def _make_places(self, class_names: Sequence[str], review: str) -> Places | None:
        """Where each answer goes; None where files stay."""
        if not self.is_sorting:
            return None
        folders: dict[str, Path] = {}
        if self.sort_into:
            named = name_folders([*class_names, review])
            folders = {answer: self.sort_into / name for answer, name in named.items()}
        if self.review_into:
            folders[review] = self.review_into
        return Places(folders, self.link)

    def describe_origin(self, chosen: Choice) -> Origin:
        """Hashes of the model, of the options and of the files: what an earlier run must agree in."""
        made = [chosen.folder / MODEL_FILE, chosen.folder / SETTINGS_FILE]
        more = (chosen.answers or chosen.folder / ANSWERS_FILE, chosen.facts or chosen.folder / FACTS_FILE)
        hashes = [hash_file(path) for path in (*made, *more) if path.is_file()]
        targets = [str(path.resolve()) if path else "" for path in (self.sort_into, self.review_into)]
        kind = self.out.suffix.lower() if self.out else ""
        options = (self.top, kind, *targets, self.link, self.fit, self.content, self.invert)
        return Origin(_hash(hashes), _hash(options), hash_files(self.found))

    def _list(self, own: Sequence[Path]) -> Iterator[Files]:
        named = [path for path in self.paths if str(path) != STANDARD_INPUT]
        if named:
            yield from find_files(named, leave_out=own)
        if len(named) < len(self.paths):
            names = split_list(sys.stdin.buffer.read())
            yield from find_files(names, may_be_missing=True, leave_out=own)


@dataclass(frozen=True)
class Plan:
    """What is done with each file.

    Attributes:
        framing: how pictures are made alike; None: as the model was trained.
        rule: when a file is left to a person.
        review: the answer that leaves a file to a person.
        top: the number of classes of each file.
    """

    recipe: Recipe
    framing: Framing | None
    answers: Answers
    rule: AnswerRule
    review: str
    top: int

    @property
    def more(self) -> tuple[str, ...]:
        """Further columns of the output."""
        return (PLACED,) if self.answers.folders else ()

    def describe_drift(self) -> list[str]:
        """How far the files are from what the model was trained on, in words."""
        n_answered = self.answers.tally.answers.total()
        if self.answers.drift is None:
            said = (
                "How far these files are from the training is not known: the model holds no facts of its own."
            )
            return [said] if n_answered >= MIN_FILES else []
        is_framed = self.framing is not None
        return self.answers.drift.describe(self.answers.tally.answers, self.review, is_framed=is_framed)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode("utf-8", "surrogateescape")).hexdigest()
