"""Numbers as people write them: ``128k`` events, ``2GB``, ``5m``, ``9123-9130``. One parser for all."""

from __future__ import annotations

import re

MB, GB = 2**20, 2**30
"""As the engine counts, and Slurm and HTCondor: a GB is 1,024 of them, everywhere."""
DEFAULT_PAGE_PORT = 8787

_COUNTS = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_BYTES = {
    "": MB,  # a bare number is MB, as everywhere in Work Queue
    "B": 1,
    "kB": 1024,
    **{
        f"{letter}{end}": 1024**power
        for letters, ends in (("KMGT", ("", "B", "i", "iB")), ("kmgt", ("", "b")))
        for power, letter in enumerate(letters, 1)
        for end in ends
    },
}
_BARE_GB, _BARE_MB = 64, 1000  # of a worker: numbers below are GB, from here on MB
_BARE_MOST = 10_000_000  # MB; a larger number alone was meant as bytes
LEAST_MEMORY = 100 * MB  # a Python that has imported coffea has more
_SECONDS = {
    "": 1,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}


def count(value: str | float) -> int:
    """Parse a number of events, files or chunks, at least 1.

    ``128000``, ``128_000``, ``128k``, ``1.5M`` and ``1e5`` are numbers.
    """
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?[eE]\+?[0-9]", str(value).strip()):  # which YAML takes for text
        value = float(value)
    if re.fullmatch(r"-[0-9_.]+[kKMG]?", str(value).strip()):
        raise ValueError(f"{value!r} is not at least 1")
    number = _whole(_scaled(value, _COUNTS, "a number such as 128000 or 128k"), value)
    if number < 1:
        raise ValueError(f"{value!r} is not at least 1")
    return number


def size(value: str | float) -> int:
    """Parse a size and return bytes: ``2GB``, ``2G``, ``2GiB``, ``2000`` (MB).

    A number alone that nobody means in MB has to say what it is.
    """
    number = _scaled(value, _BYTES, "a size such as 2GB, 2GiB or 2000 (MB)")
    alone = _alone(value)
    if 0 < alone < _BARE_GB:
        raise ValueError(f"{value!r} alone is not GB here but MB, which is too little: write {value}GB")
    if alone > _BARE_MOST:
        raise ValueError(
            f"{value!r} alone is not bytes here but MB, which is too much: write "
            f"{format_size(alone).replace(' ', '')}, or {value}B"
        )
    return round(number)


def memory(value: str | float) -> int:
    """Parse memory of a task, which is not less than Python needs."""
    return _enough(size(value), value)


def _enough(number: int, value: str | float) -> int:
    if number < LEAST_MEMORY:
        raise ValueError(
            f"{value!r} is not enough: Python with coffea in it has {format_size(LEAST_MEMORY)} at least; "
            "write 2GB, for instance"
        )
    return number


def worker_size(value: str | float) -> int:
    """Parse memory or disk of a worker: as `size`, but a small number alone is GB, as in other frameworks.

    No worker has 4 MB, and none has 2000 GB of memory. What may be either has to say it.
    """
    number = _alone(value)
    if 0 < number < _BARE_GB:
        return round(number * GB)
    if _BARE_GB <= number < _BARE_MB:
        raise ValueError(f"{value!r} may be GB or MB: write {value}GB or {value}MB")
    return size(value)


def worker_memory(value: str | float) -> int:
    """Parse memory of a worker: as `worker_size`, and not less than Python needs."""
    return _enough(worker_size(value), value)


def _alone(value: str | float) -> float:
    """Return a number that has no unit; 0 if it has one."""
    bare = re.fullmatch(r"[0-9][0-9_]*(?:\.[0-9]+)?", str(value).strip())
    return float(bare[0].replace("_", "")) if bare and not isinstance(value, bool) else 0.0


def seconds(value: str | float) -> float:
    """Parse a duration: ``90``, ``90s``, ``5m``, ``2h``, ``1:30:00``, ``2-00:00:00``."""
    clock = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?([0-5]?\d):([0-5]\d)", str(value).strip())
    if clock:
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)
    return _scaled(value, _SECONDS, "a time such as 90, 5m, 2h or 1:30:00")


def share(value: str | float) -> float:
    """Parse a share of a whole: ``0.5%``, ``0.005``."""
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not a share such as 0.5% or 0.005")
    return number


def chunksize(value: str | float) -> int | str:
    """Parse a number of events, or ``auto``."""
    return "auto" if str(value).strip() == "auto" else count(value)


