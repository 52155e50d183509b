"""Sounds of a given length: a soft tone in a WAV file, silence in an MP3."""

import wave
from io import BytesIO
from math import pi, sin

RATE = 8000  # samples a second: enough for a tone, and half an hour is 28 MB
TONE = 220.0  # hertz
LOUDNESS = 0.1  # of what 16 bits can hold
MAX_SECONDS = 600.0
_PERIOD = round(RATE / TONE)
# A frame of MPEG-1 layer III at 32 kHz and 64 kbit/s, mono, with nothing in it: 288 bytes, 36 ms.
_FRAME = b"\xff\xfb\x58\xc4" + bytes(284)
_FRAME_SECONDS = 0.036


def sound(seconds: float, media_type: str) -> bytes:
    """A sound of so many seconds (at most ten minutes): MP3 for audio/mpeg and audio/mp3, else WAV."""
    length = min(max(seconds, 0.1), MAX_SECONDS)
    if media_type in ("audio/mpeg", "audio/mp3"):
        return _FRAME * round(length / _FRAME_SECONDS)
    return _tone(length)


def _tone(seconds: float) -> bytes:
    one = [int(32767 * LOUDNESS * sin(2 * pi * n / _PERIOD)) for n in range(_PERIOD)]
    period = b"".join(value.to_bytes(2, "little", signed=True) for value in one)
    count = int(RATE * seconds)
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((period * (count // _PERIOD + 1))[: count * 2])
    return out.getvalue()
