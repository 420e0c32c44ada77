// One face with many cards: the page follows what happens; its faces are sharp once somebody asks to see them.

import { refreshAges } from "./ages.js";
import { partsOf } from "./parts.js";
import { openStream } from "./stream.js";

const words = JSON.parse(document.body.dataset.words);
const { visitor } = document.body.dataset;
const live = document.getElementById("live");
const show = document.getElementById("show-faces");
let after = Number(document.body.dataset.after);
let sharp = false;

/** Each picture is asked for once: what is seen is on record, once a picture. */
const seen = new Map();

function sharpen() {
  for (const image of document.querySelectorAll("img[data-still]")) {
    const { still } = image.dataset;
    const before = seen.get(still);
    if (before === image) continue;
    if (before) {
      image.replaceWith(before);
      continue;
    }
    image.src = `/visitors/${encodeURIComponent(visitor)}/stills/${still}`;
    image.alt = words["visitor_faces.one"];
    seen.set(still, image);
  }
}

function toEnd() {
  const strip = document.querySelector(".steps-scroll");
  if (strip) strip.scrollLeft = strip.scrollWidth;
}

let steps = document.querySelectorAll(".step").length;

const follow = partsOf(() => {
  if (sharp) sharpen();
  refreshAges(document, words);
  const now = document.querySelectorAll(".step").length;
  if (now > steps) toEnd();
  steps = now;
});

show?.addEventListener("click", () => {
  sharp = true;
  show.disabled = true;
  show.textContent = words["visitor_faces.shown"];
  sharpen();
});

openStream({
  address: () => `/stream?after=${after}&visitor_id=${encodeURIComponent(visitor)}`,
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

toEnd();
refreshAges(document, words);
setInterval(() => refreshAges(document, words), 5_000);
