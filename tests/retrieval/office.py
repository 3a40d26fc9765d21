"""Words in; the bytes of a PDF, a Word, PowerPoint or Excel file that says them, well made or not, out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence


def pdf(*lines: str, password: str | None = None) -> bytes:
    """One page; without lines it holds a drawing only."""
    from reportlab.pdfgen.canvas import Canvas

    made = io.BytesIO()
    canvas = Canvas(made, encrypt=password)
    canvas.rect(100, 100, 200, 200, fill=1)
    for number, line in enumerate(lines):
        canvas.drawString(72, 720 - 20 * number, line)
    canvas.showPage()
    canvas.save()
    return made.getvalue()


def docx(heading: str, *paragraphs: str, table: Sequence[Sequence[str]] = ()) -> bytes:
    from docx import Document

    document = Document()
    document.add_heading(heading, level=1)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        cells = document.add_table(rows=len(table), cols=len(table[0]))
        for row, values in enumerate(table):
            for column, value in enumerate(values):
                cells.cell(row, column).text = value
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def pptx(*slides: tuple[str, str]) -> bytes:
    """Slides of a title and a text."""
    from pptx import Presentation

    presentation = Presentation()
    for title, text in slides:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
    made = io.BytesIO()
    presentation.save(made)
    return made.getvalue()


def xlsx(**sheets: Sequence[Sequence[object]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def bomb(megabytes: int) -> bytes:
    """A Word file of a few kilobytes that unpacks to so much."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (megabytes * 1_000_000))
    return made.getvalue()
