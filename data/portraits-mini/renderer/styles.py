"""The three subsets: what their people wear, stand before, how they are lit, filmed and how much they move."""
from __future__ import annotations

from dataclasses import dataclass

SUBSETS = ("broadcast", "street", "studio")


@dataclass(frozen=True)
class Style:
    """Ranges of one subset.

    turn: standard deviation of the mean yaw in degrees; movement: scale of head motion; moving_light: share of clips
    whose key light moves; azimuth, elevation: ranges of the key light in radians; key, fill, rim: ranges of strength;
    warmth: standard deviation of the key's colour; scale: range of the face's size (1: hairline to chin is half the
    frame); distance: range of the camera in decimetres; shake: standard deviation of hand shake in decimetres.
    """
    name: str
    backgrounds: tuple[str, ...]
    emotions: tuple[str, ...]
    emotion_strength: tuple[float, float]
    turn: float
    movement: float
    moving_light: float
    azimuth: tuple[float, float]
    elevation: tuple[float, float]
    key: tuple[float, float]
    fill: tuple[float, float]
    rim: tuple[float, float]
    warmth: float
    scale: tuple[float, float]
    distance: tuple[float, float]
    shake: float


STYLES = {
    "broadcast": Style(
        "broadcast", ("panels", "panels", "room", "paper", "bokeh", "buildings"), ("neutral", "neutral", "happy"),
        (.25, .6), 5.0, .9, .10, (.25, .75), (.35, .65), (.85, 1.1), (.40, .60), (.3, .9), .35, (.92, 1.10),
        (9.5, 13.0), .004),
    "street": Style(
        "street", ("foliage", "buildings", "wall", "bokeh", "room", "foliage"),
        ("neutral", "happy", "neutral", "surprised", "sad"), (.25, .7), 9.0, 1.25, .50, (.2, 1.15), (.20, .90),
        (.75, 1.3), (.25, .65), (.2, 1.1), .75, (.80, 1.22), (6.5, 13.0), .035),
    "studio": Style(
        "studio", ("paper",),
        ("neutral", "angry", "contempt", "disgusted", "fear", "happy", "sad", "surprised"), (.5, .95), 1.5, .65, 0.0,
        (.2, .5), (.35, .55), (.85, 1.0), (.50, .70), (.3, .6), .15, (.96, 1.06), (11.0, 13.0), .002)}
