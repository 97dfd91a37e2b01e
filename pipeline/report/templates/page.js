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
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const shown = [...body.rows].filter((row) => !row.hidden).length;
  count.textContent = `${shown} of ${body.rows.length} variants`;
});
