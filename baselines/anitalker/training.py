"""AniTalker's recipe in two stages: LIA's with identity and motion decoupled, then diffusion over motion codes.

The authors published no training code; what is minimised is that of the paper's section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.anitalker.decoupling import identity_loss, information_losses
from baselines.anitalker.diffusion import TRAIN_TIMESTEPS, noised
from baselines.anitalker.sound import MFCC_RATE, mfcc_rows
from baselines.training.adversarial import Discriminator, adversarial_losses
from baselines.training.perceptual import Maps
from baselines.training.stage import AUGMENT, BATCH, optimiser, psnr
from baselines.training.talk import TalkBank, TalkStage
from semo.media import to_float
from semo.train.data import augment
from semo.train.settings import OptimiserSettings

PIXELS = 1.0
ADVERSARIAL = 0.1
ADVERSARIAL_FROM = 0.75  # share of the training after which there is something to judge
IDENTITY = 0.1
INFORMATION = 0.1
RANGE = 1.0
FLOW_START = 1e-3  # of the initial flow heads, see baselines/lia/training.py
LAST_LEVEL = 4.0  # the others see little of where things are: at first their share is small
OPEN = 1.0  # initial bias that keeps the decoupling perceptrons linear
WINDOW = 40  # frames of one sample of stage 2
FIXED = 101  # stream of the fixed samples that the curve reports


@dataclass
class Pairs:
    """Source and driving frames (B, 3, H, W) in [0, 1] of B clips; `progress`: share of the training done."""

    source: Tensor
    driving: Tensor
    progress: float


class RendererStage(TalkStage):
    name = "renderer"
    trains = ("lia",)
    optimiser = optimiser(lr=1e-2, betas=(0.9, 0.99))
    rates: ClassVar[dict[str, float]] = {".to_flows.": 0.1, "discriminator.": 0.1, "net_decouping.": 0.1}

    def __init__(self, networks: Mapping[str, nn.Module], data: TalkBank, maps: Maps, seed: int, order: int = 0):
        super().__init__(networks, data, maps, seed, order)
        self.discriminator = Discriminator()
        for parameter in self.parameters():
            if parameter.dim() == 4:  # convolutions in this order are up to 1.5 times faster on a CPU
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def prepare(self) -> None:
        """Begin with small flows, as LIA, and with magnitudes spread over a third of their range over training frames.

        An untrained encoder gives nearly the same motion for all frames, which the decoder then ignores for longer
        than the whole budget. So it does with an untrained decoupling, which therefore begins as the identity map.
        """
        renderer = self.networks["lia"]
        for head in renderer.dec.to_flows:
            nn.init.normal_(head.conv.weight, std=FLOW_START)
        renderer.enc.net_app.ws.weights[-1] = LAST_LEVEL
        for net in (renderer.enc.net_decouping.identity_net, renderer.enc.net_decouping.identity_excluded_net):
            for layer, bias in ((net[0], OPEN), (net[2], -OPEN)):
                nn.init.eye_(layer.weight)
                nn.init.constant_(layer.bias, bias)
        frames = self.data.frames.sample_frames(64, self.seed).to(next(self.parameters()).device)
        motion = renderer.enc.motion(2 * frames - 1)
        mean, deviation = motion.mean(0), 3 / self.bound * motion.std(0)
        renderer.enc.fc[-1].weight.div_(deviation[:, None])
        renderer.enc.fc[-1].bias.sub_(mean).div_(deviation)

    @property
    def bound(self) -> float:
        """Where the sampler of stage 2 cuts magnitudes."""
        return self.networks["ema_model"].sizes.bound

    @property
    def idle(self) -> list[str]:
        """Parameters that the original has in its file and does not use."""
        names = (name for name, _ in self.networks["lia"].named_parameters())
        return [name for name in names if ".noise." in name or ".to_rgb1." in name]

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[Pairs, list[str]]:
        generator, frames = self.generator(step, rank), self.data.frames
        clips, source, driving = frames.pairs(BATCH, generator)
        images = augment(frames.gather(clips, torch.stack([source, driving], dim=1)), AUGMENT, progress, generator)
        first, second = (images[:, i].contiguous(memory_format=torch.channels_last) for i in range(2))
        return Pairs(first, second, progress), [frames.names[i] for i in clips]

    def losses(self, batch: Pairs) -> dict[str, Tensor]:
        encoder, decoder = self.networks["lia"].enc, self.networks["lia"].dec
        codes, features = encoder.net_app(2 * torch.cat([batch.source, batch.driving]) - 1)
        source, driving = codes.chunk(2)
        identity, rest = encoder.net_decouping(codes)
        motion = encoder.fc(rest)
        moved = decoder.direction(motion.chunk(2)[1])
        made = (decoder(source + moved, [feature.chunk(2)[0] for feature in features]).image + 1) / 2
        bound, density = information_losses(encoder.net_decouping.identity_net_density, identity, rest)
        losses = {
            "pixels": PIXELS * 2 * (made - batch.driving).abs().mean(),  # on [-1, 1]
            "perceptual": self.pyramid(made, batch.driving),
            "identity": IDENTITY * identity_loss(*identity.chunk(2)),
            "information": INFORMATION * bound,
            "density": density,
            "range": RANGE * F.relu(motion.abs() - self.bound).square().mean(),
        }
        if batch.progress >= ADVERSARIAL_FROM:
            generator, discriminator = adversarial_losses(self.discriminator, made, batch.driving)
            losses |= {"adversarial": ADVERSARIAL * generator, "discriminator": discriminator}
        return losses

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """On fixed training pairs, dB: PSNR of moving pixels, of copying the source, and what shuffled motion costs."""
        frames, device = self.data.frames, next(self.parameters()).device
        clips, source, driving = frames.pairs(32, self.generator(0, FIXED))
        source, driving = frames.gather(clips, torch.stack([source, driving], dim=1)).to(device).unbind(1)
        moving = ((source - driving).abs() > 0.1).any(1, keepdim=True).expand_as(source)
        renderer = self.networks["lia"]
        made, shuffled = ((renderer(2 * source - 1, 2 * d - 1) + 1) / 2 for d in (driving, driving.roll(1, 0)))
        own = psnr(made, driving, moving)
        return {
            "psnr_moving": own,
            "psnr_moving_copy": psnr(source, driving, moving),
            "motion_use_db": own - psnr(shuffled, driving, moving),
        }


@dataclass
class Windows:
    """Clean motion and its noise (B, T, motion_dim), timesteps (B), sound (B, 4T, 39), code and motion of a source."""

    motion: Tensor
    noise: Tensor
    time: Tensor
    sound: Tensor
    source: Tensor
    start: Tensor


class MotionStage(TalkStage):
    name = "motion"
    trains = ("ema_model",)
    optimiser = OptimiserSettings(batch=BATCH, lr=2e-3, warmup=20, decay="cosine", betas=(0.9, 0.99), clip=1.0, ema=0.0)

    @torch.no_grad()
    def prepare(self) -> None:
        """Keep code, motion and MFCC of every training frame, and bring the network's inputs to a common scale.

        MFCC have means and deviations of their own and the timestep enters as a number up to 1000: with untrained
        layers these drown the motion for longer than the whole budget.
        """
        renderer, device = self.networks["lia"], next(self.parameters()).device
        codes = [
            torch.cat([renderer.enc.net_app(2 * to_float(part.numpy()).to(device) - 1)[0] for part in clip.split(32)])
            for clip in self.data.frames.clips
        ]
        self.data.kept |= {
            "code": [code.cpu() for code in codes],
            "motion": [renderer.enc.motion_of(code).cpu() for code in codes],
            "mfcc": [mfcc_rows(wave.numpy()) for wave in self.data.waveforms],
        }
        network, heard = self.networks["ema_model"], torch.cat(self.data.kept["mfcc"]).to(device)
        if network.sizes.relative:
            network.spread.copy_(self._spread())
        first = network.down_sample1
        first.weight.div_(heard.std(0)[:, None] + 1e-3)
        first.bias.sub_(torch.einsum("oik,i->o", first.weight, heard.mean(0)))
        network.t_encoder[0].weight.div_(TRAIN_TIMESTEPS / 2)

    def _spread(self) -> Tensor:
        """Root mean square of the difference of two frames of a clip, (motion_dim)."""
        within = torch.stack([motion.var(0) for motion in self.data.kept["motion"]]).mean(0)
        return (2 * within).sqrt()

    def batch(self, step: int, progress: float, rank: int = 0) -> tuple[Windows, list[str]]:
        return self._draw(BATCH, self.generator(step, rank))

    def _draw(self, count: int, generator: torch.Generator) -> tuple[Windows, list[str]]:
        clips, source, start = self.data.frames.windows(count, WINDOW, generator)
        frames = start[:, None] + torch.arange(WINDOW)
        rows = MFCC_RATE * start[:, None] + torch.arange(MFCC_RATE * WINDOW)
        motion = self.data.stacked("motion", clips, frames)
        windows = Windows(
            motion=motion,
            noise=torch.randn(motion.shape, generator=generator),
            time=torch.randint(TRAIN_TIMESTEPS, (count,), generator=generator),
            sound=self.data.stacked("mfcc", clips, rows),
            source=self.data.stacked("code", clips, source[:, None])[:, 0],
            start=self.data.stacked("motion", clips, source[:, None])[:, 0],
        )
        return windows, [self.data.frames.names[i] for i in clips]

    def losses(self, batch: Windows) -> dict[str, Tensor]:
        return {self.networks["ema_model"].sizes.predicts: self._error(batch, batch.sound)}

    def _error(self, batch: Windows, sound: Tensor) -> Tensor:
        network: Any = self.networks["ema_model"]
        condition = network.condition(sound, batch.source, batch.start)
        clean = network.normalised(batch.motion, batch.start)
        made = network(noised(clean, batch.noise, batch.time), batch.time, condition)
        return F.mse_loss(made, batch.noise if network.sizes.predicts == "noise" else clean)

    @torch.no_grad()
    def report(self) -> dict[str, float]:
        """On fixed training windows: error of the prediction, and how much the sound of other clips adds to it."""
        device = next(self.parameters()).device
        batch, _ = self._draw(32, self.generator(0, FIXED))
        batch = Windows(**{name: value.to(device) for name, value in vars(batch).items()})
        own = self._error(batch, batch.sound)
        other = self._error(batch, batch.sound.roll(1, 0))
        return {"prediction_error": float(own), "sound_use": float(other - own)}


STAGES = (RendererStage, MotionStage)
