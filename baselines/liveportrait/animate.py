"""LivePortrait over a clip; see `baselines.blocks.animate`. Both ways keep the source's volume, as upstream does."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from baselines.blocks.animate import Animator, Source
from baselines.blocks.vid2vid.folded_spade import FoldedSpadeDecoder
from baselines.blocks.vid2vid.folded_warping import FoldedWarping
from baselines.liveportrait.config import EYES, LIPS, STITCHING
from baselines.liveportrait.keypoints import Motion, relative_keypoints
from baselines.liveportrait.retargeting import retarget, stitch

Points = Mapping[str, Tensor]  # the fields of Motion, or of relative motion the moved keypoints `x` (B, K, 3)
PIXELS = 1 << 16  # of the frames made at once on a CPU; more leave its caches


class LivePortraitAnimator(Animator[Points]):
    used = ("motion_extractor", "appearance_feature_extractor", "warping_module", "spade_generator")

    def __init__(self, modules: Mapping[str, nn.Module], frame_size: int, fast: bool = True):
        appearance = modules["appearance_feature_extractor"]
        self.side, self.depth = frame_size >> len(appearance.down_blocks), appearance.depth  # of the volume
        super().__init__(modules, frame_size, fast)
        self.modules |= {name: modules[name].eval() for name in (STITCHING, EYES, LIPS) if name in modules}
        if fast and self.device.type == "cpu":
            self.batch = max(1, PIXELS // frame_size**2)
        self.stitching = False
        self.ratios: dict[str, Tensor] = {}  # network -> ratios of the source, then the wanted one (1, 2 or 3)

    def edited(
        self, stitching: bool = False, eyes: Sequence[float] | None = None, lips: Sequence[float] | None = None
    ) -> LivePortraitAnimator:
        """The same networks with corrections of the keypoints, for another person's video.

        `stitching` keeps the shoulders in place. `eyes`: how open the source's left and right eye are and how open
        they are to be; `lips`: the same for the lips. Raises ValueError where a network for it is missing.
        """
        made = copy.copy(self)
        made.stitching = stitching
        wanted = {EYES: (eyes, 3), LIPS: (lips, 2)}
        made.ratios = {}
        for network, (ratios, count) in wanted.items():
            if ratios is not None:
                if not isinstance(ratios, Sequence) or len(ratios) != count:
                    raise ValueError(f"{network}: takes {count} ratios, the source's first, not {ratios}")
                made.ratios[network] = torch.tensor([ratios], dtype=torch.float32, device=self.device)
        missing = [name for name in (*made.ratios, *([STITCHING] if stitching else [])) if name not in self.modules]
        if missing:
            raise ValueError(f"these weights of LivePortrait have no {', '.join(missing)}")
        return made

    def accelerated(self, name: str, module: nn.Module) -> nn.Module:
        if name == "warping_module":
            return FoldedWarping(module, self.side, self.depth)
        return FoldedSpadeDecoder(module) if name == "spade_generator" else module.eval()

    def points(self, images: Tensor) -> Points:
        return vars(Motion.from_raw(self.modules["motion_extractor"](images)))

    def source(self, image: Tensor) -> Source[Points]:
        points = self.points(image)
        volume = self.modules["appearance_feature_extractor"](image)
        return Source(image, points, volume, Motion(**points).keypoints())

    def relative(self, source: Points, driving: Points, initial: Points) -> Points:
        return {"x": relative_keypoints(Motion(**source), Motion(**driving), Motion(**initial))}

    def render(self, source: Source[Points], points: Points, driving: Tensor | None) -> Tensor:
        """Absolute transfer keeps the source's canonical keypoints and takes everything else from the driving frame."""
        moved = points["x"] if "x" in points else Motion(**points).keypoints(source.points["kp"])
        moved = self._corrected(source.maps, moved)
        warped = self.modules["warping_module"](source.small, source.maps, moved)
        return self.modules["spade_generator"](warped.out)

    def _corrected(self, source: Tensor, moved: Tensor) -> Tensor:
        for network, ratios in self.ratios.items():
            moved = moved + retarget(self.modules[network], source, ratios)
        return stitch(self.modules[STITCHING], source, moved) if self.stitching else moved
