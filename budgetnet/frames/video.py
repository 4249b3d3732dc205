"""Video files, by PyAV (a binding of FFmpeg's libraries), which is installed with budgetnet[video]."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from budgetnet.datasets import Pixels
from budgetnet.errors import BudgetnetError, DataError, printable
from budgetnet.frames import Look
from budgetnet.image_files import at, refused

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"

ENCODERS: Final = ("libx264", "libopenh264", "mpeg4")
"""H.264 plays everywhere; a build of FFmpeg without it still writes MPEG-4."""

_CONTAINERS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf"
"""What is read: files that hold pictures, none that name other files or addresses to be opened."""

_QUALITY: Final = {"libx264": {"crf": "20", "preset": "fast"}, "libopenh264": {"b": "8M"}, "mpeg4": {"qscale": "3"}}


def require(where: str) -> Any:
    """The module `av`. Raises BudgetnetError where it is not installed; `where` says what needs it."""
    try:
        import av
    except ImportError:
        rule = "video files need PyAV to be installed"
        raise BudgetnetError(f"{where}: {rule}, but it is not: pip install 'budgetnet[video]'") from None
    av.logging.set_level(None)  # what matters is told as an exception
    return av


def look(path: Path) -> Look:
    """How many frames, as far as the file tells, and how many a second. Raises BudgetnetError."""
    with closing(frames(path)) as begun:  # decodes one: a file may have a fine header and nothing behind it
        next(begun)
    with _opened(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        count = stream.frames
        if not count and rate and container.duration:
            count = round(container.duration * rate / 1_000_000)
        return Look(count=count or None, rate=Fraction(rate) if rate else None)


def frames(path: Path) -> Generator[Pixels, None, None]:
    """Its frames, uint8 (h, w, 3) RGB, turned as the camera says. Raises DataError at the first that is damaged."""
    with _opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        number = 0
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise _refused(path, "it breaks off")
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise _refused(path, f"frame {number} is damaged")
                pixels = frame.to_ndarray(format="rgb24")
                yield np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
                number += 1
        if not number:
            raise _refused(path, "it has no frame")


@contextmanager
def _opened(path: Path) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    av = require(at(path))
    try:
        if not path.stat().st_size:
            raise _refused(path, "it is empty")
        if _breaks_off(path):
            raise _refused(path, "it breaks off")
        with path.open("rb") as file, av.open(file, options={"format_whitelist": _CONTAINERS}) as container:
            if not container.streams.video:
                raise _refused(path, "it has no pictures")
            yield container, container.streams.video[0]
    except (av.FFmpegError, OSError) as error:
        raise _refused(path, printable(error.strerror or str(error))) from None


def _breaks_off(path: Path) -> bool:
    """Whether a Matroska or WebM file is shorter than it says: FFmpeg takes its end as it comes, and says nothing.

    Layout: RFC 9559 (a Segment holds all there is) and RFC 8794 (how sizes are written; all ones: unknown).
    """
    with path.open("rb") as file:
        head = file.read(4096)
        end = file.seek(0, 2)
    start = head.find(_SEGMENT) + len(_SEGMENT)
    if not head.startswith(_EBML) or start < len(_SEGMENT) or not head[start : start + 1].strip(b"\0"):
        return False
    length = 9 - head[start].bit_length()
    most = (1 << 7 * length) - 1
    size = int.from_bytes(head[start : start + length], "big") & most
    return size != most and start + length + size > end


def _refused(path: Path, why: str) -> DataError:
    return refused(path, f"must be a whole video that can be read: {why}")


@final
class Writer:
    """Writes a film to an MP4 file, `rate` frames a second; messages call it `where`. Sides that are odd get a row or
    column more: H.264 shares colours between four pixels.
    """

    def __init__(self, path: Path, rate: Fraction, where: str) -> None:
        self._av = require(where)
        self.encoder = next((name for name in ENCODERS if name in self._av.codecs_available), "")
        if not self.encoder:
            raise BudgetnetError(f"{where}: must be written by one of {', '.join(ENCODERS)}, but PyAV has none")
        self._rate = rate.limit_denominator(65535)
        # absolute, since FFmpeg takes `name:` for a protocol; the index comes first, so that browsers play at once
        name = str(path.absolute())
        self._container = self._av.open(name, "w", format="mp4", options={"movflags": "faststart"})
        self._stream: VideoStream | None = None
        self._written = 0

    def add(self, pixels: Pixels) -> None:
        """One more frame (h, w, 3), of the size of the first."""
        high, wide = pixels.shape[:2]
        even = np.pad(pixels, ((0, high % 2), (0, wide % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._begin(even)
        colours = self._av.video.reformatter
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=colours.Colorspace.ITU709, dst_color_range=colours.ColorRange.MPEG
        )
        frame.pts, frame.time_base = self._written, 1 / self._rate
        self._mux(frame)
        self._written += 1

    def close(self) -> None:
        """Writes what is left and closes the file."""
        if self._stream is not None:
            self._mux(None)
        self._container.close()

    def abandon(self) -> None:
        """Closes the file, whatever state it is in."""
        with suppress(self._av.FFmpegError, OSError):
            self._container.close()

    def _begin(self, pixels: Pixels) -> "VideoStream":
        stream: VideoStream = self._container.add_stream(self.encoder, rate=self._rate, options=_QUALITY[self.encoder])
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context  # ITU-R BT.709, said so that players show the colours of the key
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        return stream

    def _mux(self, frame: Any) -> None:
        assert self._stream is not None
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
