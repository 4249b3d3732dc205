"""Why a search ended before its end, in words that reports go on with."""

from typing import Final

INTERRUPTED: Final = "it was interrupted"
TIME_UP: Final = "the time was up"
STOPPED: Final = "it was asked to stop"
EPOCHS_UP: Final = "its epochs were used up"
