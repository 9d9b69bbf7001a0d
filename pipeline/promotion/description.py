"""A model in plain words, from its card: what the registry shows of a version."""

from collections.abc import Mapping
from typing import Any

from pipeline.characters import cut, escape, say_count

_N_LIMITS, _MAX_LIMIT, _MAX_USE = 3, 450, 600


def describe_model(card: Mapping[str, Any]) -> str:
    """What a model is for, what it learned from, how often it is right, and what to mind, in a few lines.

    Args:
        card: as `evidence.model_card` builds it.
    """
    height, width = card["model"]["image_hw"]
    n_learnt, n_tested = (sum(card["data"]["pictures"][part].values()) for part in ("train", "test"))
    said = _describe_accuracy(card["scores"], n_tested)
    lines = [
        cut(escape(card["intended_use"]), _MAX_USE),
        f"{card['model']['network']}, pictures of {height} x {width} pixels, learned from "
        f"{say_count(n_learnt, 'picture')} of {escape(card['data']['name'])}. {said}",
    ]
    found = [f"{one['question']} {one['answer']}" for one in card["evaluation"] if one["state"] != "good"]
    limits = [f"- {cut(escape(one), _MAX_LIMIT)}" for one in found[:_N_LIMITS]]
    if limits:
        n_more = len(found) - len(limits)
        more = [f"- and {n_more} more, in the model card"] if n_more > 0 else []
        lines.append("\n".join(["To mind:", *limits, *more]))
    return "\n\n".join(lines)


def _describe_accuracy(scores: Mapping[str, float], n_tested: int) -> str:
    """How often it is right, with the interval as far as it is known."""
    if "accuracy" not in scores:
        return ""
    ends = [scores[name] for name in ("accuracy_low", "accuracy_high") if name in scores]
    interval = f" (95% interval {ends[0]:.1%} to {ends[1]:.1%})" if len(ends) == 2 else ""
    return f"Right on {scores['accuracy']:.1%}{interval} of {say_count(n_tested, 'test picture')}."
