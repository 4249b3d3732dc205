"""Whether a picture file is whole, and which way up, as far as its bytes tell.

Pillow stops at the last pixel: it sees neither a checksum that is wrong nor an end that is missing, and what a flipped
bit did to the pixels it takes for pixels. Formats: PNG (ISO/IEC 15948), JPEG (ITU-T T.81).
"""

import zlib
from pathlib import Path
from typing import Literal

from budgetnet.errors import printable

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"

_APP1, _EXIF, _ORIENTATION = b"\xff\xe1", b"Exif\0\0", 0x0112


def flaw(path: Path) -> str | None:
    """What is wrong with a PNG or JPEG file, its name included; None where nothing is, where it is something else, or
    where it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None  # who decodes it tells why
    if content.startswith(_PNG):
        return _misnamed(path, "PNG", (".png",)) or _flaw_of_png(content)
    if content.startswith(_JPEG):
        return _misnamed(path, "JPEG", (".jpg", ".jpeg")) or _flaw_of_jpeg(content)
    return None


def orientation(path: Path) -> int:
    """The EXIF orientation of a PNG or JPEG file, from 1 to 8: how viewers turn and mirror it. 1 is as it is stored,
    and what is said where nothing else can be read.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return 1
    # Pillow would warn of each damaged one, and the warnings of several threads cannot be told apart.
    exif = _exif_of_png(content) if content.startswith(_PNG) else _exif_of_jpeg(content)
    order: Literal["little", "big"] = "little" if exif.startswith(b"II") else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)

    first = number(4, 4)
    for entry in range(first + 2, min(len(exif), first + 2 + 12 * number(first, 2)), 12):
        if number(entry, 2) == _ORIENTATION:
            return said if (said := number(entry + 8, 2)) in range(1, 9) else 1
    return 1


def _exif_of_png(content: bytes) -> bytes:
    at = len(_PNG)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        if content[at + 4 : at + 8] == b"eXIf":
            return content[at + 8 : at + 8 + length].removeprefix(_EXIF)
        at += 12 + length
    return b""


def _exif_of_jpeg(content: bytes) -> bytes:
    at = len(_JPEG)
    while content.startswith(_JPEG) and at + 4 <= len(content) and content[at : at + 2] != _SCAN:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        if content[at : at + 2] == _APP1 and content[at + 4 : at + 10] == _EXIF:
            return content[at + 10 : end]
        at = end
    return b""


def _misnamed(path: Path, kind: str, endings: tuple[str, ...]) -> str | None:
    if path.suffix.lower() in endings:
        return None
    return f"must be named after what it is, {kind}, but ends in {printable(path.suffix) or 'nothing'}"


def _flaw_of_jpeg(content: bytes) -> str | None:
    # small pictures inside come before the scan of the whole one, so the last of each is the whole one's
    return "must be a whole JPEG, but its end is missing" if content.rfind(_END) < content.rfind(_SCAN) else None


def _flaw_of_png(content: bytes) -> str | None:
    at = len(_PNG)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        kind, end = content[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(content):
            break
        if zlib.crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4]):
            name = printable(kind.decode("latin-1"))
            return f"must be a whole PNG, but the checksum of its part {name} at byte {at:,} is wrong"
        if kind == b"IEND":
            return None
        at = end + 4
    return "must be a whole PNG, but its end is missing"
