// The keyboard of the centre: from alert to alert, search, and the list of keys.
//
// Each alert is a `data-item` with a link in it. What is written in a field is never taken for a key.

const GO = { w: "/", a: "/alerts" };
const GO_WITHIN_MS = 1_500;

export const csrf = document.body.dataset.csrf;

function shownItems() {
  return [...document.querySelectorAll("[data-item]")].filter((item) => item.checkVisibility());
}

export function currentItem() {
  return document.activeElement?.closest("[data-item]") ?? null;
}

export function focusItem(item) {
  item?.querySelector("a")?.focus();
  item?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

export function step(by) {
  const items = shownItems();
  if (!items.length) return;
  const at = items.indexOf(currentItem());
  focusItem(items[at < 0 ? 0 : Math.min(items.length - 1, Math.max(0, at + by))]);
}

/** Says to the product that this person has reviewed the alert, or not; returns whether it is on record. */
export async function sendReview(alert, undo = false) {
  try {
    const answer = await fetch(`/alerts/${encodeURIComponent(alert)}/${undo ? "unreview" : "review"}`, {
      method: "POST",
      headers: { "X-CSRF-Token": csrf },
    });
    return answer.ok;
  } catch {
    return false;
  }
}

const ours = {};

/** From now on R and U do this on the page: review(item) and undo(). */
export function onReview({ review, undo }) {
  Object.assign(ours, { review, undo });
}

const help = document.getElementById("keys");
let wentAt = 0;

const does = {
  j: () => step(1),
  k: () => step(-1),
  r() {
    const item = currentItem() ?? shownItems()[0];
    if (item) ours.review?.(item);
  },
  u: () => ours.undo?.(),
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": () => help.showModal(),
  g() {
    wentAt = Date.now();
  },
};
// Arrows scroll a page unless somebody stands on an alert: sideways in the filmstrip, up and down in a list.
const arrows = { ArrowRight: ["x", 1], ArrowLeft: ["x", -1], ArrowDown: ["y", 1], ArrowUp: ["y", -1] };

function moved(key) {
  const way = currentItem()?.closest("[data-rows]") ? "y" : "x";
  const [along, by] = arrows[key] ?? [];
  if (!currentItem() || along !== way) return false;
  step(by);
  return true;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || help.open) return;
  if (event.target.closest("input, select, textarea, video")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (Date.now() - wentAt < GO_WITHIN_MS && GO[key]) {
    location.assign(GO[key]);
  } else if (does[key]) {
    does[key]();
    event.preventDefault();
  } else if (moved(key)) {
    event.preventDefault();
  }
});
help.querySelector("[data-close]").addEventListener("click", () => help.close());
for (const button of document.querySelectorAll("[data-show-keys]")) {
  button.addEventListener("click", () => help.showModal());
}
