"""Sheets as XlsxWriter draws them: real tables with filters, headings that stay, formats, bars, charts.

Text is always written as text, never as a formula or a link. What is no real board's measurement is in italics and has
its letter; colours (after Okabe and Ito, which the colour-blind can tell apart) only repeat what letters and words say.
"""

from __future__ import annotations

import math
from typing import Any
from unicodedata import east_asian_width

from xlsxwriter.utility import xl_col_to_name

from analysis.text import spreadsheet
from analysis.writers.log_links import LINKS
from analysis.writers.workbook.grid import Chart, Entry, Grid, Shade

HEAD = 3  # the line of the headings; above it the title, the note and the warning
_INK = {"S": "#6A3D8C", "R": "#7A4A00", "P": "#00507A", "M": "#2F4F2F"}
_TONES = {"FITS": "#CFE8F7", "TIGHT": "#E6F2D5", "RISK": "#FFE3B0", "NO": "#DADADA"}
_BETTER, _WORSE = "#56B4E9", "#E69F00"
_SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#666666", "#000000")
_PATTERNS = {"S": "wide_upward_diagonal", "R": "dotted_grid", "M": "narrow_horizontal"}
_LINE_HEIGHT, _MOST_LINES = 15, 8
_HEADING_LIMIT = 250  # characters; Excel has no heading of a table with more than 255
_CHART_LINES = 20  # of one chart: the next begins below it


class Drawer:
    """One workbook's formats, made once each."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._formats: dict[tuple[Any, ...], Any] = {}

    def draw(self, grid: Grid, warning: str) -> None:
        """One grid as a sheet of its own."""
        sheet = self._book.add_worksheet(grid.title)
        sheet.write_string(0, 0, spreadsheet(grid.title), self._style(bold=True, font_size=14))
        sheet.write_string(1, 0, spreadsheet(grid.note), self._style(font_color="#404040"))
        if warning:
            sheet.write_string(2, 0, spreadsheet(warning), self._style(bold=True, italic=True, font_color=_INK["S"]))
        sheet.freeze_panes(HEAD + 1, grid.stays)
        self._page(sheet, grid)
        self._table(sheet, grid)
        links = 0
        for line, row in enumerate(grid.rows, HEAD + 1):
            if (lines := _lines(grid, row)) > 1:
                sheet.set_row(line, min(lines, _MOST_LINES) * _LINE_HEIGHT)
            for at, (entry, heading) in enumerate(zip(row, grid.headings, strict=True)):
                if entry.link is not None and links < LINKS:
                    links += 1
                    sheet.write_url(line, at, entry.link, self._format(entry, wraps=False))
                else:
                    self._write(sheet, line, at, entry, wraps=heading.wraps)
        self._bars(sheet, grid)
        for number, chart in enumerate(grid.charts):
            self._chart(sheet, grid, chart, number)

    def _page(self, sheet: Any, grid: Grid) -> None:
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.set_margins(0.4, 0.4, 0.5, 0.5)
        sheet.repeat_rows(HEAD)
        sheet.set_footer("&L&A&R&P / &N")
        if grid.fits_page:
            sheet.fit_to_pages(1, 0)
        for at, heading in enumerate(grid.headings):
            sheet.set_column(at, at, heading.width)
        sheet.set_row(HEAD, 32)

    def _table(self, sheet: Any, grid: Grid) -> None:
        names = _headings(grid)
        forms = [self._heading(grid, at) for at in range(len(names))]
        last = len(names) - 1
        if not grid.rows:  # Excel knows no table without a row
            for at, name in enumerate(names):
                sheet.write_string(HEAD, at, name, forms[at])
            sheet.autofilter(HEAD, 0, HEAD, last)
            sheet.write_string(HEAD + 1, 0, spreadsheet(grid.empty), self._style(italic=True))
            return
        columns = [{"header": name, "header_format": form} for name, form in zip(names, forms, strict=True)]
        options = {"name": f"Table{grid.key}", "style": "Table Style Light 1", "columns": columns}
        sheet.add_table(HEAD, 0, HEAD + len(grid.rows), last, options)

    def _heading(self, grid: Grid, at: int) -> Any:
        """Above numbers it stands right, as they do."""
        numbers = any(isinstance(row[at].value, int | float) for row in grid.rows)
        style = {"align": "right"} if numbers else {"align": "left", "indent": 1}
        return self._style(bold=True, text_wrap=True, valign="top", bottom=2, **style)

    def _write(self, sheet: Any, line: int, at: int, entry: Entry, *, wraps: bool) -> None:
        if isinstance(entry.value, str):
            sheet.write_string(line, at, spreadsheet(entry.value), self._format(entry, wraps=wraps))
        elif entry.value is not None:
            sheet.write_number(line, at, entry.value, self._format(entry, wraps=False))

    def _format(self, entry: Entry, *, wraps: bool) -> Any:
        style: dict[str, Any] = {"valign": "top"}
        if not isinstance(entry.value, str):
            style["num_format"] = with_mark(entry.number, entry.mark)
        else:
            style |= {"align": "left", "indent": 1}
        if entry.mark:
            style["font_color"] = _INK[entry.mark[0]]
            style["italic"] = entry.mark != "M"
        if entry.tone in _TONES:
            style |= {"bg_color": _TONES[entry.tone], "font_color": "#000000"}
        if entry.link is not None:
            style["underline"] = 1
        if wraps:
            style["text_wrap"] = True
        return self._style(**style)

    def _style(self, **style: Any) -> Any:
        key = tuple(sorted(style.items()))
        if key not in self._formats:
            self._formats[key] = self._book.add_format(style)
        return self._formats[key]

    def _bars(self, sheet: Any, grid: Grid) -> None:
        bottom = HEAD + len(grid.rows)
        if grid.headroom is not None and grid.rows:
            column, most = grid.headroom.column, grid.headroom.most
            bar = {
                "type": "data_bar",
                "data_bar_2010": True,
                "bar_color": _BETTER,
                "bar_negative_color": _WORSE,
                "bar_solid": True,
                "bar_axis_position": "middle",
                "min_type": "num",
                "min_value": -most,
                "max_type": "num",
                "max_value": most,
            }
            sheet.conditional_format(HEAD + 1, column, bottom, column, bar)
        for shade in grid.shades:
            line = HEAD + 1 + shade.row
            sheet.conditional_format(line, shade.first, line, shade.last, _scale(shade))
        for one in grid.sparklines:
            line = HEAD + 1 + one.row
            area = f"{_quoted(grid.title)}!{_cell(line, one.first)}:{_cell(line, one.last)}"
            sheet.add_sparkline(
                line, one.at, {"range": area, "markers": True, "series_color": _SERIES[0], "weight": 1.5}
            )

    def _chart(self, sheet: Any, grid: Grid, chart: Chart, number: int) -> None:
        drawn = self._book.add_chart({"type": "column"})
        for place, bar in enumerate(chart.bars):
            line, colour = HEAD + 1 + bar.row, _SERIES[place % len(_SERIES)]
            pattern = _PATTERNS.get(bar.mark[:1])
            fill: dict[str, Any] = {"fill": {"color": colour}}
            if pattern:
                fill = {"pattern": {"pattern": pattern, "fg_color": colour, "bg_color": "#FFFFFF"}}
            series: dict[str, Any] = {
                "name": spreadsheet(bar.name),
                "categories": [grid.title, HEAD, chart.first, HEAD, chart.last],
                "values": [grid.title, line, chart.first, line, chart.last],
                "border": {"color": colour},
                "gap": 80,
                **fill,
            }
            if any(bar.up) or any(bar.down):
                series["y_error_bars"] = {"type": "custom", "plus_values": list(bar.up), "minus_values": list(bar.down)}
            drawn.add_series(series)
        drawn.set_title({"name": chart.title, "name_font": {"size": 12}, "overlay": False})
        drawn.set_y_axis(
            {"name": chart.axis, "min": 0, "major_gridlines": {"visible": True, "line": {"color": "#DDDDDD"}}}
        )
        drawn.set_legend({"position": "bottom"})
        drawn.set_size({"width": 900, "height": 380})
        line = HEAD + len(grid.rows) + 3 + number * _CHART_LINES
        sheet.insert_chart(line, 0, drawn, {"object_position": 3})


def with_mark(number: str, mark: str) -> str:
    """A number format with the origin's letters behind each of its parts."""
    return ";".join(f'{part}" {mark}"' for part in number.split(";")) if mark else number


