// The list: fields left empty stay out of the address, and rows are reviewed where they stand.

import { onReview, sendReview } from "./keys.js";

const search = document.getElementById("search");
let last = null;

search.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) {
    if (!value.trim()) formData.delete(name);
  }
});
for (const choice of search.querySelectorAll("select, [type=checkbox]")) {
  choice.addEventListener("change", () => search.requestSubmit());
}

async function review(row) {
  const tick = row.querySelector("[data-review]");
  const isReviewed = tick.getAttribute("aria-pressed") === "true";
  if (!(await sendReview(row.dataset.alert, isReviewed))) return;
  tick.setAttribute("aria-pressed", String(!isReviewed));
  last = row;
}

for (const tick of document.querySelectorAll("[data-review]")) {
  tick.addEventListener("click", () => review(tick.closest("[data-item]")));
}
onReview({ review, undo: () => last && review(last) });
