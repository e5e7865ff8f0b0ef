"""Built-in losses as plain values, which need no class of skgd to be unpickled."""

from __future__ import annotations

from .losses import LOSSES, Loss

__all__ = ["loss_from_spec", "loss_spec"]


def loss_spec(loss: Loss) -> tuple[str, dict] | Loss:
    """A built-in loss by its name and parameters, which need no class of skgd to be unpickled."""
    if loss.name is not None and type(loss) is LOSSES.get(loss.name):
        return loss.name, loss.get_params()
    return loss


def loss_from_spec(spec: tuple[str, dict] | Loss) -> Loss:
    """The loss of a spec."""
    return spec if isinstance(spec, Loss) else LOSSES[spec[0]](**spec[1])
