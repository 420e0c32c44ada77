// Enrolling by photographs: each is made smaller here, without what the camera wrote beside it, and told good or not.

import { csrf } from "./keys.js";

const LARGEST_SIDE_PX = 1600;
const JPEG_QUALITY = 0.92;

/** The photograph as a JPEG of at most so many pixels a side, in base64; one that is no picture goes as it is. */
async function smaller(file) {
  let blob = file;
  try {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, LARGEST_SIDE_PX / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
  } catch {
    // the product says that it is no picture
  }
  return base64(new Uint8Array(await blob.arrayBuffer()));
}

function base64(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return btoa(parts.join(""));
}

function line(kind, outcome, text) {
  const element = document.createElement(kind);
  element.dataset.outcome = outcome;
  element.textContent = text;
  return element;
}

/** Sends what one form says, and shows what became of it. */
function listen(form) {
  const [report, button, photos] = [form.querySelector("[data-report]"), form.querySelector("button"), form.elements.photos];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const files = [...photos.files].slice(0, Number(photos.dataset.most));
    const wanted = Object.fromEntries([...new FormData(form)].filter(([name]) => name !== "photos"));
    button.disabled = true;
    report.replaceChildren(line("p", "reading", form.dataset.reading));
    try {
      const body = JSON.stringify({ ...wanted, photos: await Promise.all(files.map(smaller)) });
      const headers = { "X-CSRF-Token": csrf, "Content-Type": "application/json", Accept: "application/json" };
      const answer = await fetch(form.dataset.enrol, { method: "POST", body, headers });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const found = await answer.json();
      const list = document.createElement("ol");
      list.append(
        ...found.photos.map((problems, place) =>
          line("li", problems.length ? "problem" : "good", `${files[place].name}: ${problems.join(" ") || form.dataset.good}`),
        ),
      );
      report.replaceChildren(line("p", found.is_kept ? "good" : "problem", found.told), list);
      if (found.is_kept) photos.value = "";
    } catch {
      report.replaceChildren(line("p", "problem", form.dataset.failed));
    }
    button.disabled = false;
  });
}

for (const form of document.querySelectorAll("[data-enrol]")) listen(form);
