"""The two terms that keep identity out of motion (paper section 3.2): metric learning, and an upper bound of what the
identity tells about the rest (CLUB: Cheng et al., ICML 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

MARGIN, SCALE = 0.2, 16.0  # of the angular softmax; a scale of 30, as with thousands of people, saturates with eight


def identity_loss(first: Tensor, second: Tensor) -> Tensor:
    """Additive angular margin softmax (Deng et al., 2019) over codes (B, C) of two frames of each of B people.

    The second frame of one's own clip is to be nearer than those of the others, by MARGIN radians.
    """
    cosine = F.normalize(first, dim=1) @ F.normalize(second, dim=1).mT  # (B, B)
    own = torch.eye(len(cosine), dtype=torch.bool, device=cosine.device)
    angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
    logits = SCALE * torch.where(own, (angle + MARGIN).cos(), cosine)
    return F.cross_entropy(logits, torch.arange(len(cosine), device=cosine.device))


def information_losses(density: nn.Module, identity: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Bound of the mutual information of identity and rest (B, C), and the loss of the density that estimates it.

    `density` guesses the rest from the identity, as the mean of a normal distribution of deviation 1. The bound is how
    much better it guesses one's own rest than that of the others of the batch, and at least 0. The gradient of the
    first loss reaches only what made the two codes, that of the second only the density.
    """
    fixed = {name: parameter.detach() for name, parameter in density.named_parameters()}
    guess = functional_call(density, fixed, (identity,))
    own = (rest - guess).square().mean(1)  # (B,)
    others = (rest[None] - guess[:, None]).square().mean((1, 2))  # (B,)
    bound = F.relu(0.5 * (others - own).mean())
    learned = (rest.detach() - density(identity.detach())).square().mean()
    return bound, 0.5 * learned
