"""Packing this package into the one file that travels to workers."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

NAME = "wq_remote"
_START = f"import sys\nfrom {NAME}.main import main\nmain(*sys.argv)\n"


def write_bundle(directory: Path) -> Path:
    """Write the zip file that Python runs, named by its content, and return its path.

    Compiled files travel as well: a zip file has no place to keep them where it runs.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    content = b"".join(source.read_bytes() for source in sources)
    path = directory / f"payload-{hashlib.blake2b(content, digest_size=8).hexdigest()}.pyz"
    if path.exists():
        return path
    import py_compile

    temporary = path.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w") as bundle:
        bundle.writestr("__main__.py", _START)
        for source in sources:
            compiled = py_compile.compile(
                str(source),
                cfile=str(directory / f"{source.stem}.pyc"),
                dfile=f"{NAME}/{source.name}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            bundle.write(compiled or source, f"{NAME}/{source.stem}.pyc")
            bundle.write(source, f"{NAME}/{source.name}")
            Path(compiled or "").unlink()
    temporary.replace(path)
    return path
