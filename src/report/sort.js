"use strict";
for (const table of document.querySelectorAll("figure.sweep-table table")) {
  const body = table.tBodies[0], heads = table.tHead ? [...table.tHead.rows] : [];
  const first = heads.length > 1 ? [...heads[0].cells].filter(cell => cell.rowSpan > 1) : [];
  const columns = heads.length > 1 ? first.concat([...heads[heads.length - 1].cells]) : heads.flatMap(row => [...row.cells]);
  if (!body || heads.length > 2) continue;
  columns.forEach((head, place) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.title = "sort";
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      columns.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
      const key = row => row.cells[place] && row.cells[place].dataset.sort;
      const rows = [...body.rows].map(row => [key(row), row]);
      rows.sort(([a], [b]) => {
        if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
        return down * (a === "" || b === "" || isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
      });
      rows.forEach(([, row]) => body.append(row));
    });
  });
}
