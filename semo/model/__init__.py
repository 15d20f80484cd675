"""The networks of SeMo: nothing here knows about flow, training, files or frames."""

from semo.model.decoder import Decoder
from semo.model.motion_encoder import MotionEncoder
from semo.model.motion_generator import MotionGenerator

__all__ = ["Decoder", "MotionEncoder", "MotionGenerator"]
