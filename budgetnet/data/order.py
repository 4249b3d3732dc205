"""Work on many things in threads, results in order and few of them waiting: an image may take megabytes."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

WORKERS = min(8, os.cpu_count() or 1)
"""Decoding and resizing let go of the interpreter lock, so threads help."""


def in_order(
    work: Callable[[Item], Made], items: Iterable[Item], workers: int = WORKERS
) -> Generator[Made, None, None]:
    """`work` of each item, in the items' order. Once closed, or at an exception, nothing further is begun."""
    ahead = 2 * workers
    waiting: deque[Future[Made]] = deque()
    left = iter(items)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            waiting.extend(pool.submit(work, item) for item in islice(left, ahead))
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(left, 1))
                yield made
        finally:
            for future in waiting:
                future.cancel()
