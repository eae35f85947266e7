"""Muon for the matrices, AdamW for the rest, and a schedule by steps or by the clock.

Muon: momentum whose update is orthogonalised by a Newton-Schulz iteration (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/). On this small Llama it needs about half of AdamW's steps.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch


class Muon(torch.optim.Optimizer):
    """For two-dimensional parameters only; update scaled to AdamW's usual size (Liu et al. 2025)."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update; ``closure`` is not supported."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonalised(parameter.grad.lerp(momentum, group["momentum"]))
                size = 0.2 * math.sqrt(max(parameter.shape))
                parameter.add_(update, alpha=-group["lr"] * size)


def orthogonalised(matrix: torch.Tensor, *, steps: int = 5) -> torch.Tensor:
    """The nearest matrix with all singular values near 1, by a quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / (matrix.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.T


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When training ends: after ``steps``, or after ``minutes`` if that is sooner.

    With ``minutes`` None the same seed gives the same weights on the same machine.
    """

    steps: int
    minutes: float | None = None
    started: float = field(default_factory=time.monotonic)

    def progress(self, step: int) -> float:
        """0 at the start, 1 at the end."""
        by_clock = (time.monotonic() - self.started) / 60 / self.minutes if self.minutes else 0.0
        return min(1.0, max(step / self.steps, by_clock))


def rate(progress: float) -> float:
    """Share of the full learning rate: up within 2 %, level, down over the last 45 %."""
    return min(1.0, progress / 0.02 + 0.02, (1 - progress) / 0.45 + 0.01)


def set_rate(optimisers: Sequence[torch.optim.Optimizer], share: float) -> None:
    """Scale each group's learning rate from what it was at the start."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("full_lr", group["lr"]) * share
