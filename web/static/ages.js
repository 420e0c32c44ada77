// Ages of things by the server's clock, kept fresh.

const { now } = document.body.dataset;
const ahead = now ? Number(now) - Date.now() : 0;

export function serverNow() {
  return Date.now() + ahead;
}

export function ageText(ms, words) {
  const seconds = Math.max(0, Math.round((serverNow() - ms) / 1000));
  if (seconds < 5) return words["age.now"];
  const [key, n] =
    seconds < 60 ? ["seconds", seconds]
    : seconds < 3600 ? ["minutes", Math.floor(seconds / 60)]
    : seconds < 86400 ? ["hours", Math.floor(seconds / 3600)]
    : ["days", Math.floor(seconds / 86400)];
  return words[`age.${key}`].replace("{n}", n);
}

export function refreshAges(root, words) {
  for (const time of root.querySelectorAll("[data-age]")) {
    const text = ageText(Number(time.dataset.age), words);
    if (time.textContent !== text) time.textContent = text;
  }
}
