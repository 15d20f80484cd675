"""Identities: everything that is fixed for one person, sampled from its number alone."""
from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

SEED = 11
GROUPS = ("caucasian", "african", "asian", "mixed")
AGE_BANDS = ("young", "adult", "middle-aged", "old")
_AGE_RANGE = {"young": (0.0, 0.08), "adult": (0.09, 0.20), "middle-aged": (0.26, 0.42), "old": (0.56, 0.85)}
_MELANIN = {"caucasian": (0.05, 0.38), "asian": (0.22, 0.52), "african": (0.70, 0.98), "mixed": (0.46, 0.68)}
_MIXES = (("caucasian", "african"), ("asian", "caucasian"), ("african", "asian"), ("caucasian", "asian"))

HAIR_COLOURS = {  # linear-light albedo
    "black": (.020, .017, .016), "darkbrown": (.048, .031, .021), "brown": (.105, .062, .036),
    "auburn": (.15, .060, .030), "darkblond": (.22, .145, .082), "blond": (.36, .25, .125), "red": (.24, .088, .036),
    "grey": (.17, .165, .158), "white": (.30, .295, .285)}
IRIDES = ("blue", "bluegreen", "brown", "brownlight", "deepblue", "green", "grey", "ice", "lightblue")
FEMALE_HAIR = ("bob01", "ponytail01", "braid01", "long01", "short01", "short03", "bob01", "ponytail01", "braid01")
MALE_HAIR = ("short01", "short02", "short04", "short03", "", "short02", "short04", "short01")
MALE_TOPS = ("male_casualsuit01", "male_casualsuit02", "male_casualsuit03", "male_casualsuit04", "male_casualsuit05",
             "male_casualsuit06", "male_elegantsuit01", "male_worksuit01")
FEMALE_TOPS = ("female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_sportsuit01",
               "male_casualsuit03", "male_casualsuit04")
FIXED_COLOUR_TOPS = ("male_elegantsuit01", "male_worksuit01")
TOP_COLOURS = (
    (.08, .09, .12), (.75, .74, .70), (.45, .05, .06), (.06, .12, .30), (.10, .22, .12), (.55, .45, .30),
    (.30, .32, .35), (.60, .25, .30), (.12, .30, .36), (.35, .20, .40), (.70, .50, .12), (.28, .16, .10),
    (.03, .03, .035), (.50, .62, .72), (.72, .60, .62), (.20, .36, .55), (.42, .46, .25), (.16, .10, .22))

# shape parameters as (target stem, low suffix, high suffix, spread); spreads are relative
_FACE_SHAPES = (
    ("head-fat", "decr", "incr", .40), ("head-scale-horiz", "decr", "incr", .35),
    ("head-scale-vert", "decr", "incr", .30), ("forehead-trans", "backward", "forward", .45),
    ("forehead-scale-vert", "decr", "incr", .45), ("forehead-temple", "decr", "incr", .45),
    ("eyebrows-trans", "down", "up", .35),
    *((f"nose-{n}", lo, hi, sd) for n, lo, hi, sd in (
        ("scale-vert", "decr", "incr", .45), ("scale-horiz", "decr", "incr", .45), ("scale-depth", "decr", "incr", .45),
        ("hump", "decr", "incr", .45), ("point", "down", "up", .45), ("width1", "decr", "incr", .45),
        ("width2", "decr", "incr", .45), ("width3", "decr", "incr", .45), ("flaring", "decr", "incr", .35),
        ("trans", "up", "down", .25), ("volume", "decr", "incr", .35), ("curve", "concave", "convex", .45))),
    *((f"mouth-{n}", lo, hi, sd) for n, lo, hi, sd in (
        ("scale-horiz", "decr", "incr", .45), ("upperlip-height", "decr", "incr", .40),
        ("lowerlip-height", "decr", "incr", .40), ("trans", "down", "up", .25),
        ("upperlip-volume", "decr", "incr", .45), ("lowerlip-volume", "decr", "incr", .45),
        ("cupidsbow", "decr", "incr", .45), ("laugh-lines", "in", "out", .30))),
    *((f"chin-{n}", lo, hi, sd) for n, lo, hi, sd in (
        ("width", "decr", "incr", .45), ("height", "decr", "incr", .35), ("prominent", "decr", "incr", .45),
        ("bones", "decr", "incr", .45), ("jaw-drop", "decr", "incr", .30), ("cleft", "decr", "incr", .35))))
