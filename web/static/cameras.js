// Cameras as they are: states and pictures follow, without touching what somebody is setting up.

import { partsOf } from "./parts.js";

const LOOK_EVERY_MS = 3_000;
const follow = partsOf();

setInterval(() => {
  if (!document.hidden) follow();
}, LOOK_EVERY_MS);
