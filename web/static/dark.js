// Terminals that say nothing, on an open wall.

const MOST_SHOWN = 12;

export function part(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

export function nameOf(one) {
  const tile = document.querySelector(`[data-institution="${CSS.escape(one.institution_id)}"] .tile-name`);
  const store = tile ? tile.textContent : one.institution_id;
  return one.till_id ? `${store} · ${one.till_id}` : store;
}

export function showDark(dark, words) {
  const section = document.getElementById("dark");
  const shown = [...section.querySelectorAll("[data-dark]")].map((item) => item.dataset.dark);
  const wanted = dark.slice(0, MOST_SHOWN);
  section.hidden = dark.length === 0;
  if (wanted.map((one) => one.terminal).join(" ") === shown.join(" ") && wanted.length === dark.length) return;
  const items = wanted.map((one) => {
    const item = document.createElement("li");
    const time = document.createElement("time");
    item.dataset.dark = one.terminal;
    time.dataset.age = one.since_ms;
    item.append(part("b", nameOf(one)), " · ", part("span", words["dark.since"]), " ", time, " · ", part("span", words[`dark.${one.reason}`]));
    return item;
  });
  if (dark.length > MOST_SHOWN) items.push(part("li", words["dark.more"].replace("{count}", dark.length - MOST_SHOWN)));
  section.querySelector("ul").replaceChildren(...items);
}