_PAIRED_SHAPES = (
    ("eye-scale", "decr", "incr", .35), ("eye-trans", "in", "out", .30), ("eye-trans", "down", "up", .25),
    ("eye-bag", "decr", "incr", .35), ("eye-height2", "decr", "incr", .35), ("eye-corner1", "down", "up", .35),
    ("eye-corner2", "down", "up", .35), ("cheek-bones", "decr", "incr", .45), ("cheek-volume", "decr", "incr", .45),
    ("cheek-inner", "decr", "incr", .35), ("ear-scale", "decr", "incr", .40), ("ear-wing", "decr", "incr", .35),
    ("ear-lobe", "decr", "incr", .40))
_MALE_HEADS = ("oval", "round", "rectangular", "square", "triangular", "invertedtriangular", "diamond")
_FEMALE_HEADS = ("oval", "round", "oval", "invertedtriangular", "invertedtriangular", "diamond", "oval")
_LIGHT_SKINS = {("young", "caucasian"): ("", "2"), ("young", "asian"): ("3",), ("middleage", "caucasian"): ("",),
                ("middleage", "asian"): ("2",), ("old", "caucasian"): ("",), ("old", "asian"): ("2",)}


@dataclass(frozen=True)
class Identity:
    """One person. Colours are linear RGB; shape weights multiply morph targets."""
    number: int
    sex: str                              # female | male
    group: str                            # one of GROUPS
    age_band: str                         # one of AGE_BANDS
    gender: float                         # 0 female .. 1 male
    age: float                            # 0 young .. 1 old
    race: dict[str, float]                # shares of the three morph races, sum 1
    weight: float                         # -1 lean .. 1 heavy
    muscle: float                         # -1 .. 1
    shapes: dict[str, float]
    skin: str
    skin_tone: tuple[float, ...]
    iris: str
    hair: str                             # "" = bald
    hair_colour: str
    brows: str
    lashes: str
    beard: float                          # 0 none .. 1 full
    beard_style: int
    freckles: float
    lips: tuple[float, ...]
    clothes: str
    glasses: int                          # 0 none, 1 round, 2 rectangular
    voice: dict[str, object]

    def as_dict(self) -> dict:
        return asdict(self)


def skin_tone(melanin: float) -> np.ndarray:
    """Mean linear albedo (3,) of a face for melanin in [0,1]."""
    x = [0, .25, .5, .75, 1.0]
    curves = ((.52, .45, .34, .20, .112), (.345, .28, .19, .108, .060), (.265, .195, .125, .068, .041))
    return np.array([np.interp(melanin, x, c) for c in curves])


