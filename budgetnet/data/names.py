"""What a data set is called in the names of files: safe to write, short, and still to be recognised."""

import re
from hashlib import sha256
from pathlib import Path

_MOST = 80
"""Bytes: file systems take 255, and something comes before and behind."""


def short_name(spec: str) -> str:
    """`camvid:/data/CamVid,val=0.2` -> `camvid-CamVid-val-0.2`. Data sets in other folders may be called the same."""
    key, _, argument = spec.partition(":")
    words = re.sub(r"[^\w.]+", "-", f"{key}-{Path(argument).name}")
    return words.encode()[:_MOST].decode(errors="ignore").strip("-.")


def own_name(spec: str) -> str:
    """The same, with eight hex digits behind where it does not tell all of the spec, so that no other is called so."""
    name = short_name(spec)
    if re.fullmatch(r"\w+(:\w+([.,=]\w+)*)?", spec) and len(name) == len(spec):
        return name
    return f"{name}-{sha256(spec.encode(errors='backslashreplace')).hexdigest()[:8]}"
