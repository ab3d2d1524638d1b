"""The brush: a canvas on the page, on which a visitor marks who is the person."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

TEMPLATE = """
<div class="brush">
  <div class="tools">
    <button type="button" data-do="add" aria-pressed="true">Add</button>
    <button type="button" data-do="erase" aria-pressed="false">Erase</button>
    <label>Brush <input type="range" min="1" max="20" value="6" aria-label="Size of the brush"></label>
    <button type="button" data-do="undo">Undo</button>
    <button type="button" data-do="clear">Clear</button>
  </div>
  <canvas width="480" height="640" aria-label="The photo: what is bright will be used"></canvas>
  <button type="button" data-do="use" class="use">Use this</button>
</div>
"""

CSS = """
.brush { display: grid; gap: 10px; }
.brush .tools { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.brush button { padding: 7px 14px; border-radius: 999px; border: 1px solid var(--border-color-primary);
  background: var(--background-fill-primary); color: var(--body-text-color); font-size: 14px; cursor: pointer; }
.brush button:hover { border-color: var(--primary-400); }
.brush button:focus-visible { outline: 2px solid var(--primary-500); outline-offset: 2px; }
.brush button[aria-pressed="true"], .brush .use { background: var(--primary-600); border-color: var(--primary-600);
  color: white; }
.brush label { display: flex; align-items: center; gap: 8px; font-size: 14px; flex: 1 1 130px; margin: 0; }
.brush input { flex: 1; min-width: 60px; accent-color: var(--primary-500); }
.brush canvas { display: block; max-width: 100%; max-height: 62vh; margin: 0 auto; border-radius: 10px;
  touch-action: none; cursor: crosshair; }
.brush .use { justify-self: start; font-weight: 600; padding: 9px 20px; }
@media (max-width: 640px) { .brush label { order: 1; flex-basis: 100%; } }
"""


def brush() -> gr.HTML:
    """The canvas.

    Its value is what `nopo.demo.shots.canvas` gives; its event `submit` carries the drawing as `mask`.
    """
    script = Path(__file__).with_name("brush.js").read_text("utf-8")
    return gr.HTML(
        html_template=TEMPLATE, css_template=CSS, js_on_load=script, apply_default_css=False, elem_id="brush"
    )
