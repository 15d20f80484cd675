"""Speech from espeak-ng's C library: waveform with the times of phonemes and words."""
from __future__ import annotations

import ctypes as c
import ctypes.util
import multiprocessing
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.signal import resample_poly

SAMPLE_RATE = 16000
_WORD, _PHONEME = 1, 7                       # espeak_EVENT_TYPE
_RATE, _VOLUME, _PITCH, _SPREAD = 1, 2, 3, 4   # espeak_PARAMETER


class Speech(NamedTuple):
    """wave float32 (n,) at 16 kHz in [-1,1]; phonemes as (start s, espeak mnemonic); word starts in s."""
    wave: np.ndarray
    phonemes: list[tuple[float, str]]
    words: list[float]


class _Id(c.Union):
    _fields_ = [("number", c.c_int), ("name", c.c_char_p), ("string", c.c_char * 8)]


class _Event(c.Structure):
    _fields_ = [("type", c.c_int), ("unique_identifier", c.c_uint), ("text_position", c.c_int), ("length", c.c_int),
                ("audio_position", c.c_int), ("sample", c.c_int), ("user_data", c.c_void_p), ("id", _Id)]


_CALLBACK = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.POINTER(_Event))


def _synthesise(text: str, voice: str, rate: int, pitch: int, spread: int) -> Speech:
    """One utterance with a freshly initialised library (its state leaks from one utterance into the next)."""
    library = c.CDLL(ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1")
    native_rate = library.espeak_Initialize(2, 0, None, 1)      # synchronous retrieval, with phoneme events
    if native_rate < 0:
        raise RuntimeError("espeak-ng failed to initialise; install libespeak-ng and its data")
    pieces, phonemes, words = [], [], []

    def receive(wave, count, events):
        if count > 0:
            pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != 0:
            start = events[i].sample / native_rate
            if events[i].type == _PHONEME:
                phonemes.append((start, events[i].id.string.decode("utf8", "replace")))
            elif events[i].type == _WORD:
                words.append(start)
            i += 1
        return 0

    callback = _CALLBACK(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}")
    for parameter, value in ((_RATE, rate), (_VOLUME, 90), (_PITCH, pitch), (_SPREAD, spread)):
        library.espeak_SetParameter(parameter, value, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    wave = np.concatenate(pieces).astype(np.float64) / 32768 if pieces else np.zeros(1)
    if native_rate != SAMPLE_RATE:
        g = np.gcd(native_rate, SAMPLE_RATE)
        wave = resample_poly(wave, SAMPLE_RATE // g, native_rate // g)
    return Speech(wave.astype(np.float32), phonemes, words)


def _child(pipe, text: str, settings: dict) -> None:
    try:
        pipe.send(_synthesise(text, **settings))
    except (OSError, RuntimeError, ValueError) as error:
        pipe.send(error)


@lru_cache(maxsize=512)
def _cached(text: str, settings: tuple) -> Speech:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(there, text, dict(settings)))
    process.start()
    answer = here.recv()
    process.join()
    if isinstance(answer, Exception):
        raise answer
    return answer


def speak(text: str, voice: str, rate: int, pitch: int, spread: int) -> Speech:
    """Speak text; the same arguments always give the same samples, because each utterance has its own process.

    voice is an espeak-ng voice such as "en-us+m3", rate words per minute, pitch and spread 0..99.
    """
    return _cached(text, (("voice", voice), ("rate", rate), ("pitch", pitch), ("spread", spread)))


def energy(wave: np.ndarray, frames: int, fps: int) -> np.ndarray:
    """Root mean square per frame (window of one frame centred on it), divided by its 95th percentile."""
    hop = SAMPLE_RATE // fps
    padded = np.concatenate([np.zeros(hop // 2), wave.astype(np.float64), np.zeros(hop * (frames + 2))])
    rms = np.array([np.sqrt((padded[i * hop:(i + 1) * hop] ** 2).mean()) for i in range(frames)])
    return rms / (np.percentile(rms, 95) + 1e-9)