def treereduction(value: str | float | bool) -> int | str:
    """Parse how many results, or bytes of them, a task adds up: ``20``, ``500MB``, ``auto``, ``off``."""
    text = {"False": "off", "True": "auto"}.get(str(value), str(value).strip())  # as YAML reads off and on
    if text in {"auto", "off"}:
        return text
    if re.search("[BbMGTi]$", text):
        size(text)
        return text
    try:
        number = count(text)
    except ValueError:
        number = 0
    if number < 2:
        raise ValueError(f"{value!r} is not auto, off, a number of results from 2, or a size such as 500MB")
    return number


def column_cache(value: str | float | bool) -> str:
    """Parse what workers keep of columns: ``auto``, ``off``, a size, a directory of theirs, or both."""
    text = {"False": "off", "True": "auto"}.get(str(value), str(value).strip())  # as YAML reads off and on
    directory, limit = column_place(text)
    if limit and (directory or limit[0].isdigit()) and not text.startswith(":"):
        size(limit)
    elif text not in {"auto", "off"} and not directory.startswith(("/", "~/", "$")):
        raise ValueError(
            f"{value!r} is not auto, off, a size such as 20GB, or a directory of the workers such as "
            "/scratch/columns or /scratch/columns:20GB"
        )
    return text


def column_place(text: str) -> tuple[str, str]:
    """Return the directory and the size of a column cache, each empty if it is not said."""
    if text in {"auto", "off"}:
        return "", ""
    if not text.startswith(("/", "~", "$", ".")):
        return "", text
    directory, colon, limit = text.rpartition(":")
    return (directory, limit) if colon and "/" not in limit else (text, "")


def ports(value: str | int) -> tuple[int, int]:
    """Parse a port, or the lowest and the highest to try: ``9123``, ``9123-9130``; 0 is any."""
    match = re.fullmatch(r"(\d+)(?:\s*[-:]\s*(\d+))?", str(value).strip())
    low = int(match[1]) if match else -1
    high = int(match[2] or low) if match else -1
    if not 0 <= low <= high <= 65535:
        raise ValueError(f"{value!r} is not a port, or a range such as 9123-9130")
    return low, high


def port(value: str | int) -> int:
    """Parse one port; ``true``, as settings files may say, is the default one."""
    if value is True or str(value).lower() == "true":
        return DEFAULT_PAGE_PORT
    return ports(value)[0]


def _scaled(value: str | float, scales: dict[str, int], wanted: str) -> float:
    match = re.fullmatch(r"([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z]*)", str(value).strip())
    if isinstance(value, bool) or match is None or match[2] not in scales:
        raise ValueError(f"{value!r} is not {wanted}{_instead(str(value).strip(), scales)}")
    return float(match[1].replace("_", "")) * scales[match[2]]


def _instead(text: str, scales: dict[str, int]) -> str:
    """Say how a number is written that was written as elsewhere."""
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", text):
        return f": write {text.replace(',', '_')}, or without the comma"
    if re.fullmatch(r"[0-9]{1,3}( [0-9]{3})+", text):
        return f": write {text.replace(' ', '_')}, or without the blank"
    match = re.fullmatch(r"([0-9]+)(?:[.,]([0-9]+))?\s*([A-Za-z]*)", text)
    if match is None:
        return ""
    whole, part, unit = match.groups()
    known = next((one for one in scales if one.lower() == unit.lower()), None)
    return "" if known is None else f": write {whole}{f'.{part}' if part else ''}{known}"


def _whole(number: float, value: str | float) -> int:
    if number != int(number):
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def format_count(number: float) -> str:
    """Format for people: 950, 12,345, 128.0 k is never used below a million: 1.2 M, 3.4 G."""
    for limit, unit in ((1e9, "G"), (1e6, "M")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:,.0f}"


def format_rate(number: float) -> str:
    """Format what happens per second for people: 38,800 or 950, and of what is slow 2.5, 0.031, <0.01."""
    if number >= 10 or not number:
        return format_count(number)
    return f"{number:.2g}" if number >= 0.01 else "<0.01"


def format_size(number: float) -> str:
    """Format bytes for people."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if number >= 1024**power:
            return f"{number / 1024**power:.1f} {unit}"
    return f"{number:.0f} B"


def exact_size(number: int) -> str:
    """Return a size in bytes as it can be read again without loss, such as 2GB or 1500MB."""
    for factor, unit in ((GB, "GB"), (MB, "MB")):
        if number % factor == 0:
            return f"{number // factor}{unit}"
    return f"{number}B"


def format_seconds(number: float) -> str:
    """Format a duration for people: 4.2 s, 1:42, 2:03:11."""
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
