"""curves.png: loss and accuracy of a training by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.figures.drawing import BLUE, GREY, ORANGE, new_figure, save, simplify_axes


def draw_curves(history: Sequence[Mapping[str, float]], *, best_epoch: int, path: Path) -> None:
    """Draw loss and accuracy by epoch, for training and validation; the best epoch is marked.

    Args:
        history: one row per epoch, each with epoch, loss, val_loss, accuracy and val_accuracy.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(10, 4)
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(history) < 3 else None
    for number, name in enumerate(("loss", "accuracy")):
        axes = figure.add_subplot(1, 2, number + 1)
        for column, color, label in ((name, BLUE, "training"), (f"val_{name}", ORANGE, "validation")):
            axes.plot(epochs, [row[column] for row in history], color=color, marker=marker, label=label)
        axes.axvline(best_epoch, color=GREY, linestyle=":", label=f"best epoch ({best_epoch})")
        axes.set_xlabel("epoch")
        axes.set_title(name, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        simplify_axes(axes)
    figure.suptitle(
        f"Training: {len(history):,} epoch{'s' * (len(history) != 1)}", x=0.01, ha="left", fontsize=12
    )
    axes.legend(frameon=False, loc="best")
    save(figure, path)
