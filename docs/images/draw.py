#!/usr/bin/env python3
"""Draws the pictures of the documentation: `docs/images/draw.py` writes the SVG files beside it."""

from pathlib import Path
from xml.sax.saxutils import escape

INK, SOFT, PAPER = "#1f2933", "#52606d", "#ffffff"
BLUE, GREEN, AMBER, GREY = "#dbeafe", "#dcfce7", "#fef3c7", "#f1f5f9"


class Picture:
    """An SVG on paper of its own, so that it is legible on light and dark pages."""

    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" font-family="system-ui, sans-serif" font-size="14">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0 L10 5 L0 10 z" fill="{SOFT}"/></marker></defs>',
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="{PAPER}" stroke="#cbd2d9"/>',
        ]

    def box(self, x, y, width, height, fill, *lines):
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{SOFT}"/>')
        top = y + height / 2 - (len(lines) - 1) * 9 + 5
        for number, line in enumerate(lines):
            self.text(x + width / 2, top + 18 * number, line, size=14 if number == 0 else 12,
                      color=INK if number == 0 else SOFT, anchor="middle")

    def text(self, x, y, text, size=13, color=INK, anchor="start", mono=False):
        font = ' font-family="ui-monospace, monospace"' if mono else ""
        self.parts.append(
            f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{font} '
            f'xml:space="preserve">{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, tip=True, dashed=False, color=SOFT, width=1.5):
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        end = ' marker-end="url(#tip)"' if tip else ""
        self.parts.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="{width}"{dash}{end}/>')

    def dot(self, x, y, color):
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="7" fill="{color}" stroke="{INK}"/>')

    def write(self, name):
        path = Path(__file__).parent / name
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n", encoding="utf-8")


def job():
    """A query as a running job."""
    picture = Picture(860, 300, "A query and the job that runs it: source, exchange by key, window aggregate with state, sink")
    for number, line in enumerate([
        "INSERT INTO revenue", "SELECT item, window_end, SUM(price)", "FROM TUMBLE(TABLE orders, …, 1 MINUTE)",
        "GROUP BY item, window_start, window_end",
    ]):
        picture.text(24, 34 + 18 * number, line, mono=True)
    for y in (120, 190):
        picture.box(24, y, 130, 50, BLUE, "source", "orders")
        picture.box(330, y, 200, 50, GREEN, "window aggregate", "state: sum per item and window")
        picture.box(690, y, 140, 50, BLUE, "sink", "revenue")
        picture.line(530, y + 25, 688, y + 25)
        for other in (120, 190):
            picture.line(154, y + 25, 328, other + 25)
    picture.text(242, 112, "exchange by item", 12, SOFT, "middle")
    picture.text(609, 138, "closed windows", 12, SOFT, "middle")
    for x in (89, 430, 760):
        picture.line(x, 242, x, 262, dashed=True)
    picture.box(24, 264, 806, 26, AMBER, "object storage: every checkpoint holds positions, state and finished files of the same instant")
    picture.text(836, 34, "two slots: each runs one row of subtasks", 12, SOFT, "end")
    picture.write("job.svg")


def event_time():
    """Rows, windows and the watermark."""
    picture = Picture(860, 250, "Rows arrive out of order; a window closes when the watermark passes its end")
    x = lambda second: 40 + second * 25
    for start, end, fill in ((0, 10, BLUE), (10, 20, GREEN), (20, 29, GREY)):
        picture.parts.append(
            f'<rect x="{x(start)}" y="60" width="{(end - start) * 25 - 4}" height="90" rx="6" fill="{fill}"/>')
    picture.text(x(5), 54, "window 12:00:00 – 12:00:10", 12, SOFT, "middle")
    picture.text(x(15), 54, "window 12:00:10 – 12:00:20", 12, SOFT, "middle")
    picture.text(x(24.5), 54, "window 12:00:20 – 12:00:30", 12, SOFT, "middle")
    for order, (second, color) in enumerate(
            [(2, "#3b82f6"), (6, "#3b82f6"), (12, "#22c55e"), (8, "#3b82f6"), (17, "#22c55e"), (14, "#22c55e"), (22, "#94a3b8")]):
        picture.dot(x(second), 80 + 24 * (order % 3), color)
        picture.text(x(second), 84 + 24 * (order % 3), str(order + 1), 10, "#ffffff", "middle")
    picture.line(x(0), 165, x(30), 165)
    picture.text(x(30) + 40, 155, "event time", 12, SOFT, "end")
    picture.text(x(17.3), 198, "watermark 12:00:17", 13)
    picture.text(x(17.3), 214, "highest timestamp 12:00:22 − 5 s", 12, SOFT)
    picture.line(x(17), 200, x(17), 152, color="#dc2626", width=2)
    picture.text(x(0), 206, "numbers: order of arrival", 12, SOFT)
    picture.text(x(0), 234, "The first window is closed and emitted. The second stays open until the watermark reaches 12:00:20.", 12, SOFT)
    picture.write("event-time.svg")


def cluster():
    """The processes of a cluster."""
    picture = Picture(860, 320, "Client, JobManager, TaskManagers with slots, and object storage")
    picture.box(24, 40, 130, 56, GREY, "client", "sluice run, kubectl")
    picture.box(330, 40, 200, 56, AMBER, "JobManager", "plans slots, triggers checkpoints")
    picture.line(154, 68, 328, 68)
    picture.text(241, 60, "REST", 12, SOFT, "middle")
    for number, left in enumerate((150, 450)):
        picture.parts.append(
            f'<rect x="{left}" y="150" width="260" height="84" rx="6" fill="{GREY}" stroke="{SOFT}"/>')
        picture.text(left + 130, 170, f"TaskManager {number + 1}", 14, INK, "middle")
        for slot in range(2):
            picture.box(left + 16 + 118 * slot, 180, 110, 44, GREEN, f"slot {2 * number + slot + 1}", "all operators")
        picture.line(430, 96, left + 130, 148)
    picture.line(410, 202, 448, 202, dashed=True)
    picture.text(430, 248, "rows", 12, SOFT, "middle")
    picture.box(24, 270, 806, 34, AMBER, "object storage or a shared folder: checkpoints, savepoints, the pointer of each job")
    picture.line(280, 234, 280, 268, dashed=True)
    picture.line(580, 234, 580, 268, dashed=True)
    picture.parts.append(f'<path d="M530 68 H770 V268" fill="none" stroke="{SOFT}" stroke-width="1.5" stroke-dasharray="5 4" marker-end="url(#tip)"/>')
    picture.text(776, 130, "pointer", 12, SOFT)
    picture.write("cluster.svg")


if __name__ == "__main__":
    job()
    event_time()
    cluster()