def _headings(grid: Grid) -> list[str]:
    """Harmless, and no two alike, which Excel calls damaged; it does not tell capitals from small letters."""
    seen: set[str] = set()
    names = []
    for heading in grid.headings:
        text = name = spreadsheet(heading.text)[:_HEADING_LIMIT] or "?"
        again = 1
        while name.casefold() in seen:
            again += 1
            name = f"{text} ({again})"
        seen.add(name.casefold())
        names.append(name)
    return names


def _scale(shade: Shade) -> dict[str, Any]:
    low, high = (_WORSE, _BETTER) if shade.more_is_better else (_BETTER, _WORSE)
    return {
        "type": "3_color_scale",
        "min_type": "num",
        "mid_type": "num",
        "max_type": "num",
        "min_value": shade.middle * (1 - shade.span),
        "mid_value": shade.middle,
        "max_value": shade.middle * (1 + shade.span),
        "min_color": low,
        "mid_color": "#FFFFFF",
        "max_color": high,
    }


def _lines(grid: Grid, row: tuple[Entry, ...]) -> int:
    """How high a row has to be; LibreOffice and Excel do not agree on doing that themselves."""
    return max(
        (
            math.ceil(1.1 * _wide(entry.value) / (heading.width - 2))
            for entry, heading in zip(row, grid.headings, strict=True)
            if heading.wraps and isinstance(entry.value, str)
        ),
        default=1,
    )


def _wide(text: str) -> int:
    """Columns of a text: a Chinese character takes two."""
    return sum(2 if east_asian_width(one) in "WF" else 1 for one in text)


def _quoted(title: str) -> str:
    return f"'{title}'"


def _cell(line: int, column: int) -> str:
    return f"${xl_col_to_name(column)}${line + 1}"
