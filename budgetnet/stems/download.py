"""Weights fetched from the web, once, only where a user wrote their address, and only with the SHA-256 they must have.

A fetched file is kept in the user's cache folder (`BUDGETNET_CACHE` names another one) under its digest, which is
checked again whenever it is used.
"""

import http.client
import ipaddress
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, final
from urllib.parse import unquote, urlsplit

from budgetnet import files, progress
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.stems.weights import MOST_BYTES

CACHE: Final = "BUDGETNET_CACHE"
_SECONDS: Final = 30
"""Without a byte before it is given up."""

_BLOCK: Final = 2**18


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a file is fetched from, what it is called, and the SHA-256 it must have."""

    url: str
    name: str
    sha256: str


def parse(source: str) -> Address:
    """`https://host/path/file.h5#sha256=<64 digits>`. Raises BudgetnetError that states the broken rule."""
    url, _, fragment = source.partition("#")
    said = shorten(source, 300)
    digest = re.fullmatch("sha256=([0-9a-f]{64})", fragment.lower())
    if digest is None:
        raise BudgetnetError(f"weights: an address must end in #sha256= and 64 hexadecimal digits, but got {said}")
    _check(url)
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if not re.fullmatch(r"[\w][\w.+-]{0,120}", name, re.ASCII):
        raise BudgetnetError(f"weights: an address must end in the plain name of a file, but got {said}")
    return Address(url=url, name=name, sha256=digest[1])


def fetch(address: Address) -> Path:
    """The kept file, fetched where it is not there or not whole any more. Raises BudgetnetError."""
    path = cache_folder() / "stems" / address.sha256 / address.name
    if path.is_file() and digest_of(path) == address.sha256:
        return path
    files.make_folder(path.parent)
    where = printable(address.url)
    with files.replacing(path) as temporary:
        digest = _download(address.url, where, temporary)
        if digest != address.sha256:
            told = f"must have SHA-256 {address.sha256}, but got {digest}; the file was thrown away"
            raise BudgetnetError(f"{where}: {told}")
    return path


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits. Raises BudgetnetError where it cannot be read."""
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise BudgetnetError(f"{printable(str(path))}: must be a file that can be read: {error.strerror}") from None
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where fetched files are kept: `BUDGETNET_CACHE`, else the user's cache folder as the system has it. Raises
    BudgetnetError where there is no such user.
    """
    asked = os.environ.get(CACHE)
    if asked:
        return Path(asked).expanduser()
    try:
        home = Path.home()
    except RuntimeError:
        raise BudgetnetError(f"{CACHE} must name a folder where there is no home folder, but is not set") from None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "budgetnet" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "budgetnet"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "budgetnet"


def _download(url: str, where: str, to: Path) -> str:
    """Fetches a file and returns its SHA-256. Raises BudgetnetError for whatever goes wrong on the way."""
    try:
        with _opener(url).open(_request(url), timeout=_SECONDS) as answer, progress.bars() as begin:
            expected = _length(answer, where)
            with to.open("wb") as file:
                digest, received = _copy(answer, file, where, begin("fetching weights"), expected)
    except urllib.error.HTTPError as error:
        raise BudgetnetError(f"{where}: must be there to be fetched, but got HTTP status {error.code}") from None
    except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        hint = "fetch the file by other means and give its path"
        raise BudgetnetError(f"{where}: must be reachable, but got {shorten(str(reason), 160)}; {hint}") from None
    if expected is not None and received != expected:
        raise BudgetnetError(f"{where}: must send {expected:,} bytes, but sent {received:,}; try again")
    return digest


def _length(answer: Any, where: str) -> int | None:
    """How many bytes are announced."""
    told = answer.headers.get("Content-Length", "")
    length = int(told) if re.fullmatch("[0-9]{1,18}", told) else None
    if length is not None and length > MOST_BYTES:
        raise BudgetnetError(f"{where}: must be at most {MOST_BYTES:,} bytes, but got {length:,}")
    return length


def _copy(
    answer: Any, file: IO[bytes], where: str, watch: Callable[[int, int | None], None], expected: int | None
) -> tuple[str, int]:
    digest, received = sha256(), 0
    while block := answer.read(_BLOCK):
        received += len(block)
        if received > MOST_BYTES:
            raise BudgetnetError(f"{where}: must be at most {MOST_BYTES:,} bytes, but sends more")
        digest.update(block)
        file.write(block)
        watch(received, expected)
    return digest.hexdigest(), received


def _request(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"User-Agent": "budgetnet"})  # noqa: S310 (checked by `_check`)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Follows redirections to safe addresses only; what runs on this machine is asked without a proxy."""
    proxies = [urllib.request.ProxyHandler({})] if _is_here(urlsplit(url).hostname or "") else []
    return urllib.request.build_opener(_Redirections, *proxies)


@final
class _Redirections(urllib.request.HTTPRedirectHandler):
    """Redirections, each checked like the first address."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        """The request that follows, or BudgetnetError."""
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check(url: str) -> None:
    """Raises BudgetnetError unless the address is encrypted, or one of this machine."""
    said = shorten(url, 300)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise BudgetnetError(f"weights: must be an address, but got {said}") from None
    if not host or parts.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        raise BudgetnetError(f"weights: must be an address of host and path, without a user's name, but got {said}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        raise BudgetnetError(f"weights: must begin with https:// (http:// on this machine only), but got {said}")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
