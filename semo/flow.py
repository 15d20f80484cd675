"""Rectified flow (paper Eqs. 2, 8, 9): path, prediction targets, loss, samplers. Knows no network.

Convention: z_tau = (1 - tau) z + tau eps with tau = 0 data and tau = 1 noise; the velocity v = z - eps points
towards the data (Eq. 8), so a sampler adds (tau_k - tau_{k+1}) v on its way from tau = 1 to 0.
A network predicts v, or the data z itself ("x"), from which v = (z_hat - z_tau) / tau follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TAU_MIN = 0.05


def _expand(tau: Tensor, like: Tensor) -> Tensor:
    return tau.reshape(tau.shape + (1,) * (like.dim() - tau.dim()))


def interpolate(data: Tensor, noise: Tensor, tau: Tensor) -> Tensor:
    """Eq. 2: data and noise (B, ...), tau (B,) -> z_tau (B, ...)."""
    return torch.lerp(data, noise, _expand(tau, data))


def velocity(data: Tensor, noise: Tensor) -> Tensor:
    """Eq. 8's target: towards the data."""
    return data - noise


def to_data(prediction: Tensor, noised: Tensor, tau: Tensor, kind: str) -> Tensor:
    """Data estimate from a network output of the given kind ('v' or 'x')."""
    return prediction if kind == "x" else noised + _expand(tau, noised) * prediction


def to_velocity(prediction: Tensor, noised: Tensor, tau: Tensor, kind: str) -> Tensor:
    """Velocity from a network output of the given kind ('v' or 'x'); tau is bounded from below for 'x'."""
    return prediction if kind == "v" else (prediction - noised) / _expand(tau, noised).clamp(min=TAU_MIN)


@dataclass(frozen=True)
class Flow:
    """How noise levels are drawn and what the network predicts.

    prediction: 'v' (paper) or 'x' (loss on the data estimate: v-loss weighted by tau^2).
    schedule: 'uniform' (paper), 'high' (tau = 1 - u^2, more high noise), 'logit-normal'.
    tau_one: share of samples trained at pure noise, tau = 1.
    """

    prediction: str = "v"
    schedule: str = "uniform"
    tau_one: float = 0.0

    def __post_init__(self) -> None:
        if self.prediction not in ("v", "x"):
            raise ValueError(f"prediction is {self.prediction!r}; use v or x")
        if self.schedule not in ("uniform", "high", "logit-normal"):
            raise ValueError(f"schedule is {self.schedule!r}; use uniform, high or logit-normal")

    def sample_tau(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """Noise levels (batch,) in [0, 1]."""
        u = torch.rand(batch, generator=generator)
        if self.schedule == "logit-normal":
            u = torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6)).sigmoid()
        elif self.schedule == "high":
            u = 1 - u * u
        return torch.where(torch.rand(batch, generator=generator) < self.tau_one, torch.ones(()), u)

    def loss(self, prediction: Tensor, data: Tensor, noise: Tensor) -> Tensor:
        """Per-sample mean squared error (B,) of the network output against its target."""
        target = data if self.prediction == "x" else velocity(data, noise)
        return (prediction.float() - target.float()).square().flatten(1).mean(1)

    def sample(
        self, network: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int, tau_start: float = 1.0
    ) -> Tensor:
        """Euler steps from tau_start to 0: network(z_tau (B, ...), tau (B,)) -> prediction; returns data (B, ...)."""
        levels = torch.linspace(tau_start, 0.0, steps + 1).tolist()
        z = noise
        for now, then in zip(levels[:-1], levels[1:], strict=True):
            tau = torch.full((len(z),), now, device=z.device, dtype=torch.float32)
            prediction = network(z, tau).to(z.dtype)
            if then == 0.0:
                return to_data(prediction, z, tau, self.prediction)
            z = z + (now - then) * to_velocity(prediction, z, tau, self.prediction)
        return z
