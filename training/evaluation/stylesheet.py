"""The report's CSS: dark and light, screen and paper, Latin and Japanese."""

CSS = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --card: #f5f7f9;
  --bad: #a8341c; --bad-back: #fdeae5; --good: #0b5a85; --good-back: #e3f1fa; --warn-back: #fff4d6; --allow: #0072B2;
  --escalate: #E69F00; --refuse: #D55E00; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e7eaee; --soft: #a3adb8; --line: #353c45;
  --card: #1d2228; --bad: #ff9b80; --bad-back: #43201a; --good: #85c8f2; --good-back: #12303f; --warn-back: #40340f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", "Hiragino Sans", "Yu Gothic UI", Meiryo, "Noto Sans CJK JP", "Noto Sans JP",
  sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .7rem; padding-bottom: .25rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .4rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--good); }
nav a { margin-right: 1rem; white-space: nowrap; }
.soft, figcaption { color: var(--soft); font-size: .88em; }
.sum { font-size: 1.1rem; }
.notice { background: var(--warn-back); border-left: 4px solid #E69F00; padding: .5rem .8rem; max-width: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; width: 100%; }
caption { text-align: left; font-weight: 600; padding: 1.2rem 0 .3rem; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: normal; }
td { white-space: nowrap; }
th .soft { font-weight: 400; font-size: .92em; }
th { font-weight: 600; font-size: .85rem; vertical-align: bottom; }
tbody th { font-size: inherit; vertical-align: top; }
th:first-child { text-align: left; }
td small { display: block; color: var(--soft); }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1.2rem; margin: .6rem 0; }
dt { color: var(--soft); }
dd { margin: 0; font-variant-ligatures: none; }
pre { margin: .5rem 0; padding: .7rem .9rem; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; max-height: 24rem; overflow: auto; unicode-bidi: plaintext;
  font: 13.5px/1.55 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK JP",
  "MS Gothic", "Hiragino Sans", "Noto Sans CJK JP", monospace; }
.plots { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; padding: .5rem;
  border: 1px solid var(--line); border-radius: 6px; }
article { border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; margin: .9rem 0; }
article header { display: flex; flex-wrap: wrap; gap: .2rem .9rem; align-items: baseline; }
.badge { font-weight: 600; padding: .05rem .5rem; border-radius: 4px; background: var(--good-back); color: var(--good);
  white-space: nowrap; }
.badge.wrong { background: var(--bad-back); color: var(--bad); }
.bar { display: flex; height: .55rem; border-radius: 3px; overflow: hidden; margin: .5rem 0 .1rem;
  background: var(--line); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bar i { display: block; }
.key { display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin: 0 .25em 0 .7em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.key:first-child { margin-left: 0; }
.allow { background: var(--allow); } .escalate { background: var(--escalate); } .refuse { background: var(--refuse); }
@media print { :root { color-scheme: light; --page: #fff; --ink: #000; --soft: #444; --line: #bbb; --card: #f7f7f7;
  --bad: #8a2a16; --bad-back: #fff; --good: #0b4a6e; --good-back: #fff; --warn-back: #fff; }
  body { max-width: none; padding: 0; font-size: 10.5pt; } nav { display: none; }
  pre { max-height: none; font-size: 9pt; }
  h2, h3, caption { break-after: avoid; } figure, article, tr { break-inside: avoid; } .scroll { overflow: visible; }
  .plots { display: block; } figure { margin-bottom: 1rem; } figure img { max-width: 78%; }
  table { font-size: 8.5pt; } th, td { padding: .2rem .3rem; } .badge { border: 1px solid; }
  details::details-content { content-visibility: visible; block-size: auto; } }
"""
