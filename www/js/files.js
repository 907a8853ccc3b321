// Asks the server about each file in the table (a HEAD request) and writes down the answer.

import { size } from "./units.js";

async function describe(row) {
  const [, , type, length] = row.cells;
  const address = row.querySelector("a").href;
  try {
    const response = await fetch(address, { method: "HEAD", cache: "no-store" });
    type.textContent = response.headers.get("Content-Type") ?? "–";
    length.textContent = size(Number(response.headers.get("Content-Length")));
    row.dataset.status = response.status;
  } catch {
    type.textContent = "no answer";
  }
}

document.querySelectorAll("#files tbody tr").forEach(describe);
