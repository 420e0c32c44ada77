// One alert's page: its parts follow what happens, without touching what is being written in the form.

import { showStill, startClips } from "./clip.js";
import { onReview, sendReview } from "./keys.js";
import { partsOf } from "./parts.js";
import { openStream } from "./stream.js";

const words = JSON.parse(document.body.dataset.words);
const { alert } = document.body.dataset;
const live = document.getElementById("live");
const CLIP_WITHIN_MS = 5_000;
let after = Number(document.body.dataset.after);

/** The picture gives way to one that shows more: a still, a clip, how long it is awaited, or that there is none; else it plays on. */
function showMore(fresh) {
  const figure = document.querySelector(".shot-panel");
  const picture = fresh.querySelector(".shot-panel");
  const gains = (what) => !figure.querySelector(what) && picture.querySelector(what);
  const awaited = (where) => where.querySelector("[data-coming]")?.dataset.coming;
  if (!gains("img") && !gains("video") && awaited(figure) === awaited(picture)) return;
  figure.replaceWith(picture);
  startClips();
}

const follow = partsOf(showMore);

/** While the clip is still on its way, the page looks again. */
function lookForClip() {
  if (!document.querySelector("[data-coming]")) return;
  setTimeout(async () => {
    await follow();
    lookForClip();
  }, CLIP_WITHIN_MS);
}

lookForClip();

const tick = document.querySelector("[data-review]");

async function review() {
  const isReviewed = tick.getAttribute("aria-pressed") === "true";
  if (await sendReview(alert, isReviewed)) tick.setAttribute("aria-pressed", String(!isReviewed));
}

tick.addEventListener("click", review);
onReview({ review, undo: review });

for (const button of document.querySelectorAll("[data-still]")) {
  button.addEventListener("click", () => {
    const still = document.getElementById("still");
    const blurred = still.getAttribute("src").endsWith("/blurred");
    const { still: id } = button.dataset;
    still.src = blurred ? `/stills/${id}/blurred` : `/stills/${id}?alert_id=${encodeURIComponent(alert)}`;
    for (const other of document.querySelectorAll("[data-still]")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    showStill(Number(button.dataset.at));
  });
}

const shown = document.querySelector("[data-still][aria-current]");
if (shown) document.querySelector(".strip").scrollLeft = shown.offsetLeft - shown.offsetWidth;

openStream({
  address: () => `/stream?after=${after}&alert_id=${encodeURIComponent(alert)}`,
  probe: () => "/unreviewed",
  on: {
    alert(_, id) {
      after = Math.max(after, id);
      follow();
    },
  },
  state(state) {
    live.dataset.live = state;
    live.textContent = words[`live.${state}`];
  },
  refused: () => location.reload(),
});