def stratum(number: int) -> tuple[str, str, str]:
    """(sex, group, age band) of a number: any 32 consecutive numbers hold every combination exactly once."""
    male, group = number % 2, (number // 2) % 4
    return ("male" if male else "female"), GROUPS[group], AGE_BANDS[(number // 8 + group + 2 * male) % 4]


def _signed(r: np.random.Generator, shapes: dict[str, float], stem: str, low: str, high: str, spread: float) -> str:
    w = float(np.clip(r.normal(0, .75 * spread), -.75, .75))
    name = f"{stem}-{high if w > 0 else low}"
    shapes[name] = abs(w)
    return name


def _shapes(r: np.random.Generator, male: bool) -> dict[str, float]:
    heads = _MALE_HEADS if male else _FEMALE_HEADS
    shapes: dict[str, float] = {"head-" + heads[int(r.integers(7))]: float(r.uniform(.12, .42))}
    shapes["eyebrows-angle-up"] = float(np.clip(r.normal(.55, .2), 0, 1))      # lowers the outer ends
    shapes["mouth-angles-up"] = float(np.clip(r.normal(.55, .18), .1, 1))
    for stem, low, high, spread in _FACE_SHAPES:
        _signed(r, shapes, stem, low, high, spread)
    for stem, low, high, spread in _PAIRED_SHAPES:
        name = _signed(r, shapes, "l-" + stem, low, high, spread)
        shapes["r-" + name[2:]] = shapes[name]
    for side in "lr":      # the base mesh has small eyes
        shapes[f"{side}-eye-scale-incr"] = shapes.get(f"{side}-eye-scale-incr", 0.0) + .25
    if male:
        return shapes
    for name in ("chin-width-incr", "chin-prominent-incr", "chin-jaw-drop-incr", "chin-height-incr", "nose-hump-incr",
                 "nose-scale-vert-incr", "nose-scale-horiz-incr"):
        shapes[name] = .35 * shapes.get(name, 0.0)
    bonus = {"chin-width-decr": .25, "nose-scale-horiz-decr": .15, "mouth-lowerlip-volume-incr": .2,
             "l-eye-scale-incr": .2, "r-eye-scale-incr": .2, "l-eye-height2-incr": .15, "r-eye-height2-incr": .15}
    for name, extra in bonus.items():
        shapes[name] = shapes.get(name, 0.0) + extra
    return shapes


def _race(number: int, group: str) -> tuple[dict[str, float], str]:
    """Shares of the morph races, and the race whose skin texture is used."""
    mix = {"caucasian": .06, "african": .06, "asian": .06}
    main = group
    if group == "mixed":
        main, second = _MIXES[(number // 8) % 4]
        mix[main] += .55
        mix[second] += .35
    else:
        mix[group] += .9
    total = sum(mix.values())
    return {name: value / total for name, value in mix.items()}, main


def _hair(r: np.random.Generator, male: bool, dark: bool, main: str, age: float) -> tuple[str, str]:
    """(style, colour name)."""
    colours = ("black", "black", "darkbrown") if dark else (
        "darkbrown", "brown", "auburn", "blond", "darkblond", "brown", "red", "black")
    colour = colours[int(r.integers(len(colours)))]
    if age > .5:
        colour = ("grey", "white", "grey", colour)[int(r.integers(4))]
    styles = MALE_HAIR if male else FEMALE_HAIR
    style = styles[int(r.integers(len(styles)))]
    if main == "african" and r.random() < .35:
        style = "afro01"
    return style, colour


def _voice(r: np.random.Generator, male: bool) -> dict[str, object]:
    """espeak-ng voice settings."""
    accent = ("en-us", "en", "en-us", "en-gb-x-rp", "en-gb-scotland")[int(r.integers(5))]
    variant = f"m{int(r.integers(1, 8))}" if male else f"f{int(r.integers(1, 5))}"
    pitch = int(r.integers(28, 50) if male else r.integers(52, 76))
    return dict(voice=f"{accent}+{variant}", rate=int(r.integers(145, 180)), pitch=pitch,
                spread=int(r.integers(40, 75)))


def sample_identity(number: int) -> Identity:
    """The person of this number (>= 0): stratified sex, group and age, everything else random but fixed."""
    r = np.random.default_rng([SEED, 1000, number])
    sex, group, band = stratum(number)
    male = sex == "male"
    race, main = _race(number, group)
    age = float(r.uniform(*_AGE_RANGE[band]))
    shapes = _shapes(r, male)
    stage = "young" if age < .22 else ("middleage" if age < .55 else "old")
    if main == "african":
        skin = f"{stage}_darkskinned_{sex}"
    else:
        variants = _LIGHT_SKINS[(stage, main)]
        skin = f"{stage}_lightskinned_{sex}{variants[int(r.integers(len(variants)))]}"
    tone = skin_tone(float(r.uniform(*_MELANIN[group]))) * (1 + r.normal(0, .02, 3))
    dark = main != "caucasian" or group == "mixed"
    style, colour = _hair(r, male, dark, main, age)
    iris = "brown" if dark and r.random() < .85 else IRIDES[int(r.integers(len(IRIDES)))]
    tops = MALE_TOPS if male else FEMALE_TOPS
    lips = (1.0, 1.0, 1.0) if male else tuple(float(x) for x in np.array([1.0, .66, .70]) ** r.uniform(.3, 1.5))
    return Identity(
        number=number, sex=sex, group=group, age_band=band,
        gender=float(np.clip((.95 if male else .0) + abs(r.normal(0, .04)), 0, 1)), age=age, race=race,
        weight=float(np.clip(r.normal(0, .4), -1, 1)), muscle=float(np.clip(r.normal(0, .3) + .15 * male, -1, 1)),
        shapes=shapes, skin=skin, skin_tone=tuple(float(x) for x in tone), iris=iris, hair=style, hair_colour=colour,
        brows=f"eyebrow{int(r.integers(1, 13)):03d}",
        lashes="eyelashes01" if male else f"eyelashes0{int(r.integers(2, 5))}",
        beard=float((0, .3, .85, 0, .5, 0)[int(r.integers(6))]) if male else 0.0, beard_style=int(r.integers(3)),
        freckles=float(np.clip(r.normal(-.3, .45), 0, .6)) * (group == "caucasian"), lips=lips,
        clothes=tops[int(r.integers(len(tops)))], glasses=int(r.integers(1, 3)) * int(r.random() < .18),
        voice=_voice(r, male))
