// Cameras that cannot be believed for a while, on an open wall.

import { nameOf, part } from "./dark.js";

const MOST_SHOWN = 12;

function item({ institution_id, till_id, illness }, words) {
  const element = document.createElement("li");
  const time = document.createElement("time");
  element.dataset.camera = illness.camera_id;
  element.dataset.state = illness.state;
  time.dataset.age = illness.since_ms;
  const state = words[`camera.${illness.state}`] || illness.state;
  element.append(part("b", nameOf({ institution_id, till_id })), " · ", part("span", state), " · ", part("span", words["ill_camera.since"]), " ", time);
  if (illness.still_id) {
    const picture = part("a", words["ill_camera.picture"]);
    picture.href = `/stills/${illness.still_id}/blurred`;
    element.append(" · ", picture);
  }
  return element;
}

export function showIllCameras(cameras, words) {
  const section = document.getElementById("ill-cameras");
  const shown = [...section.querySelectorAll("[data-camera]")].map(({ dataset }) => `${dataset.camera} ${dataset.state}`);
  const wanted = cameras.slice(0, MOST_SHOWN);
  section.hidden = cameras.length === 0;
  const told = wanted.map(({ illness }) => `${illness.camera_id} ${illness.state}`);
  if (told.join("\n") === shown.join("\n") && wanted.length === cameras.length) return;
  const items = wanted.map((one) => item(one, words));
  if (cameras.length > MOST_SHOWN) items.push(part("li", words["ill_camera.more"].replace("{count}", cameras.length - MOST_SHOWN)));
  section.querySelector("ul").replaceChildren(...items);
}
