// One alert's page: its parts follow what happens, without touching what is being written in the form.

import { showStill, startClips } from "./clip.js";
import { onReview, sendReview } from "./keys.js";
import { partsOf } from "./parts.js";
import { openStream } from "./stream.js";

const words = JSON.parse(document.body.dataset.words);
const { alert } = document.body.dataset;
const live = document.getElementById("live");
const LOOK_AGAIN_MS = { coming: 5_000, late: 5_000, making: 2_000, slow: 5_000 };
let after = Number(document.body.dataset.after);

/**
 * The picture gives way to one that shows more: a still, a clip, how long it is awaited, or that there is none. A clip
 * that is there plays on; one of another camera that has come since stands below it.
 */
function showMore(fresh) {
  const figure = document.querySelector(".shot-panel");
  const picture = fresh.querySelector(".shot-panel");
  const gains = (what) => !figure.querySelector(what) && picture.querySelector(what);
  const awaited = (where) => where.querySelector("[data-coming]")?.dataset.coming;
  const [said, says] = [figure, picture].map((where) => where.querySelector(".no-clip"));
  if (gains("img") || gains("video")) {
    figure.replaceWith(picture);
  } else if (figure.querySelector(".player")) {
    addPlayers(figure, picture);
  } else if (awaited(figure) !== awaited(picture)) {
    if (said && says) said.replaceWith(says); // the picture is not fetched again: each time is on record
    else figure.replaceWith(picture);
  }
  startClips();
}

function addPlayers(figure, picture) {
  const films = new Set([...figure.querySelectorAll("video")].map((film) => film.getAttribute("src")));
  for (const player of picture.querySelectorAll(".player")) {
    if (films.has(player.querySelector("video").getAttribute("src"))) continue;
    [...figure.querySelectorAll(".player")].at(-1).after(player);
  }
  if (!picture.querySelector("[data-coming]")) figure.querySelector("[data-coming]")?.remove();
}

const follow = partsOf(showMore);

/** While a clip is still on its way, the page looks again. */
function lookForClip() {
  const awaited = document.querySelector("[data-coming]");
  if (!awaited) return;
  setTimeout(async () => {
    await follow();
    lookForClip();
  }, LOOK_AGAIN_MS[awaited.dataset.coming]);
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
