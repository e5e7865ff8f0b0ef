"""What scikit-learn's diagrams show of an estimator: its name, and below it how the descent went."""

from __future__ import annotations

from ._validation import VisualBlock

__all__ = ["Diagram"]


class Diagram:
    """Mixin of the estimators."""

    stop_reason_: str
    n_iter_: int
    loss_: float
    learning_rate_: float

    def _sk_visual_block_(self):
        name, caption = type(self).__name__, self._caption() if hasattr(self, "n_iter_") else None
        return VisualBlock("single", self, names=name, name_details=str(self), name_caption=caption)

    def _caption(self) -> str:
        checks = len(getattr(self, "history_", {}).get("loss", ()))
        streamed_on = checks < len(getattr(self, "loss_curve_", ()))
        why = "" if streamed_on else f"stopped: {self.stop_reason_}, "
        epochs = "1 epoch" if self.n_iter_ == 1 else f"{self.n_iter_} epochs"
        return f"{why}{epochs}, loss {self.loss_:.4g}, learning rate {self.learning_rate_:.3g}"

    @property
    def _doc_link_module(self) -> str:
        return "skgd"

    _doc_link_template = "https://skgd.readthedocs.io/en/latest/generated/skgd.{estimator_name}.html"
