"""The picture of a recording as a page: the sound plays, and a line shows where."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from htsat.pictures.canvas import FAINT, HUES, INK
from htsat.pictures.recording import Heard, RowPlace, draw_recording
from htsat.pictures.rows import clock, exact_clock
from htsat.reports.page import data_address, text, write_page
from htsat.reports.parts import Part, open_part
from htsat.reports.small_audio import KIND, encoded
from htsat.scores import SoundEvent

_MAX_EMBEDDED_S = 600.0
"""Of sound inside the page: about 5 MB."""
_MAX_LISTED = 2000

_THEMED = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    "#dee2e6": "var(--line)",
    "#ffffff": "var(--paper)",
    HUES[0]: "var(--heard)",
    HUES[1]: "var(--wrong)",
    HUES[2]: "var(--true)",
}
"""The colours of pictures, which in a page follow its light or dark look."""

_LOOK = """
#picture { position: relative; cursor: crosshair; }
#picture svg { width: 100%; height: auto; display: block; }
#now { position: absolute; width: 2px; background: var(--wrong); pointer-events: none; display: none; }
#player { position: sticky; top: 0; z-index: 1; background: var(--paper); padding: .5rem 0; }
ol { columns: 20rem; padding: 0; list-style: none; font-size: .87rem; margin: .6rem 0; }
li { break-inside: avoid; }
li button { all: unset; cursor: pointer; padding: .1rem .35rem; border-radius: 4px;
  width: 100%; box-sizing: border-box; font-variant-numeric: tabular-nums; }
li button:hover, li button:focus-visible { background: var(--panel); outline: 1px solid var(--line); }
li b { font-weight: 600; } li span { color: var(--faint); }
"""

_SCRIPT = """
const sound = document.getElementById('sound'), picture = document.getElementById('picture');
const now = document.getElementById('now'), rows = JSON.parse(picture.dataset.rows);
const begins = Number(picture.dataset.begins);
let stop = Infinity;
function show() {
  const time = sound.currentTime + begins;
  if (time >= stop) { sound.pause(); stop = Infinity; }
  const row = rows.find(r => time >= r[0] && time < r[1]);
  if (!row) now.style.display = 'none';
  else place(row, (time - row[0]) / row[6]);
  if (!sound.paused) requestAnimationFrame(show);
}
function place(row, share) {
  now.style.left = 100 * (row[2] + share * (row[3] - row[2])) + '%';
  now.style.top = 100 * row[4] + '%'; now.style.height = 100 * (row[5] - row[4]) + '%';
  now.style.display = 'block';
}
function play(from, to) {
  stop = to; sound.currentTime = Math.max(0, from - begins); sound.play().catch(() => {});
}
sound.addEventListener('play', show); sound.addEventListener('seeked', show);
sound.addEventListener('error', () => { document.getElementById('unplayable').hidden = false; });
sound.addEventListener('pause', () => { stop = Infinity; });
picture.addEventListener('click', event => {
  const box = picture.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
  const row = rows.find(r => y >= r[4] && y <= r[5] && x >= r[2] && x <= r[3]);
  if (row) play(row[0] + (x - row[2]) / (row[3] - row[2]) * row[6], Infinity);
});
document.querySelectorAll('button[data-onset]').forEach(button => button.addEventListener('click',
  () => play(Number(button.dataset.onset), Number(button.dataset.offset))));
"""


def write_plot_page(path: Path, recording: Path, heard: Heard, shows_scores: bool | None = None) -> None:
    """Write a page with the picture of a recording, its sound and its events.

    Up to 10 minutes of sound are inside the page, as MP3; a longer recording is a link, relative to the page.

    Raises:
        AudioError: when the sound cannot be read.
        MissingExtraError: when matplotlib is not installed.
    """
    drawing, rows = _drawing(heard, shows_scores)
    address, begins_s, about = _sound(path, recording, heard)
    places = ",".join(_place(row, rows[0].span.length_s) for row in rows)
    body = f"""<h1>{text(recording.name)}</h1>
<p class="note">{about} A click into the picture plays from there, one on an event plays the event.</p>
<div id="player"><audio id="sound" controls preload="metadata" src="{address}"></audio>
<p id="unplayable" hidden>The browser cannot play {text(recording.name)}, or does not find it.</p></div>
<div id="picture" data-begins="{begins_s:.4f}" data-rows="[{places}]">{drawing}<div id="now"></div></div>
<h2>Events</h2>
{_listed(heard.events.heard)}
<script>{_SCRIPT}</script>"""
    write_page(path, recording.name, _LOOK, body)


def _drawing(heard: Heard, shows_scores: bool | None) -> tuple[str, list[RowPlace]]:
    """The picture as SVG in the colours of the page, and where its rows lie."""
    with tempfile.TemporaryDirectory(prefix="htsat-") as folder:
        path = Path(folder) / "picture.svg"
        rows = draw_recording(path, "", heard, shows_scores)
        drawing = path.read_text(encoding="utf-8")
    for colour, themed in _THEMED.items():
        drawing = drawing.replace(f": {colour}", f": {themed}")
    return drawing[drawing.index("<svg") :], rows


def _place(row: RowPlace, row_s: float) -> str:
    """A row as the script takes it: its times, its place, and the time that its width stands for."""
    numbers = (*row.span, row.left, row.right, row.top, row.bottom, row_s)
    return f"[{','.join(f'{number:.5f}' for number in numbers)}]"


def _sound(page: Path, recording: Path, heard: Heard) -> tuple[str, float, str]:
    """Where the page finds the sound, at what time of the recording that begins, and what to say about it."""
    duration_s = heard.sound.duration_s
    length = f"{clock(duration_s)} from {clock(heard.start_s)}" if heard.start_s else clock(duration_s)
    if duration_s <= _MAX_EMBEDDED_S:
        with open_part(recording, Part(heard.start_s, heard.start_s + duration_s)) as part:
            content = encoded(part.blocks, part.sample_rate)
        return data_address(content, KIND), heard.start_s, f"{length}; the sound is in this page."
    relative = os.path.relpath(recording.absolute(), page.absolute().parent)
    address = quote(os.fsencode(Path(relative).as_posix()))
    return address, 0.0, f"{length}; the sound is not in this page, but beside it: {text(relative)}."


def _listed(events: Sequence[SoundEvent]) -> str:
    if not events:
        return "<p>Nothing is heard.</p>"
    rows = "\n".join(
        f'<li><button data-onset="{event.onset_s:.3f}" data-offset="{event.offset_s:.3f}">'
        f"<span>{exact_clock(event.onset_s)}–{exact_clock(event.offset_s)}</span> <b>{text(event.label)}</b> "
        f"<span>{event.probability:.2f}</span></button></li>"
        for event in events[:_MAX_LISTED]
    )
    n_more = len(events) - _MAX_LISTED
    more = f'<p class="note">and {n_more:,} more, which the picture shows</p>' if n_more > 0 else ""
    return f"<ol>{rows}</ol>{more}"
