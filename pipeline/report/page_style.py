"""Style and script of the report's page; both stand inside it, so it needs no network."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #5b6677; --line: #dfe4ea;
  --accent: #2563eb; --right: #15803d; --wrong: #b45309; --bar: #3b82f6; --best: #eaf1ff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0e131b; --card: #161d28; --ink: #e6ebf2; --soft: #9aa7b8; --line: #2a3443;
    --accent: #7aa7ff; --right: #4ade80; --wrong: #fdba74; --bar: #4f8ef7; --best: #1a2a47;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif;
}
main, header, footer { max-width: 1360px; margin: 0 auto; padding: 0 clamp(14px, 3vw, 32px); }
header { padding-top: 36px; }
h1 { font-size: clamp(1.5rem, 4.5vw, 2.2rem); line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 1.3rem; margin: 0 0 4px; }
h3 { font-size: 1.05rem; margin: 22px 0 6px; }
h4 { font-size: .95rem; margin: 0; color: var(--soft); }
figure h3 { font-size: 1rem; margin: 0 0 8px; }
p { margin: 6px 0 12px; max-width: 76ch; }
.soft, caption, figcaption { color: var(--soft); }
small, .small { font-size: .86rem; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 12px; background: var(--card); padding: 8px 12px; z-index: 2; }
nav ul {
  display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 0; margin: 14px 0;
}
section {
  background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: clamp(14px, 2.5vw, 26px); margin: 18px 0;
}
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px;
  margin: 14px 0 0;
}
.facts div { border-left: 3px solid var(--accent); padding-left: 10px; }
.facts dt { color: var(--soft); font-size: .86rem; }
.facts dd { margin: 0; font-size: 1.3rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.scroll th[scope=row] { position: sticky; left: 0; background: var(--card); }
caption { text-align: left; padding-bottom: 8px; }
th, td {
  text-align: left; padding: 8px 12px 8px 0; border-bottom: 1px solid var(--line);
  vertical-align: top;
}
thead th { font-size: .86rem; color: var(--soft); font-weight: 600; vertical-align: bottom; }
th button {
  all: unset; cursor: pointer; color: inherit; font: inherit;
}
th button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
th button::after { content: " \\2195"; opacity: .45; }
th[aria-sort=ascending] button::after { content: " \\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: " \\2193"; opacity: 1; }
td.number { white-space: nowrap; }
td.measured { font-weight: 650; }
td .interval { display: block; font-weight: 400; color: var(--soft); font-size: .82rem; }
th.published, td.published {
  border-left: 2px dashed var(--line); padding-left: 14px; color: var(--soft); font-style: italic;
  width: 9.5em;
}
tr.best { background: var(--best); }
tr.best th[scope=row] { background: var(--best); }
tr.best th { box-shadow: inset 3px 0 var(--accent); padding-left: 8px; }
label { font-weight: 600; }
select, input[type=search] {
  font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; padding: 7px 10px; width: min(100%, 280px);
}
select { max-width: 100%; }
.sort { display: none; }
.charts, .gallery { display: grid; gap: 22px; }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
figure { margin: 0; }
figure svg { width: 100%; height: auto; max-width: 620px; display: block; }
.bars { display: grid; gap: 7px; padding: 0; margin: 12px 0; list-style: none; }
.bars li {
  display: grid; grid-template-columns: minmax(0, 15em) 1fr 10.5em; gap: 10px; align-items: center;
}
.bars .track {
  background: var(--line); border-radius: 5px; height: 13px; overflow: hidden; position: relative;
}
.bars .mark { position: absolute; top: 0; width: 2px; height: 100%; background: var(--ink); }
.bars .fill { background: var(--bar); height: 100%; display: block; }
.bars .value { font-variant-numeric: tabular-nums; font-size: .9rem; }
.groups { display: grid; gap: 4px 40px; }
.groups { grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); }
.gallery { grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
.gallery img { width: 100%; height: auto; border-radius: 10px; display: block; }
.gallery ol { margin: 6px 0; padding-left: 1.4em; }
.right { color: var(--right); }
.wrong { color: var(--wrong); }
details summary { cursor: pointer; font-weight: 600; }
footer { color: var(--soft); padding-bottom: 40px; }
@media (min-width: 761px) {
  #ablation { min-width: 1080px; }
  #ablation td:nth-child(4) { min-width: 8.5em; }
}
@media (max-width: 760px) {
  .scroll caption { width: calc(100vw - 60px); position: sticky; left: 0; }
  #ablation, #ablation caption, #ablation tbody, #ablation tr, #ablation th, #ablation td {
    display: block;
  }
  #ablation thead { position: absolute; visibility: hidden; }
  .sort { display: block; }
  #ablation tr { border: 1px solid var(--line); border-radius: 10px; margin: 10px 0; }
  #ablation tr { padding: 6px 12px; }
  #ablation tr[hidden] { display: none; }
  #ablation th, #ablation td { border: 0; padding: 3px 0; width: auto; }
  #ablation tr.best th[scope=row] { background: var(--best); }
tr.best th { box-shadow: none; padding: 3px 0; }
  #ablation td { display: grid; grid-template-columns: minmax(0, 9.5em) 1fr; gap: 0 10px; }
  #ablation td::before { content: attr(data-label); color: var(--soft); font-size: .82rem; }
  #ablation td::before { white-space: normal; font-weight: 400; }
  #ablation td.published { border-top: 2px dashed var(--line); margin-top: 4px; padding-top: 6px; }
}
@media (max-width: 560px) {
  body { font-size: 15px; }
  section table { font-size: .9rem; }
  .scroll th, .scroll td { padding-right: 8px; }
  #coverage details td:last-child { min-width: 11em; }
  .bars li { grid-template-columns: 1fr auto; gap: 2px 10px; }
  .bars .track { grid-column: 1 / -1; grid-row: 2; }
}
"""

SCRIPT = """
const table = document.getElementById("ablation");
const body = table.tBodies[0];
const compare = (a, b) => {  // as numbers where both are
  const [x, y] = [a, b].map((cell) => cell.dataset.sort ?? cell.textContent);
  return x - y || (isNaN(x - y) ? x.localeCompare(y, "en", {numeric: true}) : 0);
};
const heads = [...table.tHead.rows[0].cells];
const built = [...body.rows];
const sortBy = (place, up) => {
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[place].setAttribute("aria-sort", up ? "ascending" : "descending");
  const sign = up ? 1 : -1;  // equal rows keep the order of the study either way
  body.append(...[...built].sort((a, b) => sign * compare(a.cells[place], b.cells[place])));
};
for (const [place, head] of heads.entries()) {
  head.querySelector("button").addEventListener("click", () => {
    sortBy(place, head.getAttribute("aria-sort") !== "ascending");
  });
}
const sort = document.getElementById("sort");  // a phone shows no headings to press
sort.addEventListener("change", () => {
  if (sort.value === "") body.append(...built);
  else sortBy(+sort.value, !built[0].cells[sort.value].dataset.sort);  // numbers: best first
});
const filter = document.getElementById("filter");
const count = document.getElementById("shown");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\\s+/);
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const shown = [...body.rows].filter((row) => !row.hidden).length;
  count.textContent = `${shown} of ${body.rows.length} variants`;
});
"""
