"""Phonemes to soft viseme weights, and visemes to expression units of the mouth."""
from __future__ import annotations

import numpy as np

FPS = 25
VISEMES = ("sil", "PP", "FF", "TH", "DD", "KK", "CH", "SS", "NN", "RR", "AA", "AX", "E", "I", "O", "U")

_PHONEMES = {      # espeak mnemonics
    "PP": "p b m m-", "FF": "f v", "TH": "T D", "DD": "t d t# d# t2 l l/ l#", "KK": "k g x h h# N ?",
    "CH": "S Z tS dZ", "SS": "s z z#", "NN": "n n-", "RR": "r r- 3 3: R r/ @3 3~",
    "AA": "a a: A A: A@ aa V 0 aI aU aI@ aU@", "AX": "@ @# @L @2 @5 a# V# 0#",
    "E": "E e e: eI E@ I2 @- e@ E#", "I": "i i: I I# i@ j i@3 I@", "O": "O O: oU OI o o: O@ 0: O2 o@",
    "U": "u u: U w U@ u# W"}
_VISEME_OF = {mnemonic: viseme for viseme, text in _PHONEMES.items() for mnemonic in text.split()}
_STRENGTH = {"sil": .8, "PP": 2.8, "FF": 2.2, "KK": .45, "DD": .6, "NN": .6, "SS": .9, "O": 1.2, "U": 1.4}
_ROUNDED = ("O", "U", "CH", "RR")

# expression units of each viseme
UNITS: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"mouth-compression": .42, "mouth-pursing": .06},
    "FF": {"mouth-open": .07, "mouth-upward-retraction": .14, "mouth-compression": .18},
    "TH": {"mouth-open": .18, "mouth-part-later": .10},
    "DD": {"mouth-open": .15, "mouth-part-later": .10},
    "KK": {"mouth-open": .20, "mouth-part-later": .06},
    "CH": {"mouth-open": .15, "mouth-protusion": .45, "mouth-eversion": .35, "mouth-pursing": .20},
    "SS": {"mouth-open": .08, "mouth-part-later": .16, "mouth-retraction": .22},
    "NN": {"mouth-open": .13, "mouth-part-later": .08},
    "RR": {"mouth-open": .17, "mouth-protusion": .35, "mouth-pursing": .28},
    "AA": {"mouth-open": .46, "mouth-part-later": .05},
    "AX": {"mouth-open": .23, "mouth-part-later": .05},
    "E": {"mouth-open": .29, "mouth-part-later": .08, "mouth-retraction": .18},
    "I": {"mouth-open": .17, "mouth-part-later": .16, "mouth-retraction": .40},
    "O": {"mouth-open": .36, "mouth-pursing": .55, "mouth-protusion": .30},
    "U": {"mouth-open": .16, "mouth-pursing": .85, "mouth-protusion": .50}}
_PARTING = ("mouth-open", "mouth-part-later", "mouth-protusion", "mouth-upward-retraction", "mouth-eversion")


def viseme_of(mnemonic: str) -> str:
    """Viseme of an espeak phoneme mnemonic; pauses are "sil", unknown letters "DD"."""
    name = "" if mnemonic in ("_:", "_") else mnemonic.strip("',%=_:|;^\"")
    for length in range(len(name), 0, -1):
        if name[:length] in _VISEME_OF:
            return _VISEME_OF[name[:length]]
    return "DD" if name and name[0].isalpha() else "sil"


def viseme_curves(phonemes: list[tuple[float, str]], duration: float, offset: float = 0.0) -> np.ndarray:
    """Weights (frames,16) at times frame/25 s, rows sum to 1.

    Coarticulation by overlapping dominance windows, one per phoneme. phonemes are (start in s, mnemonic); offset (s)
    is added to the starts, duration in s.
    """
    rate = 200
    t = np.arange(int(round(duration * rate)) + 1) / rate
    weights = np.zeros((len(t), len(VISEMES)))
    phonemes = sorted(phonemes)
    for i, (start, mnemonic) in enumerate(phonemes):
        end = phonemes[i + 1][0] if i + 1 < len(phonemes) else start + .15
        viseme = viseme_of(mnemonic)
        start, end = start + offset, min(end + offset, start + offset + .45)
        if end - start < 1e-3 or end < -.3 or start > duration + .3:
            continue
        centre, half = (start + end) / 2, (end - start) / 2
        before, after = (.051, .045) if viseme in _ROUNDED else (.033, .033)      # lips lead for rounded sounds
        rise = np.exp(-np.maximum(centre - half * .55 - t, 0) ** 2 / (2 * before ** 2))
        fall = np.exp(-np.maximum(t - centre - half * .55, 0) ** 2 / (2 * after ** 2))
        weights[:, VISEMES.index(viseme)] += _STRENGTH.get(viseme, 1.0) * np.where(t < centre, rise, fall)
    weights[:, 0] += .06
    weights /= weights.sum(1, keepdims=True)
    return weights[np.round(np.arange(int(round(duration * FPS))) / FPS * rate).astype(int)]


def mouth_units(weights: np.ndarray, gain: float = 1.0) -> dict[str, np.ndarray]:
    """Expression unit curves (frames,) of viseme weights (frames,16); the lips really meet on p, b and m."""
    curves: dict[str, np.ndarray] = {}
    for i, viseme in enumerate(VISEMES):
        for unit, amount in UNITS[viseme].items():
            curves[unit] = curves.get(unit, 0) + weights[:, i] * amount * gain
    x = np.clip((weights[:, VISEMES.index("PP")] - .20) / .35, 0, 1)
    shut = 1 - x * x * (3 - 2 * x)
    for unit in _PARTING:
        curves[unit] = curves[unit] * shut
    return curves
