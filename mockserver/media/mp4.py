"""Turn one second of H.264 into an MP4 file of the size and the length asked for, without a codec.

The size comes from the cropping rectangle in the sequence parameter set (SPS), the length from repeating the
group of pictures. Clause numbers are those of ISO/IEC 14496-10 (H.264), 14496-12 (boxes) and 14496-15 (avcC).
"""

import math
import re
from dataclasses import dataclass
from itertools import accumulate
from struct import pack
from typing import Final

FRAMES_PER_SECOND: Final = 24
MIN_SIDE: Final = 2
MAX_SIDE: Final = 4096
MAX_SECONDS: Final = 600

# One tick scale for the movie and the track, so that their durations are the same exact number.
_TIMESCALE: Final = 24_000
_TICKS_PER_FRAME: Final = _TIMESCALE // FRAMES_PER_SECOND

# 14496-10 table 7-1: nal_unit_type.
_P_SLICE: Final = 1
_IDR_SLICE: Final = 5
_SPS: Final = 7
_PPS: Final = 8

# 14496-10 7.3.2.1.1: the profiles (Baseline, Main) whose SPS has no chroma_format_idc and is always 4:2:0.
_PLAIN_PROFILES: Final = (66, 77)


@dataclass(frozen=True, slots=True)
class Clip:
    """One second of H.264 ready to be cropped and repeated: an IDR picture, then P pictures only.

    width, height: pixels of the coded picture, whole macroblocks (multiples of 16).
    sps_head, sps_tail: bits ("0" and "1") of the SPS before frame_cropping_flag and after the crop offsets.
    pps: the picture parameter set, a NAL unit without start code.
    samples: the coded pictures back to back, each as a 4-byte length and its slice.
    sizes: bytes in each sample as a 4-byte big-endian number, the form of an stsz table.
    ends: ends[n] is the number of bytes in the first n samples, so len(ends) is one more than the pictures.
    """

    width: int
    height: int
    sps_head: str
    sps_tail: str
    pps: bytes
    samples: bytes
    sizes: bytes
    ends: tuple[int, ...]


def parse_clip(annex_b: bytes) -> Clip:
    """Read a clip from an Annex B byte stream: SPS, PPS, one IDR picture, P pictures, one slice in each.

    Raises ValueError when the stream has another layout or an SPS this module cannot crop.
    """
    # B.1: a NAL unit is ended by a start code or zero bytes, and has neither 00 00 00 nor 00 00 01 within.
    units = [unit for unit in re.split(rb"\0{2,}\x01", annex_b) if unit]
    kinds = [unit[0] & 31 for unit in units]
    if kinds[:3] != [_SPS, _PPS, _IDR_SLICE] or set(kinds[3:]) != {_P_SLICE}:
        raise ValueError(f"clip has NAL unit types {kinds[:8]}..., expected 7 (SPS), 8 (PPS), 5 (IDR), then only 1")
    sps, pps, *slices = units
    # 7.3.3: first_mb_in_slice comes first, and the Exp-Golomb code of 0 is the single bit 1.
    if not all(len(unit) > 1 and unit[1] & 0x80 for unit in slices):
        raise ValueError("clip has a picture of several slices, expected one slice in each picture")
    width, height, head, tail = _parse_sps(sps)
    samples = [pack(">I", len(unit)) + unit for unit in slices]
    lengths = [len(sample) for sample in samples]
    return Clip(
        width=width,
        height=height,
        sps_head=head,
        sps_tail=tail,
        pps=pps,
        samples=b"".join(samples),
        sizes=pack(f">{len(lengths)}I", *lengths),
        ends=(0, *accumulate(lengths)),
    )


def frame_size(width: int, height: int) -> tuple[int, int]:
    """The size a video really gets, in pixels: each side clamped to 2..4096, then odd sides rounded up."""
    return _even_side(width), _even_side(height)


