"""A PDF's or an Office file's bytes in; its text as Markdown out, by a parser in a process of its own.

Anybody may have made the file, and parsers hang and crash. So the child has a limit of time and of memory,
sees neither the environment's secrets nor the parent's memory, and only its printed text comes back.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from io import BytesIO
from typing import Any

from retrieval.formats import Format, Unreadable
from retrieval.tables import as_markdown

MISSING = "needs the extra `docs`: pip install 'lorekeeper[docs]'"
_REASONS = (  # what a parser's error names, by a part of its class's name
    ("Password", "is encrypted"),
    ("MemoryError", "takes more memory to read than is allowed"),
    ("ImportError", MISSING),
    ("ModuleNotFound", MISSING),
    ("MissingDependency", MISSING),
)


def converted(content: bytes, kind: Format, *, seconds: float, megabytes: int, longest: int) -> str:
    """The text of the file, at most `longest` characters.

    Raises:
        Unreadable: no parser could read it within the limits, or there is no text in it.
    """
    with tempfile.TemporaryFile() as out:
        asked = [sys.executable, "-m", "retrieval.convert", kind.name, str(megabytes), str(longest)]
        try:
            done = subprocess.run(
                asked,
                input=content,
                stdout=out,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                env=_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unreadable(
                f"takes longer to read than the {seconds:g} s that are allowed"
            ) from None
        out.seek(0)
        told = _told(out.read(), done.returncode)
    if reason := told.get("reason"):
        raise Unreadable(str(reason))
    return str(told["text"])


def _environment() -> dict[str, str]:
    """Where the code is, and nothing else: tokens stay with the parent. One thread, for the memory's sake."""
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, (os.getcwd(), *sys.path))),
        "PYTHONIOENCODING": "utf-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _told(answer: bytes, code: int) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(answer)
    except ValueError:
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        return {"reason": f"broke its parser ({how}): it is damaged, or takes too much memory"}
    return told


def main(kind: str, megabytes: str, longest: str) -> None:
    """The child: the file on standard input, one JSON object on standard output."""
    _confine(int(megabytes))
    try:
        text = _read(Format[kind], sys.stdin.buffer.read())
        told = _answer(text, int(longest))
    except Exception as error:  # noqa: BLE001  a door: any parser's failure is told to the parent
        told = {"reason": _reason(error)}
    json.dump(told, sys.stdout)


def _confine(megabytes: int) -> None:
    """No more memory than this, and no core dump. Windows has no such limits; there the time's one holds."""
    try:
        import resource
    except ImportError:
        return
    most = megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(kind: Format, content: bytes) -> str:
    return _workbook(content) if kind is Format.XLSX else _by_markitdown(kind, content)


def _by_markitdown(kind: Format, content: bytes) -> str:
    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter, PdfConverter, PptxConverter

    readers: dict[Format, Any] = {
        Format.PDF: PdfConverter,
        Format.DOCX: DocxConverter,
        Format.PPTX: PptxConverter,
    }
    about = StreamInfo(extension=f".{kind.name.lower()}", charset="utf-8")
    text = str(readers[kind]().convert(BytesIO(content), about).markdown)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)  # "Slide number: 3"
    return re.sub(r"!\[([^\]]*)\]\((?:data:[^)]*|[^)/]*)\)", r"\1", text)  # pictures stay behind


def _workbook(content: bytes) -> str:
    """Each sheet as a heading and a table: the values as they were last computed, no formulas."""
    from openpyxl import load_workbook

    book = load_workbook(BytesIO(content), read_only=True, data_only=True)
    found = [
        (
            sheet.title,
            as_markdown([["" if v is None else str(v) for v in row] for row in sheet.values]),
        )
        for sheet in book.worksheets
    ]
    return "\n\n".join(f"## {title}\n\n{table}" for title, table in found if table)


def _answer(text: str, longest: int) -> dict[str, str]:
    if not text.strip():
        return {"reason": "has no text: it is empty, or pictures only"}
    if len(text) > longest:
        return {"reason": f"has {len(text):,} characters of text; the limit is {longest:,}"}
    return {"text": text}


def _reason(error: Exception) -> str:
    """What is wrong, by the error or by the one that it came from."""
    chain = [error, error.__cause__, error.__context__, *error.args]
    for name, reason in _REASONS:
        if any(name in type(one).__name__ for one in chain):
            return reason
    return f"is damaged: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


if __name__ == "__main__":
    main(*sys.argv[1:])
