"""Stage 1 as its checkpoint holds it: encoder and decoder."""

from __future__ import annotations

from baselines.anitalker.encoder import Encoder
from baselines.lia.generator import Generator


class Renderer(Generator):
    """LIA's generator with an encoder that keeps identity out of the motion. Images are (B, 3, S, S) in [-1, 1]."""

    encoder = Encoder
