"""What torch raises on files of its own that are cut short, overwritten, or not its own."""

import pickle
import zipfile
import zlib
from typing import Final

UNREADABLE: Final = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
)
