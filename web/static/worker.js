// Keeps the terminal's page at hand: while the line is down a reload shows it, with what the browser remembers.

const STORE = "swipewatch-terminal";
const PATIENCE_MS = 6000;

async function page(request) {
  const kept = await caches.match(request);
  if (!kept) return fetch(request);
  let timer = 0;
  const waited = new Promise((resolve) => { timer = setTimeout(() => resolve(kept), PATIENCE_MS); });
  try {
    return await Promise.race([fetch(request), waited]);
  } catch (error) {
    return kept;
  } finally {
    clearTimeout(timer);
  }
}

async function asset(request) {
  return (await caches.match(request)) || fetch(request);
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", (event) => {
  event.waitUntil((async () => {
    const store = await caches.open(STORE);
    const wanted = event.data.keep;
    for (const known of await store.keys()) {
      const { pathname } = new URL(known.url);
      if (pathname.startsWith("/static/") && !wanted.includes(known.url)) await store.delete(known);
    }
    await store.addAll(wanted);
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.mode === "navigate" && pathname === "/terminal") event.respondWith(page(request));
  else if (pathname.startsWith("/static/")) event.respondWith(asset(request));
});