def frame_count(seconds: float) -> int:
    """The number of frames of a video: the length clamped to 1/24..600 s, to the nearest frame.

    Raises ValueError when `seconds` is not a finite number.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"seconds is {seconds}, expected a finite number")
    return max(1, round(min(seconds, MAX_SECONDS) * FRAMES_PER_SECOND))


def video(clip: Clip, width: int, height: int, seconds: float) -> bytes:
    """A progressive MP4 file (moov before mdat) of frame_size(width, height) and frame_count(seconds) frames.

    Raises ValueError when the clip is smaller than the size asked for or `seconds` is not finite.
    """
    size = _size_within(clip, width, height)
    frames = frame_count(seconds)
    sps = _cropped_sps(clip, size)
    media_bytes = _media_bytes(clip, frames)
    repeats, rest = divmod(frames, _pictures(clip))
    tables = _tables(clip, frames, offset=_head_bytes(clip, sps, frames))
    moov = _moov(size, frames, _sample_entry(size, sps, clip.pps), tables)
    media = clip.samples * repeats, clip.samples[: clip.ends[rest]]
    return b"".join((_FTYP, moov, pack(">I4s", 8 + media_bytes, b"mdat"), *media))


def video_bytes(clip: Clip, width: int, height: int, seconds: float) -> int:
    """The length in bytes of video(...) with the same arguments, by arithmetic; raises as video does."""
    sps = _cropped_sps(clip, _size_within(clip, width, height))
    frames = frame_count(seconds)
    return _head_bytes(clip, sps, frames) + _media_bytes(clip, frames)


def _even_side(side: int) -> int:
    # Cropping works in units of two luma samples when chroma is halved (7.4.2.1.1, CropUnitX and CropUnitY).
    side = min(max(side, MIN_SIDE), MAX_SIDE)
    return side + side % 2


def _size_within(clip: Clip, width: int, height: int) -> tuple[int, int]:
    size = frame_size(width, height)
    if size[0] > clip.width or size[1] > clip.height:
        found = f"{size[0]}x{size[1]}"
        raise ValueError(f"video size is {found}, expected at most the clip's {clip.width}x{clip.height}")
    return size


def _pictures(clip: Clip) -> int:
    return len(clip.ends) - 1


def _media_bytes(clip: Clip, frames: int) -> int:
    repeats, rest = divmod(frames, _pictures(clip))
    return len(clip.samples) * repeats + clip.ends[rest]


def _key_frames(clip: Clip, frames: int) -> range:
    # A repeated IDR picture may keep its idr_pic_id: 7.4.3 wants a new one only where two IDR pictures are
    # neighbours, and parse_clip makes sure that P pictures stand between them.
    return range(1, frames + 1, _pictures(clip))


# --- H.264 sequence parameter set (14496-10 7.3.2.1.1) ---


def _parse_sps(unit: bytes) -> tuple[int, int, str, str]:
    # Width, height, and the bits before and after the cropping fields.
    profile = int.from_bytes(unit[1:2])
    if profile not in _PLAIN_PROFILES:
        raise ValueError(f"clip has profile_idc {profile}, expected 66 (Baseline) or 77 (Main)")
    # 7.4.1: 00 00 03 stands for 00 00 inside a NAL unit. The added 1 keeps leading zero bits.
    payload = unit.replace(b"\0\0\3", b"\0\0")
    bits = bin(int.from_bytes(b"\1" + payload))[3:]
    at = 32  # After nal_unit header, profile_idc, constraint flags and level_idc, a byte each.
    _, at = _read_ue(bits, at)  # seq_parameter_set_id
    _, at = _read_ue(bits, at)  # log2_max_frame_num_minus4
    order, at = _read_ue(bits, at)
    # Type 2 makes output order the decoding order (8.2.1.3), so the file needs no composition offsets.
    if order != 2:
        raise ValueError(f"clip has pic_order_cnt_type {order}, expected 2 (no B pictures)")
    _, at = _read_ue(bits, at)  # max_num_ref_frames
    columns, at = _read_ue(bits, at + 1)  # After gaps_in_frame_num_value_allowed_flag.
    rows, at = _read_ue(bits, at)
    if bits[at : at + 1] != "1":
        raise ValueError("clip has frame_mbs_only_flag 0 (interlaced), expected 1")
    at += 2  # frame_mbs_only_flag and direct_8x8_inference_flag
    after = at + 1
    for _ in range(4 if bits[at : at + 1] == "1" else 0):
        _, after = _read_ue(bits, after)
    # 7.3.2.11: the last 1 is the stop bit of the payload.
    return 16 * (columns + 1), 16 * (rows + 1), bits[:at], bits[after : bits.rindex("1")]


def _cropped_sps(clip: Clip, size: tuple[int, int]) -> bytes:
    # The SPS NAL unit with the cropping rectangle that leaves the top-left `size` of the picture.
    right, bottom = (clip.width - size[0]) // 2, (clip.height - size[1]) // 2
    offsets = "".join(_ue(offset) for offset in (0, right, 0, bottom))
    crop = "1" + offsets if right or bottom else "0"
    bits = clip.sps_head + crop + clip.sps_tail + "1"
    length = -(-len(bits) // 8)
    payload = int(bits.ljust(8 * length, "0"), 2).to_bytes(length)
    # 7.4.1: 00 00 may not be followed by a byte of 0 to 3, so a 3 comes between.
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _read_ue(bits: str, at: int) -> tuple[int, int]:
    # 9.1, Exp-Golomb: n zeros, then a number of n + 1 bits which is one more than the value.
    zeros = bits.find("1", at) - at
    end = at + 2 * zeros + 1
    if zeros < 0 or end > len(bits):
        raise ValueError(f"clip's SPS ends after {len(bits)} bits, expected more fields")
    return int(bits[at:end], 2) - 1, end


def _ue(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


# --- MP4 boxes (14496-12 clause 8) ---

# 6.2.2: the matrix that leaves a picture as it is, in 16.16 fixed point (the last column in 2.30).
_UNITY_MATRIX: Final = pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, flags: int, *parts: bytes) -> bytes:
    # 4.2: version 0 and 24 bits of flags come first.
    return _box(kind, pack(">I", flags), *parts)


_FTYP: Final = _box(b"ftyp", b"isom", pack(">I", 0x200), b"isom", b"iso2", b"avc1", b"mp41")

# 12.1.2, vmhd: flags 1, copy mode, no colour. 8.7.2, dref: flag 1 says the samples are in this same file.
_VMHD: Final = _full_box(b"vmhd", 1, bytes(8))
_DINF: Final = _box(b"dinf", _full_box(b"dref", 0, pack(">I", 1), _full_box(b"url ", 1)))
_HDLR: Final = _full_box(b"hdlr", 0, bytes(4), b"vide", bytes(12), b"VideoHandler\0")


def _moov(size: tuple[int, int], frames: int, sample_entry: bytes, tables: bytes) -> bytes:
    duration = frames * _TICKS_PER_FRAME
    stsd = _full_box(b"stsd", 0, pack(">I", 1), sample_entry)
    minf = _box(b"minf", _VMHD, _DINF, _box(b"stbl", stsd, tables))
    trak = _box(b"trak", _tkhd(size, duration), _box(b"mdia", _mdhd(duration), _HDLR, minf))
    return _box(b"moov", _mvhd(duration), trak)


def _mvhd(duration: int) -> bytes:
    # 8.2.2: no dates, rate 1.0, volume 1.0, next_track_ID 2.
    rates = pack(">IH10x", 0x10000, 0x100)
    times = pack(">IIII", 0, 0, _TIMESCALE, duration)
    return _full_box(b"mvhd", 0, times, rates, _UNITY_MATRIX, bytes(24), pack(">I", 2))


def _tkhd(size: tuple[int, int], duration: int) -> bytes:
    # 8.3.2: flags 3 is enabled and in the movie; track 1; layer, group and volume 0; pixels in 16.16.
    times = pack(">IIIII8x", 0, 0, 1, 0, duration)
    sides = pack(">II", size[0] << 16, size[1] << 16)
    return _full_box(b"tkhd", 3, times, bytes(8), _UNITY_MATRIX, sides)


def _mdhd(duration: int) -> bytes:
    # 8.4.2: 0x55C4 is the language "und", three letters of five bits.
    return _full_box(b"mdhd", 0, pack(">IIIIHH", 0, 0, _TIMESCALE, duration, 0x55C4, 0))


def _sample_entry(size: tuple[int, int], sps: bytes, pps: bytes) -> bytes:
    # 14496-15 5.3.3.1, avcC: version 1, the profile and level of the SPS, 4-byte NAL lengths (3), one SPS,
    # one PPS; the spare upper bits of the first two counts are ones.
    sets = pack(">H", len(sps)), sps, pack(">BH", 1, len(pps)), pps
    avcc = _box(b"avcC", b"\1", sps[1:4], b"\xff\xe1", *sets)
    # 12.1.3: data reference 1, 72 dots an inch, one frame in a sample, no compressor name, depth 24.
    look = pack(">IIIH32sHh", 72 << 16, 72 << 16, 0, 1, b"", 24, -1)
    return _box(b"avc1", bytes(6), pack(">H", 1), bytes(16), pack(">HH", *size), look, avcc)


def _tables(clip: Clip, frames: int, offset: int) -> bytes:
    # 8.6.1.2 stts, 8.6.2 stss, 8.7.4 stsc, 8.7.3 stsz, 8.7.5 stco: all samples are one chunk at `offset`.
    repeats, rest = divmod(frames, _pictures(clip))
    keys = _key_frames(clip, frames)
    sizes = clip.sizes * repeats, clip.sizes[: 4 * rest]
    tables = (
        _full_box(b"stts", 0, pack(">III", 1, frames, _TICKS_PER_FRAME)),
        _full_box(b"stss", 0, pack(f">I{len(keys)}I", len(keys), *keys)),
        _full_box(b"stsc", 0, pack(">IIII", 1, 1, frames, 1)),
        _full_box(b"stsz", 0, pack(">II", 0, frames), *sizes),
        _full_box(b"stco", 0, pack(">II", 1, offset)),
    )
    return b"".join(tables)


def _head_bytes(clip: Clip, sps: bytes, frames: int) -> int:
    # Everything before the samples: stsz has 4 bytes for a frame, stss 4 for a key frame.
    tables = 4 * frames + 4 * len(_key_frames(clip, frames))
    return _FIXED_HEAD_BYTES + len(sps) + len(clip.pps) + tables


# The head with nothing in it, for _head_bytes. avcC copies three bytes of the SPS, so that cannot be empty.
_NO_PICTURES: Final = Clip(0, 0, "", "", b"", b"", b"", (0, 0))
_NO_SPS: Final = bytes(4)
_EMPTY_MOOV: Final = _moov((0, 0), 0, _sample_entry((0, 0), _NO_SPS, b""), _tables(_NO_PICTURES, 0, offset=0))
_FIXED_HEAD_BYTES: Final = len(_FTYP) + len(_EMPTY_MOOV) - len(_NO_SPS) + len(_box(b"mdat"))
