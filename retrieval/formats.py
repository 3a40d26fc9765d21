"""A file's name and first bytes in; what it is out, or why it is not read: looked at before any parser is."""

from __future__ import annotations

import io
import zipfile
from enum import StrEnum
from pathlib import PurePath

UNPACKED = 20  # an Office file may unpack to so many times the size of the largest file
MEMBERS = 20_000  # files in an Office file; a long presentation has some hundreds
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Unreadable(Exception):
    """Why a file is left out, as it goes on after "it": "is empty", "has no text"."""


class Format(StrEnum):
    MARKDOWN = "Markdown"
    TEXT = "text"
    HTML = "HTML"
    CSV = "CSV"
    PDF = "PDF"
    DOCX = "Word"
    PPTX = "PowerPoint"
    XLSX = "Excel"


SUFFIXES = {
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".rst": Format.TEXT,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".pptx": Format.PPTX,
    ".xlsx": Format.XLSX,
}
CONVERTED = frozenset({Format.PDF, Format.DOCX, Format.PPTX, Format.XLSX})
"""What a parser has to read, in a process of its own."""
_MAIN_PART = {
    "word/document.xml": Format.DOCX,
    "ppt/presentation.xml": Format.PPTX,
    "xl/workbook.xml": Format.XLSX,
}


def named(name: str) -> Format:
    """What the file is by its name.

    Raises:
        Unreadable: it is nothing that is read.
    """
    try:
        return SUFFIXES[PurePath(name).suffix.lower()]
    except KeyError:
        raise Unreadable(
            "is not Markdown, text, HTML, CSV, PDF, Word, PowerPoint or Excel"
        ) from None


def checked(name: str, content: bytes, *, largest: int) -> Format:
    """What the file is, by its name and its bytes together.

    Raises:
        Unreadable: it is empty, too large, damaged, encrypted, or not what its name says.
    """
    says = named(name)
    if not content.strip():
        raise Unreadable("is empty")
    if len(content) > largest:
        raise Unreadable(f"has {len(content):,} bytes; the limit is {largest:,}")
    is_ = _looks_like(content, largest)
    if is_ is not None and is_ is not says:
        raise Unreadable(f"is a file of {is_}, though its name says {says}: rename it")
    if is_ is None and says in CONVERTED:
        raise Unreadable(f"is not a file of {says}, as its name says, or it is damaged")
    return says


def _looks_like(content: bytes, largest: int) -> Format | None:
    """PDF or an Office format by the marks that such a file begins with; None for anything else."""
    if content.startswith(_OLE):
        raise Unreadable(
            "is encrypted, or of an Office before 2007: save it anew, without a password"
        )
    if content.lstrip()[:5] == b"%PDF-":
        return Format.PDF
    return _in_archive(content, largest) if content.startswith(b"PK\x03\x04") else None


def _in_archive(content: bytes, largest: int) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Unreadable(f"is damaged: {error}") from error
    unpacked = sum(member.file_size for member in members)
    if unpacked > UNPACKED * largest or len(members) > MEMBERS:
        raise Unreadable(
            f"unpacks to {unpacked:,} bytes in {len(members):,} files;"
            f" the limits are {UNPACKED * largest:,} and {MEMBERS:,}"
        )
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("is encrypted")
    for member in members:
        if member.filename in _MAIN_PART:
            return _MAIN_PART[member.filename]
    raise Unreadable("is an archive, and not an Office file")
