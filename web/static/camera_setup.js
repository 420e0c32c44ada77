// Setting a camera up: the button that tries it, and the picture that comes of it under the counter zone.

import { csrf } from "./keys.js";
import { zoneEditor } from "./zone.js";

const zone = zoneEditor();

async function tried(action, form) {
  const body = new FormData(form);
  body.delete("zone");
  const answer = await fetch(action, { method: "POST", body, headers: { "X-CSRF-Token": csrf, Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${action}: ${answer.status}`);
  return answer.json();
}

function say(place, outcome, text) {
  place.dataset.outcome = outcome;
  place.textContent = text;
}

for (const part of document.querySelectorAll("[data-try]")) {
  const [button, said, form] = [part.querySelector("button"), part.querySelector("[data-try-said]"), part.closest("form")];
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(said, "trying", said.dataset.trying);
    try {
      const found = await tried(part.dataset.try, form);
      if (found.picture) await zone?.show(Uint8Array.from(atob(found.picture), (letter) => letter.charCodeAt(0)));
      say(said, found.picture ? "picture" : "problem", found.told);
    } catch {
      say(said, "problem", said.dataset.failed);
    }
    button.disabled = false;
  });
}
